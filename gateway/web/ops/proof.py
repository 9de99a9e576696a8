"""The proof of an order, to be printed for its provider: what was sent when, what came back, hashes, no secret."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import falcon

from gateway.callbacks import reading
from gateway.web.ops import order as order_page
from gateway.web.ops import story
from gateway.web.ops.desk import Page
from models import inbox, timeline
from models.db import database, sealed
from models.db.database import Use
from models.inbox import WholeCallback
from models.order import Order
from models.person import Role
from models.status import Source

#: What concerns the provider; the storefront's and people's part does not.
SOURCES = (Source.DISPATCH, Source.CALLBACK, Source.POLL, Source.SWEEP)

#: Events that stand here at most: the first ones, with the sending, and the last ones.
FIRST_EVENTS, LAST_EVENTS = 100, 400


@dataclass(frozen=True, slots=True)
class Received:
    """A callback, and the hash of its body as it arrived."""

    callback: WholeCallback
    #: SHA-256 in hex; None if it is not kept any more, does not open, or is not for this visitor.
    digest: str | None


class Proof(Page):
    """The page."""

    least = Role.VIEWER

    def on_get(self, req: falcon.Request, resp: falcon.Response, order_id: str) -> None:
        with database.session(Use.LIST):
            found = order_page.find(self, order_id)
            events = [
                timeline.masked(each)
                for each in timeline.ends(found.id, FIRST_EVENTS, LAST_EVENTS)
                if each.source in SOURCES
            ]
            received = list(_received(found, req.context.visitor.may_read_codes))
        self.desk.show(
            req,
            resp,
            "proof.html",
            order=found,
            events=events,
            received=received,
            sources=story.SOURCES,
            exact=exact,
            digest=_digest(found, events, received),
        )


def exact(at: datetime | None) -> str:
    """A time that needs no zone of its reader: `2026-05-14 00:12:32.105 UTC`."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}"[:-3] + " UTC" if at else "–"


def _received(found: Order, may_read_codes: bool) -> Iterator[Received]:
    """Who may not read codes sees no hash: of a short code in a body that is otherwise known, it tells the code."""
    listed = inbox.page(inbox.Filter(order_id=found.id), order_page.MOST_CALLBACKS)
    for each in inbox.find([one.id for one in listed]):
        yield Received(each, _body_digest(each) if may_read_codes else None)


def _body_digest(callback: WholeCallback) -> str | None:
    try:
        kept = inbox.raw(callback)
    except sealed.Unsealable:
        return None
    return hashlib.sha256(reading.kept_request(kept).body).hexdigest() if kept else None


def _digest(found: Order, events: list[timeline.Event], received: list[Received]) -> str:
    """Of all that the page says: a copy that was altered has another one."""
    said: list[Any] = [
        [
            found.id,
            found.provider_id,
            found.provider_referans,
            found.external_order_id,
            found.external_status,
        ],
        [[exact(each.at), each.source, each.came_from, each.went_to, each.message] for each in events],
        [[exact(each.callback.received_at), each.callback.result, each.digest] for each in received],
    ]
    return hashlib.sha256(json.dumps(said, ensure_ascii=False).encode()).hexdigest()
