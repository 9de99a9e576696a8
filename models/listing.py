"""Lists of orders: newest first, by page. Their `attention` is the computed one, as in `lookup`.

No list reads the table. By tenant, by player, by provider or by time an index has the orders in the order of the list.
What no index finds is looked for among the newest orders in parts, each with a statement, and a turn at the connection,
of its own.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from models.db import database
from models.db.database import Use
from models.order import Order
from models.status import ExternalStatus, reads_as
from models.stuck import PROVIDER, SHOWN, Limits
from models.tenants import View

#: Milliseconds that a part of a count may take, however little time is left.
MIN_COUNT_MS = 20
#: Orders that one part looks at: few at first, since most filters let enough of them through. The last is used again.
PARTS = (200, 1_000, 5_000)
#: A part has at least so many, however little time is left.
LEAST_PART = 100


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
    """Where an order stands in a list: a row of END."""

    created_at: datetime
    id: str


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a list."""

    orders: Sequence[Order]
    #: The next page begins behind it; None if this page is the last.
    end: Place | None


@dataclass(frozen=True, slots=True)
class Count:
    """How many orders a list has."""

    number: int
    #: There are more: the count has stopped.
    is_least: bool


@dataclass(frozen=True, slots=True)
class _Where:
    """Conditions on the order `o`, and the values that they take."""

    conditions: tuple[str, ...] = ()
    values: Mapping[str, Any] = field(default_factory=dict)

    def __add__(self, other: "_Where") -> "_Where":
        return _Where(self.conditions + other.conditions, {**self.values, **other.values})

    def __str__(self) -> str:
        return " AND ".join(('o."createdAt" IS NOT NULL', *self.conditions))


class Pace:
    """How many orders each part looks at, so that the last one ends in time.

    Orders that must be read from the disk take many times as long as those in memory.
    """

    def __init__(self, within_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._began = clock()
        self._until = self._began + within_seconds
        self._parts = 0
        self._looked_at = 0

    def next_part(self) -> int:
        """So many as PARTS says, and no more than there is time for, as the parts before took."""
        size = PARTS[min(self._parts, len(PARTS) - 1)]
        spent = self._clock() - self._began
        if self._looked_at and spent > 0:
            in_time = self._looked_at * self.left_seconds / spent
            size = round(min(size, max(LEAST_PART, in_time)))
        self._parts += 1
        self._looked_at += size
        return size

    @property
    def left_seconds(self) -> float:
        """Until the time is over; negative afterwards."""
        return self._until - self._clock()

    @property
    def is_over(self) -> bool:
        """Whether there is no time for a further part."""
        return self.left_seconds < 0


def page(
    wanted: Filter,
    view: View,
    limits: Limits,
    limit: int,
    after: Place | None = None,
    *,
    within_seconds: float | None = None,
) -> Page:
    """Up to `limit` orders of the view, newest first, that stand behind `after`. Raises database.TooSlow.

    If `within_seconds` are over before enough are found, the page has what was found by then, perhaps nothing, and
    `end` says where to go on.
    """
    pace = Pace(float("inf") if within_seconds is None else within_seconds)
    indexed, others, is_in_parts = _parts(wanted, view)
    found: list[Order] = []
    while True:
        with database.session(Use.LIST):
            where, end = _part(indexed, others, after, pace.next_part() if is_in_parts else None)
            values = {**limits.parameters(), **where.values, "limit": limit + 1 - len(found)}
            found += database.load_list(Order, PAGE.format(source=_source(wanted), where=where), values)
        if len(found) > limit:
            last = found[limit - 1]
            return Page(found[:limit], Place(last.created_at, last.id))
        if end is None or pace.is_over:
            return Page(found, end)
        after = end


def count(wanted: Filter, view: View, most: int, *, within_seconds: float) -> Count:
    """How many orders of the view are wanted: up to `most`, and as far as is seen `within_seconds`.

    Each part rides the index of the list, as in `page`.
    """
    pace = Pace(within_seconds)
    indexed, others, is_in_parts = _parts(wanted, view)
    number, after = 0, None
    while True:
        with database.session(Use.LIST):
            where, end = _part(indexed, others, after, pace.next_part() if is_in_parts else None)
            values = {**where.values, "limit": most + 1 - number}
            left_ms = max(MIN_COUNT_MS, int(1000 * pace.left_seconds))
            try:
                statement = COUNT.format(source=_source(wanted), where=where)
                number += database.load_list(_Number, statement, values, within_ms=left_ms)[0].n
            except database.TooSlow:
                return Count(number, is_least=True)
        if number > most:
            return Count(most, is_least=True)
        if end is None or pace.is_over:
            return Count(number, is_least=end is not None)
        after = end


def condition(wanted: Filter, view: View) -> tuple[str, dict[str, Any]]:
    """In SQL: the orders `o` that are wanted of the view, and the values for it."""
    indexed, others, _ = _parts(wanted, view)
    where = indexed + others + _given("reference", 'o."orderUuid" = %(reference)s', wanted.reference)
    return str(where), dict(where.values)


@dataclass(frozen=True, slots=True)
class _Number:
    n: int


def _parts(wanted: Filter, view: View) -> tuple[_Where, _Where, bool]:
    """What an index finds in the order of the list, what is looked at one by one, and whether that is done in parts."""
    indexed, others = _indexed(wanted, view), _others(wanted, view)
    return indexed, others, bool(others.conditions) and wanted.reference is None


def _part(
    indexed: _Where, others: _Where, after: Place | None, size: int | None
) -> tuple[_Where, Place | None]:
    """The conditions of a part that stands behind `after`, and where it ends; None if nothing stands behind it."""
    behind = indexed + _behind(after)
    end = _end_of_part(behind, size) if size else None
    return behind + _up_to(end) + others, end


def _source(wanted: Filter) -> str:
    return TABLE if wanted.reference is None else WITH_REFERENCE


def _end_of_part(where: _Where, size: int) -> Place | None:
    """Where the last of `size` orders stands; None if there are not so many."""
    values = {**where.values, "skipped": size - 1}
    found = database.load_list(Place, END.format(where=where), values)
    return found[0] if found else None


def _behind(place: Place | None) -> _Where:
    if place is None:
        return _Where()
    values = {"at": place.created_at, "id": place.id}
    # The time alone says nothing more, but how many they are about.
    return _Where(('o."createdAt" <= %(at)s', '(o."createdAt", o.id) < (%(at)s, %(id)s::uuid)'), values)


def _up_to(end: Place | None) -> _Where:
    if end is None:
        return _Where()
    values = {"end_at": end.created_at, "end_id": end.id}
    conditions = ('o."createdAt" >= %(end_at)s', '(o."createdAt", o.id) >= (%(end_at)s, %(end_id)s::uuid)')
    return _Where(conditions, values)


def _of_tenant(view: View) -> _Where:
    return _given("tenant", 'o."tenantId" = %(tenant)s::uuid', view.tenant_id)


def _indexed(wanted: Filter, view: View) -> _Where:
    """Conditions for which an index has the orders in the order of the list; `reference` is in WITH_REFERENCE."""
    where = _given("user", 'o."userIdentifier" = %(user)s', wanted.user_identifier)
    where += _of_provider(wanted) if _is_by_provider(wanted) else _of_tenant(view)
    where += _time_condition(">=", "after", wanted.created_after)
    where += _time_condition("<", "until", wanted.created_before)
    return where if wanted.reference is None else where + _Where((), {"reference": wanted.reference})


def _others(wanted: Filter, view: View) -> _Where:
    """Conditions for which there is no such index."""
    return (
        _status_condition(wanted.external_status)
        + (_of_tenant(view) if _is_by_provider(wanted) else _of_provider(wanted))
        + _given("product", 'o."productId"::text = %(product)s', wanted.product_id)
    )


def _is_by_provider(wanted: Filter) -> bool:
    """Whether the index of providers is used: a player has fewer orders. No index has those of two of them."""
    return wanted.provider_id is not None and wanted.user_identifier is None


def _of_provider(wanted: Filter) -> _Where:
    return _given("provider", """COALESCE(o."providerId", '') = %(provider)s""", wanted.provider_id)


def _given(name: str, condition: str, value: object) -> _Where:
    return _Where() if value is None else _Where((condition,), {name: value})


def _time_condition(comparison: str, name: str, at: datetime | timedelta | None) -> _Where:
    limit = f"now() - %({name})s" if isinstance(at, timedelta) else f"%({name})s"
    return _given(name, f'o."createdAt" {comparison} {limit}', at)


def _status_condition(wanted: ExternalStatus | None) -> _Where:
    return _Where() if wanted is None else _Where((reads_as(wanted),))


TABLE = "product_orders"
#: Its index finds few. In the order of the list, every order might be read for them.
WITH_REFERENCE = '(SELECT * FROM product_orders AS o WHERE o."orderUuid" = %(reference)s OFFSET 0)'
_NEWEST_FIRST = 'ORDER BY o."createdAt" DESC, o.id DESC'
PAGE = f"""
SELECT {SHOWN}
FROM (SELECT * FROM {{source}} AS o WHERE {{where}} {_NEWEST_FIRST} LIMIT %(limit)s) AS o {PROVIDER}
{_NEWEST_FIRST}
"""
#: In the order of the list, so that it rides the list's index and ends with the limit.
COUNT = f"""
SELECT count(*)::int AS n
FROM (SELECT FROM {{source}} AS o WHERE {{where}} {_NEWEST_FIRST} LIMIT %(limit)s) AS counted
"""
#: Where a part of a list ends. An index has the orders in this order; where PostgreSQL expects only few behind a place,
#: as with a provider that was used long ago, it would else read all of them and sort.
END = f"""SET LOCAL enable_sort = off;
SELECT o."createdAt" AS created_at, o.id::text AS id
FROM product_orders AS o WHERE {{where}} {_NEWEST_FIRST} OFFSET %(skipped)s LIMIT 1
"""
