"""Callbacks as they came: every authenticated one is kept, sealed, until its retention ends."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import peewee

from gateway import log
from models import order
from models.db import database, sealed
from models.outcome import Arrival, as_json, from_json, owner
from models.status import Source

logger = log.get(__name__)


class Kept(StrEnum):
    """What became of a callback: what settling it did, or that it could not be read."""

    APPLIED = "applied"
    DUPLICATE = "duplicate"
    STALE = "stale"
    CONFLICT = "conflict"
    UNMATCHED = "unmatched"
    #: Its signature was right, its content made no sense.
    INVALID = "invalid"


@dataclass(frozen=True, slots=True)
class Filter:
    """Which callbacks are meant; None is any."""

    provider_id: str | None = None
    result: Kept | None = None
    order_id: str | None = None
    #: They came then or later; a timedelta counts back from the database's now.
    since: datetime | timedelta | None = None


@dataclass(frozen=True, slots=True)
class Extent:
    """How many callbacks are meant, and between which ids they lie."""

    count: int
    first_id: int
    last_id: int


def keep_invalid(provider_id: str, dedupe_key: str, raw: str, reason: str) -> None:
    """Keep a callback whose signature was right and whose content could not be read."""
    parameters = {
        "provider_id": provider_id,
        "key": dedupe_key,
        "raw": sealed.seal(raw, owner(provider_id, None)),
        "reason": reason,
    }
    database.rows(KEEP_INVALID, parameters)


def settle_invalid(
    callback_id: int, arrivals: Sequence[Arrival], order_timeout_seconds: float
) -> list[order.Settled]:
    """Settle what an invalid callback turns out to say; its row becomes that of the first arrival, in one commit.

    Where the same event was kept under another row meanwhile, it is a duplicate of that.
    """
    try:
        return _settle_invalid(callback_id, arrivals, order_timeout_seconds)
    except peewee.IntegrityError:  # the same event came again just now: this time it is seen
        return _settle_invalid(callback_id, arrivals, order_timeout_seconds)


def _settle_invalid(
    callback_id: int, arrivals: Sequence[Arrival], order_timeout_seconds: float
) -> list[order.Settled]:
    with database.database.atomic():
        _lock_orders(arrivals)
        if not _reopen(callback_id, arrivals[0]):
            database.rows(SUPERSEDE, {"id": callback_id, "key": arrivals[0].dedupe_key})
        return order.settle(arrivals, order_timeout_seconds=order_timeout_seconds)


def _lock_orders(arrivals: Sequence[Arrival]) -> None:
    """Orders before callbacks, as settling locks them: the same event may be coming in over HTTP just now."""
    outcomes = [arrival.outcome for arrival in arrivals]
    references = [outcome.referans for outcome in outcomes]
    numbers = [outcome.external_order_id for outcome in outcomes if not outcome.referans]
    database.rows(LOCK_ORDERS, (arrivals[0].provider_id, references, numbers))


def _reopen(callback_id: int, arrival: Arrival) -> bool:
    """Keep what can be read now as if it had just come and were not settled yet. False where somebody was first."""
    outcome = arrival.outcome
    belongs_to = owner(arrival.provider_id, outcome.referans or outcome.external_order_id)
    values = {
        "id": callback_id,
        "key": arrival.dedupe_key,
        "referans": outcome.referans,
        "external_order_id": outcome.external_order_id,
        "status": outcome.status.value,
        "message": outcome.message,
        "outcome": sealed.seal(as_json(outcome), belongs_to),
        "raw": sealed.seal(arrival.raw or "", belongs_to),
    }
    return database.row(REOPEN, values) is not None


def page(wanted: Filter, limit: int) -> list[dict[str, Any]]:
    """Up to `limit` callbacks as rows of COLUMNS, newest first."""
    where, values = _conditions(wanted)
    return database.rows(PAGE.format(where=where), values | {"limit": limit})


def find(ids: Sequence[int]) -> list[dict[str, Any]]:
    """These callbacks, oldest first: rows of COLUMNS with what is sealed, for `arrival` and `raw`."""
    return database.rows(FIND, (list(ids),))


def extent(wanted: Filter) -> Extent | None:
    """How many there are and where they begin and end, or None where there are none."""
    where, values = _conditions(wanted)
    found = database.rows(EXTENT.format(where=where), values)[0]
    return Extent(**found) if found["count"] else None


def between(wanted: Filter, after_id: int, last_id: int, limit: int) -> list[dict[str, Any]]:
    """Up to `limit` callbacks behind `after_id` and up to `last_id`, oldest first: rows as of `find`."""
    where, values = _conditions(wanted)
    return database.rows(
        BETWEEN.format(where=where), values | {"after_id": after_id, "last_id": last_id, "limit": limit}
    )


def _conditions(wanted: Filter) -> tuple[str, dict[str, Any]]:
    since = "now() - %(since)s" if isinstance(wanted.since, timedelta) else "%(since)s"
    candidates = {
        "provider": ("c.provider_id = %(provider)s", wanted.provider_id),
        "result": ("c.result = %(result)s", wanted.result),
        "order_id": ("c.order_id = %(order_id)s::uuid", wanted.order_id),
        "since": (f"c.received_at >= {since}", wanted.since),
    }
    used = {name: pair for name, pair in candidates.items() if pair[1] is not None}
    where = " AND ".join(condition for condition, _ in used.values()) or "true"
    return where, {name: value for name, (_, value) in used.items()}


def arrival(row: dict[str, Any]) -> Arrival | None:
    """What a kept callback says, to settle it again; None where it was never read. Raises sealed.Unsealable."""
    return _arrival(row) if row["outcome"] else None


def raw(row: dict[str, Any]) -> str:
    """What came over the wire, in clear. Raises sealed.Unsealable."""
    return sealed.unseal(row["raw"], _owner(row)) if row["raw"] else ""


def deeds(row: dict[str, Any]) -> list[dict[str, Any]]:
    """What a callback did, as events of its order's timeline, oldest first."""
    return database.rows(DEEDS, row)


def unmatched(limit: int, after_id: int = 0) -> list[dict[str, Any]]:
    """Up to `limit` callbacks whose reference has appeared since they came, oldest first: rows for `arrival`."""
    return database.rows(REAPPEARED, {"limit": limit, "after_id": after_id})


def waiting_for(provider_id: str, external_order_id: str) -> list[dict[str, Any]]:
    """Callbacks that came before the provider's number `external_order_id` was known: rows for `arrival`."""
    return database.rows(WAITING_FOR, (provider_id, external_order_id))


def readable(callbacks: Sequence[dict[str, Any]]) -> list[Arrival]:
    """What those say that open; one that does not holds up no other."""
    return [said for row in callbacks if (said := _opened(row))]


def _opened(row: dict[str, Any]) -> Arrival | None:
    try:
        return arrival(row)
    except sealed.Unsealable as error:
        logger.error(
            "A callback does not open.", action="unsealable", callback_id=row["id"], reason=str(error)
        )
        return None


def purge(retention_seconds: float, limit: int) -> int:
    """Delete up to `limit` callbacks older than the retention; how many went."""
    return len(database.rows(PURGE, {"retention": retention_seconds, "limit": limit}))


def _arrival(row: dict[str, Any]) -> Arrival:
    outcome = from_json(sealed.unseal(row["outcome"], _owner(row)))
    return Arrival(row["provider_id"], Source.CALLBACK, outcome, dedupe_key=row["dedupe_key"])


def _owner(row: dict[str, Any]) -> str:
    return owner(row["provider_id"], row["referans"] or row["external_order_id"])


COLUMNS = """
    c.id, c.provider_id, c.received_at, c.settled_at, c.result, c.order_id::text AS order_id, c.referans,
    c.external_order_id, c.status, c.message
"""
#: The newest callbacks of a kind; by time, which has an index, and not by id.
PAGE = f"""
SELECT {COLUMNS} FROM callback_events AS c WHERE {{where}}
ORDER BY c.received_at DESC, c.id DESC LIMIT %(limit)s
"""
#: Callbacks by id, whole.
FIND = f"""
SELECT {COLUMNS}, c.dedupe_key, c.outcome, c.raw FROM callback_events AS c WHERE c.id = ANY (%s) ORDER BY c.id
"""
#: Where to begin and end reading the callbacks of a kind by id.
EXTENT = """
SELECT count(*) AS count, min(c.id) AS first_id, max(c.id) AS last_id FROM callback_events AS c WHERE {where}
"""
#: The next callbacks of a kind, whole; those that come meanwhile lie behind the end.
BETWEEN = f"""
SELECT {COLUMNS}, c.dedupe_key, c.outcome, c.raw FROM callback_events AS c
WHERE c.id > %(after_id)s AND c.id <= %(last_id)s AND {{where}} ORDER BY c.id LIMIT %(limit)s
"""
#: What a callback did: it was settled and told of in one statement, so at one time.
DEEDS = """
SELECT e.at, e.source, e."from", e."to", e.message FROM order_events AS e
WHERE e.order_id = %(order_id)s::uuid AND e.at = %(settled_at)s AND e.source = 'callback' AND e.result = %(result)s
ORDER BY e.id
"""
KEEP_INVALID = """
INSERT INTO callback_events (provider_id, dedupe_key, result, raw, message)
VALUES (%(provider_id)s, %(key)s, 'invalid', %(raw)s, %(reason)s)
ON CONFLICT (provider_id, dedupe_key) DO NOTHING
"""
#: Whatever order may be meant, in the order in which settling locks them.
LOCK_ORDERS = """
SELECT o.id FROM product_orders AS o
WHERE o."providerId" = %s AND (o.provider_referans = ANY (%s::text[]) OR o."externalOrderId" = ANY (%s::text[]))
ORDER BY o.id FOR UPDATE
"""
#: An invalid callback that can be read now waits like one whose order is not known, until it is settled.
REOPEN = """
UPDATE callback_events AS c SET result = 'unmatched', dedupe_key = %(key)s, referans = %(referans)s,
    external_order_id = %(external_order_id)s, status = %(status)s, message = left(%(message)s, 1000),
    outcome = %(outcome)s, raw = %(raw)s
WHERE c.id = %(id)s AND c.result = 'invalid' AND NOT EXISTS (
    SELECT FROM callback_events AS same WHERE same.provider_id = c.provider_id AND same.dedupe_key = %(key)s)
RETURNING c.id
"""
#: An invalid callback whose event came again, and was read then.
SUPERSEDE = """
UPDATE callback_events AS c SET result = 'duplicate', settled_at = now(), order_id = same.order_id,
    message = left(c.message || '; the same event is callback ' || same.id, 1000)
FROM callback_events AS same
WHERE c.id = %(id)s AND c.result = 'invalid' AND same.provider_id = c.provider_id AND same.dedupe_key = %(key)s
"""
#: Only those that would match now: thousands that never will cost the sweep one index probe each.
REAPPEARED = """
SELECT c.id, c.provider_id, c.dedupe_key, c.referans, c.external_order_id, c.outcome
FROM callback_events AS c
WHERE c.result = 'unmatched' AND c.id > %(after_id)s AND (
    EXISTS (SELECT FROM product_orders AS o
            WHERE o.provider_referans = c.referans AND o."providerId" = c.provider_id)
    OR EXISTS (SELECT FROM product_orders AS o
               WHERE c.referans IS NULL AND o."externalOrderId" = c.external_order_id
                 AND o."providerId" = c.provider_id))
ORDER BY c.id LIMIT %(limit)s
"""
WAITING_FOR = """
SELECT c.id, c.provider_id, c.dedupe_key, c.referans, c.external_order_id, c.outcome
FROM callback_events AS c
WHERE c.result = 'unmatched' AND c.provider_id = %s AND c.external_order_id = %s AND c.referans IS NULL
ORDER BY c.id
"""
PURGE = """
DELETE FROM callback_events WHERE id IN (
    SELECT id FROM callback_events
    WHERE received_at < now() - make_interval(secs => %(retention)s) ORDER BY received_at LIMIT %(limit)s)
RETURNING id
"""
