"""What a request did to orders, for their traces; among the middleware only where traces are wanted."""

import time
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import falcon

from gateway.tracing import Kind, Traces


class Traced:
    """A span for each order that a request has placed, told of, or acted on."""

    def __init__(self, traces: Traces) -> None:
        self._traces = traces

    def process_resource(
        self, req: falcon.Request, resp: falcon.Response, resource: Any, params: dict[str, Any]
    ) -> None:
        if req.method == "POST" and _is_id(params.get("order_id")):
            req.context.acted_on = params["order_id"]

    def process_response(
        self, req: falcon.Request, resp: falcon.Response, resource: object, succeeded: bool
    ) -> None:
        status = int(resp.status_code)
        if status >= 400 or "began" not in req.context:
            return
        seconds = time.perf_counter() - req.context.began
        placed = req.context.get("placed")
        for order_id, told in _orders(req):
            attributes: dict[str, str | int] = {
                "http.request.method": req.method,
                "http.route": req.uri_template or "",
                "http.response.status_code": status,
                **told,
            }
            self._traces.record(
                order_id,
                f"{req.method} {req.uri_template}",
                seconds,
                Kind.SERVER,
                attributes,
                is_first=placed is not None and placed.is_new,
            )


def _orders(req: falcon.Request) -> Iterator[tuple[str, dict[str, str]]]:
    """The orders that a request was about, by what its resource has noted; and what is told of each."""
    if placed := req.context.get("placed"):
        yield placed.order_id, {}
    if acted_on := req.context.get("acted_on"):
        yield acted_on, {}
    if asked_about := req.context.get("asked_about"):
        yield asked_about, {"referans.provider.id": req.context.provider_id, "referans.result": "asked"}
    for one in req.context.get("settled") or ():
        if one.order_id:
            told = {"referans.provider.id": req.context.provider_id, "referans.result": one.result.value}
            yield one.order_id, told | ({"referans.status": one.went_to} if one.went_to else {})


def _is_id(given: object) -> bool:
    try:
        return bool(UUID(str(given)))
    except ValueError:
        return False
