"""The ops page: what operators see and do, at /ops. Pages are written on the server, and work without a script."""

from typing import Any

import falcon

from gateway.web.ops import failures
from gateway.web.ops.bulk import Bulk, Bulks, New
from gateway.web.ops.callbacks import Callback, Callbacks
from gateway.web.ops.completion import Completion
from gateway.web.ops.credentials import Credentials
from gateway.web.ops.desk import Desk, statics
from gateway.web.ops.exports import Export
from gateway.web.ops.login import Account, Login, Logout
from gateway.web.ops.notifications import Notification, Notifications
from gateway.web.ops.now import Now
from gateway.web.ops.order import Codes, Decide, Order
from gateway.web.ops.orders import Orders
from gateway.web.ops.proof import Proof
from gateway.web.ops.provider import Provider
from gateway.web.ops.providers import Providers
from gateway.web.ops.reconcile import OneStatement, Statements
from gateway.web.ops.reports import File, Reports
from gateway.web.ops.stuck import Stuck


def add_pages(app: falcon.App[Any, Any], desk: Desk) -> None:
    """The URL table of the ops page."""
    failures.handle_errors(app, desk)
    app.add_route("/ops", Now(desk))
    app.add_route("/ops/login", Login(desk))
    app.add_route("/ops/logout", Logout(desk))
    app.add_route("/ops/account", Account(desk))
    app.add_route("/ops/orders", Orders(desk))
    app.add_route("/ops/complete", Completion(desk))
    app.add_route("/ops/orders/{order_id}", Order(desk))
    app.add_route("/ops/orders/{order_id}/codes", Codes(desk))
    app.add_route("/ops/orders/{order_id}/proof", Proof(desk))
    app.add_route("/ops/orders/{order_id}/do/{action}", Decide(desk))
    app.add_route("/ops/stuck", Stuck(desk))
    app.add_route("/ops/bulk", Bulks(desk))
    app.add_route("/ops/bulk/new", New(desk))
    app.add_route("/ops/bulk/{bulk_id}", Bulk(desk))
    app.add_route("/ops/callbacks", Callbacks(desk))
    app.add_route("/ops/callbacks/{callback_id}", Callback(desk))
    app.add_route("/ops/notifications", Notifications(desk))
    app.add_route("/ops/notifications/{number}", Notification(desk))
    app.add_route("/ops/providers", Providers(desk))
    app.add_route("/ops/providers/{provider_id}", Provider(desk))
    app.add_route("/ops/providers/{provider_id}/credentials", Credentials(desk))
    app.add_route("/ops/export/orders.{kind}", Export(desk))
    app.add_route("/ops/reconcile", Statements(desk))
    app.add_route("/ops/reconcile/{statement_id}", OneStatement(desk))
    app.add_route("/ops/reports", Reports(desk))
    app.add_route("/ops/reports.xlsx", File(desk))
    app.add_route("/ops/static/{name}", statics())
