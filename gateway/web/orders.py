"""The order API."""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import falcon
import peewee

from gateway import broker, log
from gateway.settings import Settings
from gateway.web import bodies, schemas
from gateway.web.auth import Keys
from gateway.web.batching import Batcher
from gateway.web.errors import FieldError, Problem
from models import idempotency, listing, lookup, order, placing, plans, timeline
from models.api_key import ApiKey, Scope
from models.codes import Code
from models.db import database
from models.placing import KeyReused, NoRoute, Placement, Repeated
from models.plans import Requested
from models.status import ExternalStatus, Source
from models.stuck import Limits

NO_ROUTE = "no route leads from this package to a provider; add one with `gateway routes add`"
IDEMPOTENCY_KEY = re.compile(r"[\x21-\x7e]{1,255}")
#: Seconds in which further readings of an order's codes with the same key are not recorded.
READING_SECONDS = 3600
#: Seconds for which orders are looked at to fill a page; what was found by then is the page.
LIST_SECONDS = 1.5
#: The SQLSTATE of a reference to a row that does not exist.
FOREIGN_KEY_VIOLATION = "23503"
#: The SQLSTATE of a text that is no value of the column's type, such as a UUID.
INVALID_TEXT = "22P02"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a placement is answered: JSON, the same bytes each time the idempotency key is used."""

    order_id: str
    text: str
    is_new: bool


class Orders:
    """Placing and listing.

    Placing has no connection of its own: orders that arrive at the same time are placed in one statement.
    """

    needs_body = True

    def __init__(self, keys: Keys, settings: Settings, pause: Callable[[], None]) -> None:
        self._keys = keys
        self._wake_seconds = settings.first_check_delay
        self._limits = Limits.of(settings)
        self._batcher = Batcher(
            self._place_now, placing.MAX_BATCH, may_repeat=database.was_undone, pause=pause
        )

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        key = self._keys.require(req, Scope.ORDERS_WRITE)
        new = schemas.read_order(bodies.read_json(req))
        answer = self._place(Placement(new, key.id, key.name, _idempotency_key(req)))
        if not answer.is_new:
            resp.set_header("Idempotency-Replayed", "true")
        resp.status = falcon.HTTP_201
        resp.location = f"{req.path}/{answer.order_id}"
        resp.content_type = falcon.MEDIA_JSON
        resp.data = answer.text.encode()

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        self._keys.require(req, Scope.ORDERS_READ)
        query = schemas.read_query(schemas.ListOrders, req.params)
        wanted = listing.Filter(**query.model_dump(exclude={"limit", "cursor"}))
        found = listing.page(wanted, self._limits, query.limit, query.cursor, within_seconds=LIST_SECONDS)
        following = schemas.cursor_after(found.end) if found.end else None
        resp.media = {"data": [schemas.show_order(one) for one in found.orders], "nextCursor": following}

    def _place(self, placement: Placement) -> Answer:
        """Raises a 422."""
        try:
            [placed] = self._place_soon(placement)
        except peewee.DataError as error:
            if database.sqlstate(error) != INVALID_TEXT:
                raise
            detail = (
                "this storefront's product and package ids are UUIDs; `productId` and `packageId` are not"
            )
            raise Problem(422, detail) from None
        except peewee.IntegrityError as error:
            if database.sqlstate(error) != FOREIGN_KEY_VIOLATION:
                raise
            raise Problem(422, "this storefront has no such product or package") from None
        if isinstance(placed, NoRoute):
            raise Problem(422, NO_ROUTE, [FieldError("/packageId", "has no route")])
        if isinstance(placed, KeyReused):
            raise Problem(422, str(placed))
        return placed

    def _place_soon(self, placement: Placement) -> list[Answer | NoRoute | KeyReused]:
        """In a batch, or alone if it must wait for its idempotency key, so that no other order waits for it."""
        try:
            return self._batcher.run([placement])
        except peewee.OperationalError as error:
            if database.sqlstate(error) != database.LOCK_NOT_AVAILABLE:
                raise
        return self._place_now([placement], impatient=False)

    def _place_now(
        self, placements: Sequence[Placement], *, impatient: bool = True
    ) -> list[Answer | NoRoute | KeyReused]:
        with database.session():
            answers = placing.with_fresh_references(lambda: self._place_once(placements, impatient=impatient))
        new = [answer.order_id for answer in answers if isinstance(answer, Answer) and answer.is_new]
        broker.wake("dispatch_order", *new)
        return answers

    def _place_once(
        self, placements: Sequence[Placement], *, impatient: bool
    ) -> list[Answer | NoRoute | KeyReused]:
        with placing.place(placements, wake_seconds=self._wake_seconds, impatient=impatient) as placed:
            answers = [_answer(one) for one in placed]
            idempotency.keep(
                [
                    (placement.key, answer.text)
                    for placement, answer in zip(placements, answers, strict=True)
                    if placement.key and isinstance(answer, Answer) and answer.is_new
                ]
            )
        return answers


def _answer(placed: placing.Result) -> Answer | NoRoute | KeyReused:
    if isinstance(placed, (NoRoute, KeyReused)):
        return placed
    if isinstance(placed, Repeated):
        return Answer(json.loads(placed.answer)["id"], placed.answer, is_new=False)
    return Answer(placed.order.id, database.as_json(schemas.show_order(placed.order)), placed.is_new)


class Order:
    """One order."""

    needs_database = True
    #: What the older storefront's API had under this name is a list here.
    OLD_LIST = "me"

    def __init__(self, keys: Keys, settings: Settings) -> None:
        self._keys = keys
        self._limits = Limits.of(settings)

    def on_get(self, req: falcon.Request, resp: falcon.Response, order_id: str) -> None:
        key = self._keys.require(req, Scope.ORDERS_READ)
        if order_id == self.OLD_LIST:
            orders = req.path.rstrip("/").removesuffix(f"/{self.OLD_LIST}")
            raise Problem(404, f"no order has this id; to list orders, use GET {orders}?userIdentifier=…")
        resp.media = shown_to(find(order_id, self._limits), key)


class Events:
    """The timeline of an order."""

    needs_database = True

    def __init__(self, keys: Keys, settings: Settings) -> None:
        self._keys = keys
        self._limits = Limits.of(settings)

    def on_get(self, req: falcon.Request, resp: falcon.Response, order_id: str) -> None:
        key = self._keys.require(req, Scope.ORDERS_READ)
        query = schemas.read_query(schemas.ListEvents, req.params)
        found = find(order_id, self._limits)
        events = timeline.events(found.id, query.limit + 1, query.cursor)
        page = events[: query.limit]
        if Scope.PINS_READ in key.scopes and any(event.whole for event in page):
            page = timeline.opened(found.id, page)
            _record_reading(found, key)
        else:
            page = [timeline.masked(event) for event in page]
        following = schemas.cursor_after_event(page[-1]) if len(events) > len(page) else None
        resp.media = {
            "data": [schemas.show_event(event, found.sent_at) for event in page],
            "nextCursor": following,
        }


class Check:
    """Asking the provider about an order now."""

    needs_database = True

    def __init__(self, keys: Keys, settings: Settings) -> None:
        self._keys = keys
        self._limits = Limits.of(settings)

    def on_post(self, req: falcon.Request, resp: falcon.Response, order_id: str) -> None:
        key = self._keys.require(req, Scope.ORDERS_WRITE, Scope.OPS)
        found = find(order_id, self._limits)
        requested = plans.request_check(found.id)
        if requested is None:
            raise Problem(409, plans.why_unasked(found))
        if requested is Requested.PLANNED:
            timeline.record(found.id, Source.API, f"check requested with key {key.name}", by=key.name)
            broker.wake("check_order_status", found.id)
        resp.status = falcon.HTTP_202
        resp.media = schemas.show_order(found)


class Cancel:
    """Cancelling an order that was not sent yet."""

    needs_database = True

    def __init__(self, keys: Keys, settings: Settings) -> None:
        self._keys = keys
        self._order_timeout_seconds = settings.order_timeout
        self._limits = Limits.of(settings)

    def on_post(self, req: falcon.Request, resp: falcon.Response, order_id: str) -> None:
        key = self._keys.require(req, Scope.ORDERS_WRITE)
        found = find(order_id, self._limits)
        if not placing.cancel(found.id, key.name, order_timeout_seconds=self._order_timeout_seconds):
            raise Problem(409, _why_not_cancelled(find(order_id, self._limits)))
        resp.media = schemas.show_order(find(order_id, self._limits))


def _why_not_cancelled(found: order.Order) -> str:
    if found.external_status == ExternalStatus.NOT_SENT:
        return "another system placed the order; cancel it there"
    return f"the order is {found.external_status} and can no longer be cancelled"


def shown_to(found: order.Order, key: ApiKey) -> dict[str, Any]:
    """The order, with its codes if the key may read them."""
    return schemas.show_order(found, _read_codes(found, key) if Scope.PINS_READ in key.scopes else None)


def find(order_id: str, limits: Limits) -> order.Order:
    """The order with this id. Raises a 404."""
    found = lookup.by_id(order_id, limits)
    if found is None:
        raise Problem(404, "no order has this id")
    log.bind(order_id=found.id)
    return found


def _read_codes(found: order.Order, key: ApiKey) -> list[Code]:
    """The codes in clear; the reading is recorded on the timeline, for each key once in READING_SECONDS."""
    codes = order.codes_of(found)
    if codes:
        _record_reading(found, key)
    return codes


def _record_reading(found: order.Order, key: ApiKey) -> None:
    note = f"codes read with key {key.name}"
    timeline.record_once(found.id, Source.API, note, key.name, within_seconds=READING_SECONDS)


def _idempotency_key(req: falcon.Request) -> str | None:
    given = req.get_header("Idempotency-Key")
    if given is not None and not IDEMPOTENCY_KEY.fullmatch(given):
        raise Problem(400, "Idempotency-Key must be 1 to 255 visible ASCII characters")
    return given
