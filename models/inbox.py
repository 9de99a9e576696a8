"""The inbox: callbacks as they came. Every authenticated one is kept, sealed, until its retention ends."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from gateway import log
from models import timeline
from models.db import database, sealed
from models.outcome import Arrival, from_json, owner
from models.status import Source
from models.timeline import Event

logger = log.get(__name__)


class Kept(StrEnum):
    """What became of a callback: what settling it did, or that it could not be read."""

    APPLIED = "applied"
    DUPLICATE = "duplicate"
    STALE = "stale"
    CONFLICT = "conflict"
    UNMATCHED = "unmatched"
    #: Its signature was right, its content could not be read.
    INVALID = "invalid"


@dataclass(frozen=True, slots=True)
class Callback:
    """A callback as a list shows it: a row of COLUMNS."""

    id: int
    provider_id: str
    received_at: datetime
    settled_at: datetime | None
    #: A value of Kept.
    result: str
    order_id: str | None
    #: Our reference, or else the provider's own number; None for both if it could not be read.
    referans: str | None
    external_order_id: str | None
    status: str | None
    message: str | None

    @property
    def reference(self) -> str | None:
        """What it knows the order by."""
        return self.referans or self.external_order_id

    @property
    def owner(self) -> str:
        """What its sealed values belong to."""
        return owner(self.provider_id, self.reference)


@dataclass(frozen=True, slots=True)
class WholeCallback(Callback):
    """A callback with what is sealed of it: a row of WHOLE."""

    dedupe_key: str
    #: What it says, for `arrival`; None if it could not be read.
    outcome: str | None = field(repr=False)
    #: What came over the wire, for `raw`.
    raw: str | None = field(repr=False)
    #: The dedupe key of the callback that keeps it instead, for the further entries of a list.
    raw_of: str | None


@dataclass(frozen=True, slots=True)
class Filter:
    """Which callbacks are meant; None is any."""

    provider_id: str | None = None
    result: Kept | None = None
    order_id: str | None = None
    #: They came then or later; a timedelta counts back from the database's now.
    since: datetime | timedelta | None = None
    #: Those with this number or a smaller one.
    last_id: int | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """Where a callback stands in a list."""

    received_at: datetime
    id: int


@dataclass(frozen=True, slots=True)
class Extent:
    """How many callbacks are meant, and between which ids they lie."""

    count: int
    first_id: int
    last_id: int


@dataclass(frozen=True, slots=True)
class Invalid:
    """A callback, or an entry of a list, with a valid signature and content that cannot be read."""

    dedupe_key: str
    raw: str = field(repr=False)
    reason: str


def keep_invalid(provider_id: str, invalid: Sequence[Invalid]) -> None:
    """Keep what cannot be read: one statement, however many there are."""
    if not invalid:
        return
    fields = [
        {
            "key": each.dedupe_key,
            "raw": sealed.seal(each.raw, _owner_of_unreadable(provider_id, each.dedupe_key)),
            "reason": each.reason,
        }
        for each in invalid
    ]
    database.rows(KEEP_INVALID, database.arrays(fields) | {"provider_id": provider_id})


def page(wanted: Filter, limit: int, *, behind: Place | None = None) -> list[Callback]:
    """Up to `limit` callbacks that stand behind this place, newest first. Raises database.TooSlow."""
    where, values = _conditions(wanted)
    if behind is not None:
        where += " AND (c.received_at, c.id) < (%(behind_at)s, %(behind_id)s)"
        values |= {"behind_at": behind.received_at, "behind_id": behind.id}
    return database.load_list(Callback, PAGE.format(where=where), values | {"limit": limit})


def find(ids: Sequence[int]) -> list[WholeCallback]:
    """These callbacks, oldest first."""
    return database.load(WholeCallback, FIND, (list(ids),))


def extent(wanted: Filter, *, within_ms: int | None = None) -> Extent | None:
    """How many there are, and where they begin and end; None without any.

    With `within_ms` it raises database.TooSlow if that is not enough.
    """
    where, values = _conditions(wanted)
    statement = EXTENT.format(where=where)
    if within_ms is None:
        [found] = database.load(Extent, statement, values)
    else:
        [found] = database.load_list(Extent, statement, values, within_ms=within_ms)
    return found if found.count else None


def between(wanted: Filter, after_id: int, last_id: int, limit: int) -> list[WholeCallback]:
    """Up to `limit` callbacks with an id above `after_id` and up to `last_id`, oldest first."""
    where, values = _conditions(wanted)
    values |= {"after_id": after_id, "last_id": last_id, "limit": limit}
    return database.load(WholeCallback, BETWEEN.format(where=where), values)


def _conditions(wanted: Filter) -> tuple[str, dict[str, Any]]:
    since = "now() - %(since)s" if isinstance(wanted.since, timedelta) else "%(since)s"
    candidates = {
        "provider": ("c.provider_id = %(provider)s", wanted.provider_id),
        "result": ("c.result = %(result)s", wanted.result),
        "order_id": ("c.order_id = %(order_id)s::uuid", wanted.order_id),
        "since": (f"c.received_at >= {since}", wanted.since),
        "up_to": ("c.id <= %(up_to)s", wanted.last_id),
    }
    used = {name: pair for name, pair in candidates.items() if pair[1] is not None}
    where = " AND ".join(condition for condition, _ in used.values()) or "true"
    return where, {name: value for name, (_, value) in used.items()}


def arrival(callback: WholeCallback) -> Arrival | None:
    """What a callback says, to settle it again; None if it could not be read. Raises sealed.Unsealable."""
    if not callback.outcome:
        return None
    outcome = from_json(sealed.unseal(callback.outcome, callback.owner))
    return Arrival(
        callback.provider_id,
        Source.CALLBACK,
        outcome,
        dedupe_key=callback.dedupe_key,
        code_ask_seconds=0,
    )


def raw(callback: WholeCallback) -> str:
    """What came over the wire, in clear. Raises sealed.Unsealable."""
    keeper: WholeCallback | None = callback
    if callback.raw_of:
        keeper = database.load_one(WholeCallback, KEEPER, (callback.provider_id, callback.raw_of))
    if keeper is None or not keeper.raw:
        return ""
    unreadable = _owner_of_unreadable(keeper.provider_id, keeper.dedupe_key)
    return sealed.unseal(keeper.raw, keeper.owner, unreadable)


def _owner_of_unreadable(provider_id: str, dedupe_key: str) -> str:
    """What a callback without a reference belongs to; an earlier version took that of its provider alone."""
    return owner(provider_id, f"callback {dedupe_key}")


def events(callback: Callback) -> list[Event]:
    """What a callback did, as events of its order's timeline, oldest first."""
    values = {"order_id": callback.order_id, "settled_at": callback.settled_at, "result": callback.result}
    return database.load(Event, EVENTS, values)


def unmatched(limit: int, after_id: int = 0) -> list[WholeCallback]:
    """Up to `limit` callbacks whose reference has appeared since they came, oldest first."""
    return database.load(WholeCallback, REAPPEARED, {"limit": limit, "after_id": after_id})


def waiting_for(provider_id: str, external_order_id: str) -> list[WholeCallback]:
    """Callbacks that came before the provider's number `external_order_id` was known, oldest first."""
    return database.load(WholeCallback, WAITING_FOR, (provider_id, external_order_id))


def readable(callbacks: Sequence[WholeCallback]) -> list[Arrival]:
    """What these callbacks say. One that does not open is logged and left out."""
    found = []
    for one in callbacks:
        try:
            said = arrival(one)
        except sealed.Unsealable as error:
            logger.error(
                "A callback cannot be unsealed.", action="unsealable", callback_id=one.id, reason=str(error)
            )
            continue
        if said:
            found.append(said)
    return found


def purge(retention_seconds: float, limit: int) -> int:
    """Delete up to `limit` callbacks older than the retention; returns how many were deleted."""
    return len(database.rows(PURGE, {"retention": retention_seconds, "limit": limit}))


#: The fields of a Callback, in SQL.
COLUMNS = """
    c.id, c.provider_id, c.received_at, c.settled_at, c.result, c.order_id::text AS order_id, c.referans,
    c.external_order_id, c.status, c.message
"""
#: The fields of a WholeCallback, in SQL.
WHOLE = f"{COLUMNS}, c.dedupe_key, c.outcome, c.raw, c.raw_of"
#: Ordered by time, which has an index for each filter, and not by id.
PAGE = f"""
SELECT {COLUMNS} FROM referans.callback_events AS c WHERE {{where}}
ORDER BY c.received_at DESC, c.id DESC LIMIT %(limit)s
"""
FIND = f"SELECT {WHOLE} FROM referans.callback_events AS c WHERE c.id = ANY (%s) ORDER BY c.id"
EXTENT = """
SELECT count(*) AS count, min(c.id) AS first_id, max(c.id) AS last_id FROM referans.callback_events AS c WHERE {where}
"""
KEEPER = f"SELECT {WHOLE} FROM referans.callback_events AS c WHERE c.provider_id = %s AND c.dedupe_key = %s"
#: Those that come after `last_id` was read are left out.
BETWEEN = f"""
SELECT {WHOLE} FROM referans.callback_events AS c
WHERE c.id > %(after_id)s AND c.id <= %(last_id)s AND {{where}} ORDER BY c.id LIMIT %(limit)s
"""
#: A callback is settled, and its event recorded, in one statement: both have the same time.
EVENTS = f"""
SELECT {timeline.COLUMNS} FROM referans.order_events AS e
WHERE e.order_id = %(order_id)s::uuid AND e.at = %(settled_at)s AND e.source = 'callback' AND e.result = %(result)s
ORDER BY e.id
"""
KEEP_INVALID = """
INSERT INTO referans.callback_events (provider_id, dedupe_key, result, raw, message)
SELECT %(provider_id)s, given.key, 'invalid', given.raw, given.reason
FROM unnest(%(key)s::text[], %(raw)s::text[], %(reason)s::text[]) AS given (key, raw, reason) ORDER BY given.key
ON CONFLICT (provider_id, dedupe_key) DO NOTHING
"""
#: Only those that would match now. Thousands that do not match cost the sweep one index probe each.
REAPPEARED = f"""
SELECT {WHOLE} FROM referans.callback_events AS c
WHERE c.result = 'unmatched' AND c.id > %(after_id)s AND (
    EXISTS (SELECT FROM product_orders AS o
            WHERE o.provider_referans = c.referans
              AND (o."providerId" = c.provider_id OR c.provider_id = ANY (o."triedProviders")))
    OR EXISTS (SELECT FROM product_orders AS o
               WHERE o.provider_referans IS NULL AND o."externalOrderId" = c.referans
                 AND o."providerId" = c.provider_id)
    OR EXISTS (SELECT FROM product_orders AS o
               WHERE c.referans IS NULL AND o."externalOrderId" = c.external_order_id
                 AND o."providerId" = c.provider_id))
ORDER BY c.id LIMIT %(limit)s
"""
WAITING_FOR = f"""
SELECT {WHOLE} FROM referans.callback_events AS c
WHERE c.result = 'unmatched' AND c.provider_id = %s AND c.external_order_id = %s AND c.referans IS NULL
ORDER BY c.id
"""
PURGE = """
DELETE FROM referans.callback_events WHERE id IN (
    SELECT id FROM referans.callback_events
    WHERE received_at < now() - make_interval(secs => %(retention)s) ORDER BY received_at LIMIT %(limit)s)
RETURNING id
"""
