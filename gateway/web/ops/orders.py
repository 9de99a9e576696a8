"""Orders: one search field for whatever a person has in hand, filters, and the page after by key."""

from typing import Any
from urllib.parse import urlencode

import falcon

from gateway.web import schemas
from gateway.web.ops import filters, visitors
from gateway.web.ops.desk import Page, go
from gateway.web.ops.filters import Chosen
from models import bulk, listing, lookup, provider, stuck
from models.db import database
from models.db.database import Use
from models.listing import Place
from models.person import Role
from models.status import Attention, ExternalStatus
from models.stuck import Waiting

#: Orders of a page.
PAGE = 50
#: Up to this many are counted.
MOST_COUNTED = 10_000
#: Seconds for which orders are looked at to fill a page, and to count them.
LIST_SECONDS, COUNT_SECONDS = 0.1, 0.05


class Orders(Page):
    """The list, or what a search has found."""

    least = Role.VIEWER

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        text = (req.get_param("q") or "").strip()[: filters.MOST]
        if not text:
            self._list(req, resp, filters.of_request(req, self.desk.settings.timezone))
            return
        if found := filters.in_search(text):
            raise go(f"{visitors.ROOT}/orders?{urlencode(found)}")
        with database.session(Use.LIST):
            orders = lookup.by_anything(text, self.desk.limits, PAGE)
        if len(orders) == 1:
            raise go(f"{visitors.ROOT}/orders/{orders[0].id}")
        self.desk.show(req, resp, "found.html", query=text, orders=orders, most=PAGE)

    def _list(self, req: falcon.Request, resp: falcon.Response, chosen: Chosen) -> None:
        with database.session(Use.LIST):
            providers = sorted(provider.ids())
            running = bulk.running()
        listed = _stuck(self, req, chosen) if chosen.kind else _newest(self, req, chosen)
        self.desk.show(
            req,
            resp,
            "orders.html",
            chosen=chosen,
            providers=providers,
            running=running,
            stages=list(ExternalStatus),
            kinds=list(Attention),
            query=" ".join(filters.as_written(name, value) for name, value in chosen.values.items()),
            **listed,
        )


def _newest(page: Page, req: falcon.Request, chosen: Chosen) -> dict[str, Any]:
    """A page of all orders that match, newest first. Lists take their connection in turns with others."""
    found = listing.page(
        chosen.wanted,
        chosen.view,
        page.desk.limits,
        PAGE,
        _cursor(req),
        within_seconds=LIST_SECONDS,
    )
    counted = listing.count(chosen.wanted, chosen.view, MOST_COUNTED, within_seconds=COUNT_SECONDS)
    return {
        "orders": found.orders,
        "count": max(counted.number, len(found.orders)),
        "is_least": counted.is_least,
        "following": found.end and schemas.cursor_after(found.end),
        "looked_back_to": found.end.created_at if found.end and len(found.orders) < PAGE else None,
    }


def _stuck(page: Page, req: falcon.Request, chosen: Chosen) -> dict[str, Any]:
    """A page of those that need a person for one reason, longest waiting first."""
    after, kind = _cursor(req), Attention(chosen.kind or "")
    with database.session(Use.LIST):
        found = stuck.orders(
            page.desk.limits,
            PAGE + 1,
            kind,
            after=Waiting(after.created_at, after.id) if after else None,
            narrowed=chosen.about.narrowed,
        )
        count = bulk.count(chosen.about, page.desk.limits)
    last = found[PAGE - 1] if len(found) > PAGE else None
    return {
        "orders": found[:PAGE],
        "count": count,
        "is_least": False,
        "following": last and schemas.cursor_after(Place(last.since, last.id)),
        "looked_back_to": None,
    }


def _cursor(req: falcon.Request) -> Place | None:
    """Where the page begins; the first page if that cannot be read."""
    try:
        return schemas.read_cursor(req.get_param("after") or "")
    except ValueError:
        return None
