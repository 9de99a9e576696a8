"""Every error as a problem of RFC 9457: `application/problem+json`."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import falcon
import peewee

from gateway import log
from gateway.said import Said, said_by
from gateway.web import problems
from gateway.web.problems import ProblemType
from models.db import database, sealed

logger = log.get(__name__)

MEDIA_TYPE = "application/problem+json"
#: What to say of a request for which there is nothing here.
NOT_SERVED = {
    404: "nothing is served under this path; orders are under /orders, and /docs lists all calls",
    405: "this path does not take this method; the header Allow lists those that it takes",
}
#: `Retry-After` while the database is unavailable, in seconds.
RETRY_AFTER_SECONDS = 5


@dataclass(frozen=True, slots=True)
class FieldError:
    """What is wrong with one part of the input. Never repeats the input."""

    pointer: str
    detail: str


class Problem(falcon.HTTPError):
    """An error whose answer says what is wrong and, for invalid input, where.

    `members` are further members of the answer. `headers` have `_` for `-` in their names; one that is None is left
    out.
    """

    def __init__(
        self,
        kind: ProblemType,
        detail: str,
        errors: Sequence[FieldError] = (),
        members: Mapping[str, str] | None = None,
        **headers: str | None,
    ) -> None:
        named = {name.replace("_", "-"): value for name, value in headers.items() if value is not None}
        super().__init__(kind.status, title=kind.title, description=detail, headers=named)
        self.kind = kind
        self.errors = errors
        self.members = members or {}


def handle_errors(app: falcon.App[Any, Any]) -> None:
    """Let `app` answer every error as a problem."""
    app.set_error_serializer(serialize)
    # For HTTPError and HTTPStatus, Falcon's own handlers are more specific.
    app.add_error_handler(Exception, _unexpected)
    for kind in database.UNAVAILABLE:
        app.add_error_handler(kind, _unavailable)
    app.add_error_handler(database.TooSlow, _too_slow)
    app.add_error_handler(peewee.ProgrammingError, _refused)
    app.add_error_handler(sealed.Unsealable, _unsealable)


def serialize(req: falcon.Request, resp: falcon.Response, error: falcon.HTTPError) -> None:
    """The answer to an error, as a problem."""
    status = error.status_code
    kind = error.kind if isinstance(error, Problem) else _of_falcon(status)
    problem: dict[str, Any] = {
        "type": kind.type,
        "title": kind.title,
        "status": status,
        "detail": error.description
        or NOT_SERVED.get(status)
        or HTTPStatus(status).description
        or HTTPStatus(status).phrase,
    }
    if isinstance(error, Problem):
        problem |= error.members
        if error.errors:
            problem["errors"] = [{"pointer": one.pointer, "detail": one.detail} for one in error.errors]
    resp.content_type = MEDIA_TYPE
    resp.data = json.dumps(problem, ensure_ascii=False).encode()


def _of_falcon(status: int) -> ProblemType:
    """The kind of an error that Falcon raises itself."""
    other = problems.BAD_REQUEST if status < HTTPStatus.INTERNAL_SERVER_ERROR else problems.INTERNAL_ERROR
    return problems.OF_STATUS.get(status, other)


def _unavailable(
    req: falcon.Request, resp: falcon.Response, error: Exception, params: dict[str, Any]
) -> None:
    logger.warning("The database is unavailable.", action="database_unavailable", error=str(error).strip())
    is_busy = isinstance(error, database.Unavailable)
    why = "every database connection for this is in use" if is_busy else "the database is unavailable"
    detail = f"{why}; try again, with the same Idempotency-Key if there was one"
    raise Problem(problems.DATABASE_UNAVAILABLE, detail, Retry_After=str(RETRY_AFTER_SECONDS)) from None


def _too_slow(req: falcon.Request, resp: falcon.Response, error: Exception, params: dict[str, Any]) -> None:
    logger.warning("A list took too long.", action="list_too_slow", error=str(error))
    detail = f"{error}; narrow it, for example with `createdAfter` and `createdBefore`, or try again"
    raise Problem(problems.LIST_TOO_SLOW, detail, Retry_After=str(RETRY_AFTER_SECONDS)) from None


def _refused(req: falcon.Request, resp: falcon.Response, error: Exception, params: dict[str, Any]) -> None:
    """A right that the host of the database has taken away comes back; any other such error is a bug."""
    is_right = database.sqlstate(error) == database.NOT_PERMITTED
    (_unavailable if is_right else _unexpected)(req, resp, error, params)


def _unsealable(
    req: falcon.Request, resp: falcon.Response, error: sealed.Unsealable, params: dict[str, Any]
) -> None:
    logger.error("A sealed value cannot be opened.", action="unsealable", error=str(error))
    detail = Said("{error}; for the operator: {cure}", error=said_by(error), cure=error.cure)
    raise Problem(problems.UNREADABLE_VALUE, detail) from None


def _unexpected(req: falcon.Request, resp: falcon.Response, error: Exception, params: dict[str, Any]) -> None:
    logger.exception("A request failed.", action="request_failed", exc_info=error)
    request_id = req.context.get("request_id")
    detail = Said("internal error; the log has the details under request {request}", request=request_id)
    raise Problem(problems.INTERNAL_ERROR, detail) from None
