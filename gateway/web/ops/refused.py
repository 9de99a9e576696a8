"""What a page refuses."""

from http import HTTPStatus

import falcon

from gateway.said import Said


class Refused(falcon.HTTPError):
    """An error whose page says what is wrong."""

    def __init__(self, status: int, detail: Said) -> None:
        super().__init__(status, title=HTTPStatus(status).phrase, description=detail)
