"""For every request: its id, its log line, its body, its database connection."""

import re
import secrets
import time
from contextlib import ExitStack
from typing import Any

import falcon

from gateway import log
from gateway.measuring import REQUESTS, Measures
from gateway.web import bodies, schemas
from models.db import database
from models.db.database import Use

logger = log.get(__name__)

#: Methods that are told apart where requests are measured, and what stands for anything else.
METHODS, OTHER = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}), "other"
#: What is added to the route of a request that has waited for an order to change.
WAITED = "?wait"
#: The beginning of a callback's path.
CALLBACKS = "/callbacks/"
#: The id of an order in a path; what stands in its place may be anything, a code or a token too.
ORDER = re.compile(r"(?<=/orders/)(?![0-9a-fA-F]{8}(?:-?[0-9a-fA-F]{4}){3}-?[0-9a-fA-F]{12}(?:/|$))[^/]+")
#: Ids from outside that are harmless in a header and in a log.
SANE_ID = re.compile(r"[\x21-\x7e]{1,200}")


class RequestLog:
    """Gives each request an id, returns it to the caller, and writes one log line with the answer.

    Also measures how long each took.
    """

    def __init__(self, measures: Measures) -> None:
        self._measures = measures

    def process_request(self, req: falcon.Request, resp: falcon.Response) -> None:
        given = req.get_header("X-Request-ID") or ""
        request_id = given if SANE_ID.fullmatch(given) else secrets.token_hex(16)
        req.context.request_id = request_id
        req.context.began = time.perf_counter()
        resp.set_header("X-Request-ID", request_id)
        resp.set_header("Cache-Control", "no-store")
        log.clear()
        log.bind(request_id=request_id)

    def process_response(
        self, req: falcon.Request, resp: falcon.Response, resource: object, succeeded: bool
    ) -> None:
        if (
            "began" not in req.context
        ):  # Falcon refused a method of its own (WEBSOCKET) before any middleware ran
            self.process_request(req, resp)
        seconds = time.perf_counter() - req.context.began
        self._measures.observe(REQUESTS, seconds, *_measured_as(req, resp.status_code))
        logger.info(
            "Answered.",
            action="request",
            method=req.method,
            path=_shown_path(req),
            status=int(resp.status_code),
            duration_ms=round(1000 * seconds, 1),
        )
        log.clear()


def _measured_as(req: falcon.Request, status: int) -> tuple[str, str, str]:
    """Method, route and class of the status: few, whatever is asked for."""
    route = req.uri_template or OTHER
    if "has_waited" in req.context:
        route += WAITED
    return req.method if req.method in METHODS else OTHER, route, f"{status // 100}xx"


def _shown_path(req: falcon.Request) -> str:
    """The path without what may be the token of a callback, wherever its sender has put it."""
    if req.uri_template is None:
        return log.first_segment(req.path)
    if not req.uri_template.startswith(CALLBACKS):
        return ORDER.sub(log.MASKED, log.mask(req.path))
    known = req.context.get("provider_id")  # what is not known as one may be a token without its provider
    token = f"/{log.MASKED}" if "{token}" in req.uri_template else ""
    return f"{CALLBACKS}{known}{token}" if known else log.first_segment(req.path)


class Queries:
    """Refuses parameters where a call with a key takes none; those that take some read them (`takes_query`)."""

    def process_resource(
        self, req: falcon.Request, resp: falcon.Response, resource: Any, params: dict[str, Any]
    ) -> None:
        if "key" in req.context and req.method not in getattr(resource, "takes_query", ()):
            schemas.read_query(schemas.NoQuery, req.params)


class Sessions:
    """Reads the body into `req.context` and opens a database connection, for resources that need them."""

    def process_resource(
        self, req: falcon.Request, resp: falcon.Response, resource: Any, params: dict[str, Any]
    ) -> None:
        needs_database = getattr(resource, "needs_database", False)
        if needs_database or getattr(resource, "needs_body", False):
            req.context.body = bodies.read(req)
        if needs_database:  # after the body, so that a slow client does not hold a connection
            req.context.session = ExitStack()
            req.context.session.enter_context(database.session(Use.REQUEST))

    def process_response(
        self, req: falcon.Request, resp: falcon.Response, resource: object, succeeded: bool
    ) -> None:
        if "session" in req.context:
            req.context.session.close()
        if not database.database.is_closed():  # opened by a statement without a session
            database.database.close()
