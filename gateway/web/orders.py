"""The order API."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import falcon
import peewee

from gateway import broker, providers
from gateway.settings import Settings
from gateway.web import bodies, problems, refusals, schemas
from gateway.web.auth import Keys
from gateway.web.batching import Batcher
from gateway.web.cache import Snapshot
from gateway.web.errors import Problem
from gateway.web.seen import Seen
from gateway.web.waiting import Waiting
from models import idempotency, placing, tenants
from models.api_key import ApiKey, Scope
from models.db import database
from models.db.database import Use
from models.idempotency import Key
from models.listing import Filter
from models.placing import NoTenant, NotPlaced, Placement, Repeated

IDEMPOTENCY_KEY = re.compile(r"[\x21-\x7e]{1,255}")
#: Seconds after which the table is asked again whether orders must belong to a tenant.
TENANCY_SECONDS = 60.0
#: Seconds until a provider with a protocol that no other has is seen, and a changed protocol file.
TERMS_SECONDS = 2.0
#: The column of an order's tenant.
TENANT_COLUMN = "tenantId"
#: The SQLSTATE of a reference to a row that does not exist.
FOREIGN_KEY_VIOLATION = "23503"
#: The SQLSTATE of a column without the value that it must have.
NOT_NULL_VIOLATION = "23502"
#: The SQLSTATE of a text that is no value of the column's type, such as a UUID.
INVALID_TEXT = "22P02"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a placement is answered: JSON, the same bytes each time the idempotency key is used."""

    order_id: str
    text: str
    is_new: bool


#: What becomes of a placement.
Reply = Answer | NotPlaced


class Orders:
    """Placing and listing.

    Placing has no connection of its own: orders that arrive at the same time are placed in one statement.
    """

    needs_body = True
    takes_query = ("GET", "HEAD")

    def __init__(self, keys: Keys, settings: Settings, pause: Callable[[], None]) -> None:
        self._keys = keys
        self._settings = settings
        self._notify_rules = schemas.NotifyRules.of(settings)
        self._needs_tenant = Snapshot(tenants.is_required, TENANCY_SECONDS)
        self._terms = Snapshot(providers.terms, TERMS_SECONDS)
        self._batcher = Batcher(
            self._place_now, placing.MAX_BATCH, may_repeat=database.was_undone, pause=pause
        )

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        key = self._keys.require(req, Scope.ORDERS_WRITE)
        body, name = bodies.read_json(req), _idempotency_key(req)
        try:
            new = schemas.read_order(body, self._notify_rules)
        except Problem:
            answer = self._first_answer(body, Key(key.id, name)) if name else None
            if answer is None:
                raise
        else:
            reads_codes = Scope.PINS_READ in key.scopes
            answer = self._place(Placement(new, key.id, key.name, key.tenant_id, name, reads_codes))
        req.context.placed = answer
        if not answer.is_new:
            resp.set_header("Idempotency-Replayed", "true")
        resp.status = falcon.HTTP_201
        resp.location = f"{req.path}/{answer.order_id}"
        resp.content_type = falcon.MEDIA_JSON
        resp.data = answer.text.encode()

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        seen = Seen(self._keys.require(req, Scope.ORDERS_READ), self._settings)
        query = schemas.read_query(schemas.ListOrders, req.params)
        found = seen.page(Filter(**query.model_dump(exclude={"limit", "cursor"})), query)
        following = schemas.cursor_after(found.end) if found.end else None
        resp.media = {"data": [schemas.show_order(one) for one in found.orders], "nextCursor": following}

    on_head = on_get

    def _first_answer(self, body: Mapping[str, Any], key: Key) -> Answer | None:
        """What this order was answered under this key, if it was placed when the settings still allowed it."""
        try:
            new = schemas.read_order(body, schemas.ANY_NOTIFY_URL)
        except Problem:
            return None
        with database.session():
            first = idempotency.first_answers([key]).get(key)
        if first is None or first.fingerprint != new.fingerprint():
            return None
        return _first(first.answer)

    def _place(self, placement: Placement) -> Answer:
        """Raises a 409 or 422."""
        try:
            [placed] = self._place_soon(placement)
        except peewee.DataError as error:
            if database.sqlstate(error) != INVALID_TEXT:
                raise
            detail = (
                "this storefront's product and package ids are UUIDs; `productId` and `packageId` are not"
            )
            raise Problem(problems.UNKNOWN_PRODUCT, detail) from None
        except peewee.IntegrityError as error:
            raise self._explained(error, placement) or error from None
        if isinstance(placed, NotPlaced):
            raise refusals.problem_of(placed, placement.new)
        return placed

    def _explained(self, error: peewee.IntegrityError, placement: Placement) -> Problem | None:
        """What the table has refused; None if it is not known."""
        state = database.sqlstate(error)
        if state == NOT_NULL_VIOLATION and database.column(error) == TENANT_COLUMN:
            self._needs_tenant.get(0)  # it was altered
            return refusals.problem_of(NoTenant(), placement.new)
        if state != FOREIGN_KEY_VIOLATION:
            return None
        with database.session():
            is_tenant = tenants.is_reference(database.constraint(error))
        if is_tenant:
            detail = "this storefront has no such tenant any more; take a key of one that it has"
            return Problem(problems.UNKNOWN_TENANT, detail)
        return Problem(problems.UNKNOWN_PRODUCT, "this storefront has no such product or package")

    def _place_soon(self, placement: Placement) -> list[Reply]:
        """In a batch, or alone if it must wait for its idempotency key, so that no other order waits for it."""
        try:
            return self._batcher.run([placement])
        except peewee.OperationalError as error:
            if database.sqlstate(error) != database.LOCK_NOT_AVAILABLE:
                raise
        return self._place_now([placement], impatient=False)

    def _place_now(self, placements: Sequence[Placement], *, impatient: bool = True) -> list[Reply]:
        lacks_tenant = any(each.tenant_id is None for each in placements)
        needs_tenant = lacks_tenant and self._needs_tenant.get()
        with database.session():
            answers = placing.with_fresh_references(
                lambda: self._place_once(placements, needs_tenant=needs_tenant, impatient=impatient)
            )
        new = [answer.order_id for answer in answers if isinstance(answer, Answer) and answer.is_new]
        broker.wake("dispatch_order", *new)
        return answers

    def _place_once(
        self, placements: Sequence[Placement], *, needs_tenant: bool, impatient: bool
    ) -> list[Reply]:
        with placing.place(
            placements,
            wake_seconds=self._settings.first_check_delay,
            guard_seconds=self._settings.resend_guard,
            terms=self._terms.get(),
            needs_tenant=needs_tenant,
            impatient=impatient,
        ) as placed:
            answers = [_answer(each, one) for each, one in zip(placements, placed, strict=True)]
            idempotency.keep(
                [
                    (placement.key, answer.text)
                    for placement, answer in zip(placements, answers, strict=True)
                    if placement.key and isinstance(answer, Answer) and answer.is_new
                ]
            )
        return answers


def _answer(placement: Placement, placed: placing.Result) -> Reply:
    if isinstance(placed, NotPlaced):
        return placed
    if isinstance(placed, Repeated):
        return _first(placed.answer)
    shown = schemas.show_order(placed.order, [] if placement.reads_codes else None)
    return Answer(placed.order.id, database.as_json(shown), placed.is_new)


def _first(text: str) -> Answer:
    """The first answer, again."""
    return Answer(json.loads(text)["id"], text, is_new=False)


class Order:
    """One order, now or as soon as it has changed. While a request waits it holds no connection."""

    needs_body = True
    takes_query = ("GET", "HEAD")
    #: What the older storefront's API had under this name is a list here.
    OLD_LIST = "me"

    def __init__(self, keys: Keys, settings: Settings, waiting: Waiting) -> None:
        self._keys = keys
        self._settings = settings
        self._waiting = waiting

    def on_get(self, req: falcon.Request, resp: falcon.Response, order_id: str) -> None:
        key = self._keys.require(req, Scope.ORDERS_READ)
        if order_id == self.OLD_LIST:
            orders = req.path.rstrip("/").removesuffix(f"/{self.OLD_LIST}")
            detail = f"no order has this id; to list orders, use GET {orders}?userIdentifier=…"
            raise Problem(problems.ORDER_NOT_FOUND, detail)
        query = schemas.read_query(schemas.GetOrder, req.params)
        seen = Seen(key, self._settings)
        with database.session(Use.REQUEST):
            found = seen.find(order_id)
            if not query.wait or query.is_answered_by(found.external_status):
                resp.media = seen.show(found)
                return
        resp.media = self._when_changed(req, seen, found.id, query)

    on_head = on_get

    def _when_changed(
        self, req: falcon.Request, seen: Seen, order_id: str, query: schemas.GetOrder
    ) -> dict[str, Any]:
        """The order once it differs, or once the wait is over. Raises a 401 if the key was revoked meanwhile, a 503.

        A database that is away meanwhile is waited for, too.
        """
        req.context.has_waited = True
        key: ApiKey = req.context.key
        holder = key.tenant_id or f"key {key.id}"
        with self._waiting.place(order_id, query.came_from, query.wait or 0, req.env, holder) as place:
            while True:
                is_over = not place.wait()
                try:
                    with database.session(Use.REQUEST):
                        self._keys.confirm(req)
                        found = seen.find(order_id)
                        if is_over or query.is_answered_by(found.external_status):
                            return seen.show(found)
                except database.UNAVAILABLE:
                    if is_over:
                        raise


class Events:
    """The timeline of an order."""

    needs_database = True
    takes_query = ("GET", "HEAD")

    def __init__(self, keys: Keys, settings: Settings) -> None:
        self._keys = keys
        self._settings = settings

    def on_get(self, req: falcon.Request, resp: falcon.Response, order_id: str) -> None:
        seen = Seen(self._keys.require(req, Scope.ORDERS_READ), self._settings)
        query = schemas.read_query(schemas.ListEvents, req.params)
        found = seen.find(order_id)
        events, more_follow = seen.events(found, query)
        following = schemas.cursor_after_event(events[-1]) if more_follow else None
        shown = [schemas.show_event(event, found.sent_at) for event in events]
        resp.media = {"data": shown, "nextCursor": following}

    on_head = on_get


class Check:
    """Asking the provider about an order now."""

    needs_database = True

    def __init__(self, keys: Keys, settings: Settings) -> None:
        self._keys = keys
        self._settings = settings

    def on_post(self, req: falcon.Request, resp: falcon.Response, order_id: str) -> None:
        seen = Seen(self._keys.require(req, Scope.ORDERS_WRITE, Scope.OPS), self._settings)
        found = seen.find(order_id)
        seen.check(found)
        resp.status = falcon.HTTP_202
        resp.media = schemas.show_order(found)


class Cancel:
    """Cancelling an order that was not sent yet."""

    needs_database = True

    def __init__(self, keys: Keys, settings: Settings, waiting: Waiting) -> None:
        self._keys = keys
        self._settings = settings
        self._waiting = waiting

    def on_post(self, req: falcon.Request, resp: falcon.Response, order_id: str) -> None:
        seen = Seen(self._keys.require(req, Scope.ORDERS_WRITE), self._settings)
        cancelled = seen.cancel(seen.find(order_id))
        self._waiting.tell([cancelled.id])
        resp.media = schemas.show_order(cancelled)


def _idempotency_key(req: falcon.Request) -> str | None:
    """Raises a 400, also for a key in a header that would protect nothing."""
    if req.get_header("X-Idempotency-Key") is not None:
        detail = "the header is called Idempotency-Key, not X-Idempotency-Key"
        raise Problem(problems.INVALID_IDEMPOTENCY_KEY, detail)
    given = req.get_header("Idempotency-Key")
    if given is not None and not IDEMPOTENCY_KEY.fullmatch(given):
        detail = "Idempotency-Key must be 1 to 255 visible ASCII characters"
        raise Problem(problems.INVALID_IDEMPOTENCY_KEY, detail)
    return given
