"""The order API."""

import re
from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

import falcon
import peewee

from gateway import broker, log
from gateway.settings import Settings
from gateway.web import bodies, schemas
from gateway.web.auth import Keys
from gateway.web.batching import Batcher
from gateway.web.errors import FieldError, Problem
from models import claims, order, placing, timeline
from models.api_key import ApiKey, Scope
from models.db import database
from models.status import Source

NO_ROUTE = "no route leads from this package to a provider; add one with `gateway routes add`"
IDEMPOTENCY_KEY = re.compile(r"[\x21-\x7e]{1,255}")
#: What PostgreSQL calls a reference to a row that is not there.
FOREIGN_KEY_VIOLATION = "23503"


class Orders:
    """Placing and listing.

    Placing has no connection of its own: orders that come at once are placed together.
    """

    needs_body = True

    def __init__(self, keys: Keys, settings: Settings, pause: Callable[[], None]) -> None:
        self._keys = keys
        self._wake_seconds = settings.first_check_delay
        self._batcher = Batcher(
            self._place_now, placing.MAX_BATCH, may_repeat=database.was_undone, pause=pause
        )

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        key = self._keys.require(req, Scope.ORDERS_WRITE)
        new = schemas.read_order(bodies.read_json(req))
        placed = self._place(placing.Placement(new, key.id, key.name, _idempotency_key(req)))
        if not placed.is_new:
            resp.set_header("Idempotency-Replayed", "true")
        resp.status = falcon.HTTP_201
        resp.location = f"{req.path}/{placed.order_id}"
        resp.content_type = falcon.MEDIA_JSON
        resp.data = placed.answer.encode()

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        self._keys.require(req, Scope.ORDERS_READ)
        query = schemas.read_query(req.params)
        wanted = placing.Filter(**query.model_dump(exclude={"limit", "cursor"}))
        with database.session():
            found = placing.page(wanted, query.limit + 1, query.cursor)
        page = found[: query.limit]
        following = schemas.cursor_after(page[-1]) if len(found) > len(page) else None
        resp.media = {"data": [schemas.show_order(one) for one in page], "nextCursor": following}

    def _place(self, placement: placing.Placement) -> placing.Placed:
        try:
            [placed] = self._place_soon(placement)
        except peewee.DataError:
            raise Problem(422, "this storefront's products and packages are UUIDs; these are not") from None
        except peewee.IntegrityError as error:
            if database.sqlstate(error) != FOREIGN_KEY_VIOLATION:
                raise
            raise Problem(422, "this storefront has no such product or package") from None
        if isinstance(placed, placing.NoRoute):
            raise Problem(422, NO_ROUTE, [FieldError("/packageId", "has no route")])
        if isinstance(placed, placing.KeyReused):
            raise Problem(422, str(placed))
        return placed

    def _place_soon(self, placement: placing.Placement) -> list[placing.Result]:
        """With others, unless it has to wait for its idempotency key: that holds up nobody else."""
        try:
            return self._batcher.run([placement])
        except peewee.OperationalError as error:
            if database.sqlstate(error) != database.LOCK_NOT_AVAILABLE:
                raise
        return self._place_now([placement], impatient=False)

    def _place_now(
        self, placements: Sequence[placing.Placement], *, impatient: bool = True
    ) -> list[placing.Result]:
        with database.session():
            placed = placing.place(placements, _as_text, wake_seconds=self._wake_seconds, impatient=impatient)
        new = [one.order_id for one in placed if isinstance(one, placing.Placed) and one.is_new]
        broker.wake("dispatch_order", *new)
        return placed


class Order:
    """One order."""

    needs_database = True

    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    def on_get(self, req: falcon.Request, resp: falcon.Response, order_id: str) -> None:
        key = self._keys.require(req, Scope.ORDERS_READ)
        found = _find(order_id)
        if Scope.PINS_READ in key.scopes:
            resp.media = schemas.show_order(found, _read_pin(found, key))
        else:
            resp.media = schemas.show_order(found)


class Events:
    """The timeline of an order."""

    needs_database = True

    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    def on_get(self, req: falcon.Request, resp: falcon.Response, order_id: str) -> None:
        self._keys.require(req, Scope.ORDERS_READ)
        found = _find(order_id)
        resp.media = [schemas.show_event(event) for event in timeline.events(found["id"])]


class Check:
    """Asking the provider now."""

    needs_database = True

    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    def on_post(self, req: falcon.Request, resp: falcon.Response, order_id: str) -> None:
        key = self._keys.require(req, Scope.ORDERS_WRITE, Scope.OPS)
        found = _find(order_id)
        if not claims.request_check(found["id"]):
            raise Problem(409, "the order was never sent, so its provider cannot be asked")
        timeline.record(found["id"], Source.API, f"check requested with key {key.name}")
        broker.wake("check_order_status", found["id"])
        resp.status = falcon.HTTP_202
        resp.media = schemas.show_order(found)


class Cancel:
    """Cancelling what was not sent yet."""

    needs_database = True

    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    def on_post(self, req: falcon.Request, resp: falcon.Response, order_id: str) -> None:
        key = self._keys.require(req, Scope.ORDERS_WRITE)
        found = _find(order_id)
        if not placing.cancel(found["id"], key.name):
            raise Problem(409, f"the order is {found['externalStatus']} and can no longer be cancelled")
        resp.media = schemas.show_order(_find(order_id))


def _find(order_id: str) -> dict[str, Any]:
    try:
        found = order.find(str(UUID(order_id)))
    except ValueError:
        found = None
    if found is None:
        raise Problem(404, "there is no order of this id")
    log.bind(order_id=found["id"])
    return found


def _read_pin(found: dict[str, Any], key: ApiKey) -> str | None:
    """The PIN in clear; that it was read goes on the timeline."""
    pin = order.pin_of(found)
    if pin is not None:
        timeline.record(found["id"], Source.API, f"PIN read with key {key.name}")
    return pin


def _idempotency_key(req: falcon.Request) -> str | None:
    given = req.get_header("Idempotency-Key")
    if given is not None and not IDEMPOTENCY_KEY.fullmatch(given):
        raise Problem(400, "Idempotency-Key must be 1 to 255 visible ASCII characters")
    return given


def _as_text(placed: dict[str, Any]) -> str:
    return database.as_json(schemas.show_order(placed))
