"""Finding orders: by what a person has in hand, or a page of a list. Their `attention` is the computed one, too."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from gateway.inputs import is_storable
from models.db import database
from models.db.database import Use
from models.db.prepared import Prepared
from models.order import Order
from models.status import STAGES, ExternalStatus, words
from models.stuck import PROVIDER, SHOWN, Limits

#: Orders that one statement of a list looks at, at most: a few at first, since most filters let enough of them through.
PARTS = (500, 5_000, 20_000)
#: Digits of the largest "orderNo", a PostgreSQL integer.
MAX_ORDER_NO = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Filter:
    """Which orders to list; None is any."""

    external_status: ExternalStatus | None = None
    provider_id: str | None = None
    user_identifier: str | None = None
    product_id: str | None = None
    #: The storefront's own number.
    reference: str | None = None
    #: A time, or an age.
    created_after: datetime | timedelta | None = None
    created_before: datetime | timedelta | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """Where an order stands in a list."""

    created_at: datetime
    id: str


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a list."""

    orders: list[Order]
    #: The page that follows begins after this; None if this is the last one.
    following: Place | None


def by_id(order_id: str, limits: Limits) -> Order | None:
    """The order with this id; None if it is unknown or not a UUID."""
    try:
        known_as = str(UUID(order_id))
    except ValueError:
        return None
    return database.load_one(Order, BY_ID, limits.parameters() | {"id": known_as})


def by_anything(text: str, limits: Limits, limit: int) -> list[Order]:
    """Up to `limit` orders that `text` names, newest first.

    It may be the order's id, its number, its referans or a former one, the provider's own number, the storefront's
    reference, or the player.
    """
    if found := by_id(text, limits):
        return [found]
    if not is_storable(text):
        return []
    number = int(text) if text.isascii() and text.isdecimal() and int(text) <= MAX_ORDER_NO else None
    values = {"text": text, "number": number, "limit": limit}
    return database.load(Order, BY_ANYTHING, limits.parameters() | values)


def page(
    wanted: Filter,
    limits: Limits,
    limit: int,
    after: Place | None = None,
    *,
    within_seconds: float | None = None,
) -> Page:
    """Up to `limit` orders, newest first, that stand behind the place `after`. Raises database.TooSlow.

    What an index does not find is looked for among the others in parts, each with a statement and a turn at the
    connection of its own, so that no list holds up the others. A page may be short of `limit`, or empty, and not the
    last one, if `within_seconds` are over before enough are found.
    """
    deadline = None if within_seconds is None else time.monotonic() + within_seconds
    indexed, others = _conditions(wanted)
    found: list[Order] = []
    for size in _sizes() if others.texts else [None]:
        with database.session(Use.LIST):
            end = _end_of_part(indexed, after, size) if size else None
            where = indexed.all(others, _behind(after), _up_to(end))
            found += _orders(where, limits, limit + 1 - len(found))
        if len(found) > limit:
            last = found[limit - 1]
            return Page(found[:limit], Place(last.created_at, last.id))
        after = end
        if after is None or (deadline and time.monotonic() > deadline):
            break
    return Page(found, after)


def _sizes() -> Iterator[int]:
    yield from PARTS
    while True:
        yield PARTS[-1]


def _end_of_part(indexed: "_Where", after: Place | None, size: int) -> Place | None:
    """The last of `size` orders, whatever the other conditions say of them; None if there are fewer."""
    where = indexed.all(_behind(after))
    values = where.values | {"skipped": size - 1}
    found = database.load_list(Place, END.format(where=where.sql), values)
    return found[0] if found else None


def _orders(where: "_Where", limits: Limits, limit: int) -> list[Order]:
    values = limits.parameters() | where.values | {"limit": limit}
    return database.load_list(Order, PAGE.format(where=where.sql), values)


@dataclass(frozen=True, slots=True)
class _Where:
    """Conditions on the order `o`, and the values that they take."""

    texts: tuple[str, ...]
    values: dict[str, Any]

    @property
    def sql(self) -> str:
        return " AND ".join(['o."createdAt" IS NOT NULL', *self.texts])

    def all(self, *others: "_Where") -> "_Where":
        """These and the others."""
        values = self.values
        for each in others:
            values = values | each.values
        return _Where(sum((each.texts for each in others), self.texts), values)


NOTHING = _Where((), {})


def _behind(place: Place | None) -> _Where:
    if place is None:
        return NOTHING
    values = {"at": place.created_at, "id": place.id}
    return _Where(('(o."createdAt", o.id) < (%(at)s, %(id)s::uuid)',), values)


def _up_to(end: Place | None) -> _Where:
    if end is None:
        return NOTHING
    values = {"end_at": end.created_at, "end_id": end.id}
    return _Where(('(o."createdAt", o.id) >= (%(end_at)s, %(end_id)s::uuid)',), values)


def _conditions(wanted: Filter) -> tuple[_Where, _Where]:
    """Those that an index finds, which has the order of the list or finds few; and the others."""
    indexed = {
        "user": ('o."userIdentifier" = %(user)s', wanted.user_identifier),
        "reference": ('o."orderUuid" = %(reference)s', wanted.reference),
        "after": _time_condition(">=", "after", wanted.created_after),
        "until": _time_condition("<", "until", wanted.created_before),
    }
    others = {
        "statuses": _status_condition(wanted.external_status),
        "provider": ('o."providerId" = %(provider)s', wanted.provider_id),
        "product": ('o."productId"::text = %(product)s', wanted.product_id),
    }
    return _given(indexed), _given(others)


def _given(candidates: Mapping[str, tuple[str, Any]]) -> _Where:
    used = {name: pair for name, pair in candidates.items() if pair[1] is not None}
    texts = tuple(condition for condition, _ in used.values())
    return _Where(texts, {name: value for name, (_, value) in used.items()})


def _time_condition(
    comparison: str, name: str, at: datetime | timedelta | None
) -> tuple[str, datetime | timedelta | None]:
    limit = f"now() - %({name})s" if isinstance(at, timedelta) else f"%({name})s"
    return f'o."createdAt" {comparison} {limit}', at


def _status_condition(wanted: ExternalStatus | None) -> tuple[str, list[str] | None]:
    """A word that we do not know reads as `pending`."""
    if wanted is ExternalStatus.PENDING:
        others = [name for name, _, _ in STAGES if name != wanted]
        return 'lower(o."externalStatus") <> ALL (%(statuses)s)', others
    return 'lower(o."externalStatus") = ANY (%(statuses)s)', words(wanted) if wanted else None


BY_ID = Prepared(f"SELECT {SHOWN} FROM product_orders AS o {PROVIDER} WHERE o.id = %(id)s")
#: Each part rides an index of its own. The newest of each are enough: of all, the newest are returned.
_NEWEST = 'ORDER BY o."createdAt" DESC, o.id DESC LIMIT %(limit)s'
_NAMED = {
    "referans": "o.provider_referans = %(text)s",
    "number": 'o."orderNo" = %(number)s::int',
    "reference": 'o."orderUuid" = %(text)s',
    "external": 'o."externalOrderId" = %(text)s',
    "player": 'o."userIdentifier" = %(text)s',
    "former": """o.id IN (
        SELECT order_id FROM former_references WHERE referans = %(text)s OR external_order_id = %(text)s)""",
}
BY_ANYTHING = f"""
SELECT {SHOWN}
FROM product_orders AS o {PROVIDER}
WHERE o.id IN ({
    " UNION ".join(
        f"(SELECT o.id FROM product_orders AS o WHERE {named} {_NEWEST})" for named in _NAMED.values()
    )
})
{_NEWEST}
"""
PAGE = f"""
SELECT {SHOWN}
FROM (
    SELECT * FROM product_orders AS o WHERE {{where}} {_NEWEST}
) AS o {PROVIDER}
ORDER BY o."createdAt" DESC, o.id DESC
"""
#: The last order that a part of a list looks at.
END = """
SELECT o."createdAt" AS created_at, o.id::text AS id FROM product_orders AS o WHERE {where}
ORDER BY o."createdAt" DESC, o.id DESC OFFSET %(skipped)s LIMIT 1
"""
