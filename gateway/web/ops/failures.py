"""Errors on the ops page are pages: what is wrong, and where to go on."""

from http import HTTPStatus

import falcon

from gateway.web import errors, problems
from gateway.web.ops.desk import Desk, templates
from gateway.web.ops.visitors import is_page

#: What is said while the database is away; a form may have been carried out all the same.
AWAY = "The database does not answer. Load the page again in a few seconds, and look whether it was done."


def handle_errors(app: "falcon.App[falcon.Request, falcon.Response]", desk: Desk) -> None:
    """Let `app` answer errors below /ops as pages, and others as before."""

    def serialize(req: falcon.Request, resp: falcon.Response, error: falcon.HTTPError) -> None:
        if not is_page(req.path):
            errors.serialize(req, resp, error)
            return
        status = error.status_code
        detail = error.description or HTTPStatus(status).description or HTTPStatus(status).phrase
        if isinstance(error, errors.Problem) and error.kind is problems.DATABASE_UNAVAILABLE:
            detail = AWAY
        reader = desk.reader(req)
        template = templates().get_template("error.html")
        resp.content_type = "text/html; charset=utf-8"
        resp.text = template.render(
            t=reader.text,
            n=reader.counted,
            r=reader,
            visitor=None,
            path=req.path,
            status=status,
            detail=detail,
            in_other_language=None,
            query="",
        )

    app.set_error_serializer(serialize)
