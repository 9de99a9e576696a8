"""What surrounds every request: its id, its log line, its database connection."""

import re
import secrets
import time
from typing import Any

import falcon

from gateway import log
from gateway.web import bodies
from models.db import database

logger = log.get(__name__)

#: An id from outside is kept where it is harmless in a header and a log.
SANE_ID = re.compile(r"[\x21-\x7e]{1,200}")


class RequestLog:
    """Gives each request an id, passes it on, and writes one line when it is answered."""

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
        if "began" not in req.context:  # Falcon refused the method before anything else
            self.process_request(req, resp)
        logger.info(
            "Answered.",
            action="request",
            method=req.method,
            path=log.mask(req.path),
            status=int(resp.status_code),
            duration_ms=round(1000 * (time.perf_counter() - req.context.began), 1),
        )
        log.clear()


class Sessions:
    """The body in `req.context`, and a database connection, for each request whose resource wants them."""

    def process_resource(
        self, req: falcon.Request, resp: falcon.Response, resource: Any, params: dict[str, Any]
    ) -> None:
        needs_database = getattr(resource, "needs_database", False)
        if needs_database or getattr(resource, "needs_body", False):
            req.context.body = bodies.read(req)
        if needs_database:  # after the body: who sends it slowly holds no connection
            database.database.connect(reuse_if_open=True)

    def process_response(
        self, req: falcon.Request, resp: falcon.Response, resource: object, succeeded: bool
    ) -> None:
        if not database.database.is_closed():
            database.database.close()
