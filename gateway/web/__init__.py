"""The HTTP API. A resource translates a request into one call, and its result into a response."""

import time
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import falcon

from gateway.counting import Counts
from gateway.measuring import Measures
from gateway.settings import Settings
from gateway.tracing import OFF, Traces
from gateway.web import docs, openapi, seen
from gateway.web.auth import Access, Keys
from gateway.web.callbacks import Callbacks
from gateway.web.deciding import Resend, Resolve
from gateway.web.errors import handle_errors
from gateway.web.health import Live, Ready
from gateway.web.limits import Limits
from gateway.web.metrics import Metrics
from gateway.web.middleware import Queries, RequestLog, Sessions
from gateway.web.ops import add_pages
from gateway.web.ops.desk import Desk
from gateway.web.ops.visitors import Door
from gateway.web.orders import Cancel, Check, Events, Order, Orders
from gateway.web.routes import Routes
from gateway.web.traced import Traced
from gateway.web.waiting import Waiting


def create_app(
    settings: Settings,
    redis_client: Any,
    *,
    pause: Callable[[], None] = lambda: time.sleep(0),
    counts: Counts | None = None,
    limits: Limits | None = None,
    keys: Keys | None = None,
    waiting: Waiting | None = None,
    measures: Measures | None = None,
    traces: Traces = OFF,
) -> falcon.App[Any, Any]:
    """The application. The caller has bound the models; no request but those for health and metrics waits for Redis.

    `pause` lets other requests of this process run, so that more of them can join a batch before it starts. `counts`
    counts the callbacks that are refused, `limits` how often whom is answered, `keys` knows who may ask, `waiting` has
    the requests that wait for an order, `measures` how long what took, and `traces` what happened to which order.
    """
    limits = limits or Limits(settings, redis_client)
    keys = keys or Keys(limits)
    waiting = Waiting(seen.changed) if waiting is None else waiting
    measures = measures or Measures()
    middleware: list[Any] = [
        RequestLog(measures),
        *([] if traces is OFF else [Traced(traces)]),
        *(Access(keys), Door(settings.public_url), Queries(), Sessions()),
    ]
    app: falcon.App[Any, Any] = falcon.App(middleware=middleware)
    app.req_options.strip_url_path_trailing_slash = True
    app.req_options.auto_parse_form_urlencoded = False
    handle_errors(app)

    for prefix in ("", settings.order_api_prefix):
        app.add_route(f"{prefix}/orders", Orders(keys, settings, pause))
        app.add_route(f"{prefix}/orders/{{order_id}}", Order(keys, settings, waiting))
        app.add_route(f"{prefix}/orders/{{order_id}}/events", Events(keys, settings))
        app.add_route(f"{prefix}/orders/{{order_id}}/check", Check(keys, settings))
        app.add_route(f"{prefix}/orders/{{order_id}}/cancel", Cancel(keys, settings, waiting))
        app.add_route(f"{prefix}/orders/{{order_id}}/resolve", Resolve(keys, settings, waiting))
        app.add_route(f"{prefix}/orders/{{order_id}}/resend", Resend(keys, settings))

    app.add_route("/routes/{product_id}/{package_id}", Routes(keys))

    callbacks = Callbacks(settings, pause, counts or Counts(), limits, waiting, measures)
    app.add_route("/callbacks/{provider_id}", callbacks)
    app.add_route("/callbacks/{provider_id}/{token}", callbacks)

    app.add_route("/health/live", Live())
    app.add_route("/health/ready", Ready(redis_client))
    app.add_route("/metrics", Metrics(keys, settings, redis_client))
    add_pages(app, Desk(settings, keys, limits, redis_client))

    for path, resource in _descriptions(settings.order_api_prefix).items():
        app.add_route(path, resource)
    return app


@lru_cache(maxsize=4)
def _descriptions(prefix: str) -> dict[str, Any]:
    """By path, what describes the application: it never changes, and takes longer to make than all the rest."""
    document = openapi.document(prefix)
    return {
        "/openapi.json": openapi.OpenApi(document),
        "/docs": docs.Page(document),
        "/docs/problems/{slug}": docs.ProblemPage(),
    }
