"""The orders that a key sees, and what is done with them over the API.

The only way from a request to stored orders: other modules of gateway.web may not import what finds or changes orders
by their ids (tests/gateway/web/test_tenants.py). What takes an `Order` gets one that the key sees.
"""

from collections.abc import Sequence
from typing import Any

from gateway import broker, log, providers, shown
from gateway.settings import Settings
from gateway.web import problems, schemas
from gateway.web.errors import Problem
from models import listing, lookup, order, plans, resolving, timeline, unsent
from models.api_key import ApiKey, Scope
from models.claims import Asking
from models.codes import Code
from models.listing import Filter, Page
from models.order import Order
from models.plans import Requested
from models.status import Attention, ExternalStatus, Source
from models.stuck import Limits
from models.tenants import View
from models.timeline import Event

#: Seconds in which further readings of an order's codes with the same key are not recorded.
READING_SECONDS = 3600
#: Seconds for which orders are looked at to fill a page; what was found by then is the page.
LIST_SECONDS = 1.5


class Seen:
    """The orders that a key sees: those of its tenant; all, if it belongs to none."""

    def __init__(self, key: ApiKey, settings: Settings) -> None:
        self._key = key
        self._view = View(key.tenant_id)
        self._settings = settings
        self._limits = Limits.of(settings)

    def find(self, order_id: str) -> Order:
        """The order with this id. Raises a 404: the same for another tenant's order as for one that does not exist."""
        found = lookup.by_id(order_id, self._view, self._limits)
        if found is None:
            raise Problem(
                problems.ORDER_NOT_FOUND,
                "no order has this id; GET /orders?reference=… finds one by your own number for it",
            )
        log.bind(order_id=found.id)
        return found

    def page(self, wanted: Filter, query: schemas.ListOrders) -> Page:
        """A page of those that are wanted."""
        return listing.page(
            wanted, self._view, self._limits, query.limit, query.cursor, within_seconds=LIST_SECONDS
        )

    def show(self, found: Order) -> dict[str, Any]:
        """The order, with its codes if the key may read them."""
        codes = self._read_codes(found) if Scope.PINS_READ in self._key.scopes else None
        return schemas.show_order(found, codes)

    def events(self, found: Order, query: schemas.ListEvents) -> tuple[list[Event], bool]:
        """A page of its timeline, and whether more follow; masked texts are whole if the key may read codes."""
        events = timeline.events(found.id, query.limit + 1, query.cursor)
        page = events[: query.limit]
        if Scope.PINS_READ in self._key.scopes and any(event.whole for event in page):
            page = timeline.opened(found.id, page)
            self._record_reading(found)
        else:
            page = [timeline.masked(event) for event in page]
        if Scope.OPS not in self._key.scopes:
            page = [shown.show_to_storefront(event) for event in page]
        return page, len(events) > len(page)

    def check(self, found: Order) -> None:
        """Have its provider asked now. Raises a 409."""
        asking = providers.asking_of(found.provider_id)
        requested = plans.request_check(found.id, asking)
        if requested is None:
            raise Problem(problems.CANNOT_CHECK, _why_not_checked(found, asking))
        if requested is Requested.PLANNED:
            name = self._key.name
            timeline.record(found.id, Source.API, f"check requested with key {name}", by=name)
            broker.wake("check_order_status", found.id)

    def cancel(self, found: Order) -> Order:
        """The order, cancelled. Raises a 409 if it was sent."""
        timeout = self._settings.order_timeout
        if not unsent.cancel(found.id, self._key.name, order_timeout_seconds=timeout):
            raise Problem(problems.CANNOT_CANCEL, _why_not_cancelled(self.find(found.id)))
        broker.wake_notifier()
        return self.find(found.id)

    def resolve(self, found: Order, wanted: schemas.ResolveOrder) -> Order:
        """The order as a person has decided it. Raises resolving.NotPossible."""
        by, reason = self._key.name, wanted.reason
        match "accept" if wanted.accept else wanted.external_status:
            case "accept":
                resolving.accept(found.id, by=by, reason=reason)
            case "completed":
                resolving.complete(found.id, wanted.all_codes(), by=by, reason=reason)
            case "failed":
                resolving.fail(found.id, by=by, reason=reason)
            case "reversed":
                resolving.reverse(found.id, by=by, reason=reason)
            case None:
                resolving.dismiss(found.id, by=by, reason=reason)
        broker.wake_notifier()
        return self.find(found.id)

    def resend(self, found: Order, wanted: schemas.ResendOrder) -> Order:
        """The order, which is sent again. Raises resolving.NotPossible."""
        resolving.resend(
            found.id,
            by=self._key.name,
            reason=wanted.reason,
            provider_id=wanted.provider_id,
            may_buy_twice=wanted.may_buy_twice,
        )
        broker.wake("dispatch_order", found.id)
        return self.find(found.id)

    def _read_codes(self, found: Order) -> list[Code]:
        """The codes in clear; the reading is recorded on the timeline, for each key once in READING_SECONDS."""
        codes = order.codes_of(found)
        if codes:
            self._record_reading(found)
        return codes

    def _record_reading(self, found: Order) -> None:
        name = self._key.name
        note = f"codes read with key {name}"
        timeline.record_once(found.id, Source.API, note, name, within_seconds=READING_SECONDS)


def changed(waited_for: Sequence[tuple[str, ExternalStatus | None]]) -> list[int]:
    """Of orders that keys of this process have found, the positions of those that are not any more as they were.

    See `lookup.changed`. It tells nothing of them; who waits for one finds it again, as the key sees it.
    """
    return lookup.changed(waited_for)


def _why_not_checked(found: Order, asking: Asking) -> str:
    if found.attention == Attention.MANUAL:
        return "a person fulfils the order, so that no provider can be asked about it"
    return plans.why_unasked(found, asking)


def _why_not_cancelled(found: Order) -> str:
    if found.external_status == ExternalStatus.NOT_SENT:
        return "another system placed the order; cancel it there"
    return f"the order is {found.external_status} and can no longer be cancelled"
