"""The ops page: what operators see and do, at /ops. Pages are written on the server, and work without a script."""

from typing import Any

import falcon

from gateway.web.ops import failures
from gateway.web.ops.desk import Desk
from gateway.web.ops.login import Account, Home, Login, Logout


def add_pages(app: falcon.App[Any, Any], desk: Desk) -> None:
    """The URL table of the ops page."""
    failures.handle_errors(app, desk)
    app.add_route("/ops", Home(desk))
    app.add_route("/ops/login", Login(desk))
    app.add_route("/ops/logout", Logout(desk))
    app.add_route("/ops/account", Account(desk))
    app.add_route("/ops/static/{name}", desk.statics)
