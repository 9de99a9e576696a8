"""Errors on the ops page are pages: what is wrong, and where to go on."""

from http import HTTPStatus

import falcon

from gateway.said import Said
from gateway.web import errors, problems
from gateway.web.ops.desk import Desk, templates
from gateway.web.ops.visitors import is_page

#: What is said while the database is away; a form may have been carried out all the same.
AWAY = Said(
    "The database does not answer. Load the page again in a few seconds, and look whether it was done."
)
#: By kind of problem, what a page says in place of the API's words, which name its own parameters.
OF_KINDS = {
    problems.DATABASE_UNAVAILABLE: AWAY,
    problems.LIST_TOO_SLOW: Said("This list takes too long. Narrow it with since and until, or try again."),
}
#: By status, what is said of an error that no page of ours has raised; of others, the standard's English.
OF_STATUS = {
    400: Said("the address or the form cannot be read"),
    404: Said("no page has this address"),
    405: Said("this page takes no request of this kind"),
    408: Said("the form did not arrive in time"),
    500: Said("internal error; the log has the details"),
    503: Said("this cannot be done at this moment; try again in a few seconds"),
}


def handle_errors(app: "falcon.App[falcon.Request, falcon.Response]", desk: Desk) -> None:
    """Let `app` answer errors below /ops as pages, and others as before."""

    def serialize(req: falcon.Request, resp: falcon.Response, error: falcon.HTTPError) -> None:
        if not is_page(req.path):
            errors.serialize(req, resp, error)
            return
        status = error.status_code
        detail = _detail(error)
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


def _detail(error: falcon.HTTPError) -> str:
    """What a page says of an error."""
    if isinstance(error, errors.Problem) and error.kind in OF_KINDS:
        return OF_KINDS[error.kind]
    if isinstance(error.description, Said):
        return error.description
    status = HTTPStatus(error.status_code)
    return OF_STATUS.get(status) or error.description or status.description or status.phrase
