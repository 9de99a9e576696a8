"""What goes wrong at each provider and is kept nowhere else, counted for the last hour.

Callbacks with a wrong signature are not stored, so that nobody can fill the database with them; refusals of orders
stand on the timelines, which no query can search. A row counts five minutes and is used again an hour later.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum

from models import texts
from models.db import database

#: Seconds that one row counts, and how many rows there are for each provider and kind: a little more than an hour.
SLOT_SECONDS, SLOTS = 300, 13
#: Seconds by which a count may be late: the web keeps what it knows of a provider for 2 s, and counts are written then.
LATE_SECONDS = 5
#: Characters of a reason that are kept.
MAX_REASON = 300


class Counted(StrEnum):
    """What is counted."""

    #: A callback whose signature, or whose sender's address, was wrong.
    CALLBACK_REFUSED = "callback_refused"
    #: An order that the provider refused, for another reason than the customer's own input.
    ORDER_REFUSED = "order_refused"


@dataclass(frozen=True, slots=True)
class Addition:
    """How often something was counted since the last time, and why it was counted last."""

    provider_id: str
    kind: Counted
    count: int
    reason: str


@dataclass(frozen=True, slots=True)
class Count:
    """How often something happened at a provider within the last hour: a row of LAST_HOUR."""

    provider_id: str
    #: A value of Counted.
    kind: str
    count: int
    last_at: datetime
    last_reason: str


@dataclass(frozen=True, slots=True)
class Conflicts:
    """How many outcomes of a provider contradicted its orders within the last hour."""

    provider_id: str
    count: int
    #: Of these, those whose order still waits for a person to decide.
    undecided: int


def add(additions: Sequence[Addition]) -> None:
    """Count all of them: one statement."""
    fields = [
        {**asdict(each), "reason": texts.clean(each.reason, MAX_REASON).replace("\x00", "")}
        for each in additions
    ]
    database.rows(ADD, database.arrays(fields) | {"seconds": SLOT_SECONDS, "slots": SLOTS})


def last_hour() -> list[Count]:
    """What was counted within the last hour, in steps of SLOT_SECONDS."""
    return database.load(Count, LAST_HOUR)


def conflicts_last_hour() -> list[Conflicts]:
    """Conflicts within the last hour, by the provider that the order is with now."""
    return database.load(Conflicts, CONFLICTS)


def accepted_callback_since(provider_id: str, moment: datetime) -> bool:
    """Whether a callback of the provider was accepted after `moment`, which is at most an hour ago."""
    return database.row(ACCEPTED, (provider_id, moment)) is not None


def was_changed_since(provider_id: str, moment: datetime) -> bool:
    """Whether the provider, such as its callback secret, was changed after `moment`, at which something was counted."""
    return database.row(CHANGED, (provider_id, moment, LATE_SECONDS)) is not None


def is_recent(moment: datetime) -> bool:
    """Whether `moment` is less than SLOT_SECONDS ago, by the database's clock."""
    return database.row(RECENT, (moment, SLOT_SECONDS)) is not None


#: In the order of the key, so that two processes do not deadlock.
ADD = """
INSERT INTO referans.provider_counts AS c (provider_id, kind, slot, began_at, count, last_at, last_reason)
SELECT given.provider_id, given.kind, span.number %% %(slots)s, to_timestamp(span.number * %(seconds)s), given.count,
    now(), given.reason
FROM unnest(%(provider_id)s::text[], %(kind)s::text[], %(count)s::int[], %(reason)s::text[])
        AS given (provider_id, kind, count, reason),
    floor(EXTRACT(EPOCH FROM now()) / %(seconds)s) AS whole,
    LATERAL (SELECT whole::bigint AS number) AS span
ORDER BY given.provider_id, given.kind
ON CONFLICT (provider_id, kind, slot) DO UPDATE SET
    count = CASE WHEN c.began_at = excluded.began_at THEN c.count ELSE 0 END + excluded.count,
    began_at = excluded.began_at, last_at = excluded.last_at, last_reason = excluded.last_reason
"""
LAST_HOUR = """
SELECT provider_id, kind, sum(count)::int AS count, max(last_at) AS last_at,
    (array_agg(last_reason ORDER BY last_at DESC))[1] AS last_reason
FROM referans.provider_counts WHERE began_at > now() - interval '1 hour' GROUP BY provider_id, kind
"""
#: Uses idx_order_events_conflict.
CONFLICTS = """
SELECT o."providerId" AS provider_id, count(*)::int AS count,
    count(*) FILTER (WHERE o.attention = 'conflict')::int AS undecided
FROM referans.order_events AS e JOIN product_orders AS o ON o.id = e.order_id
WHERE e.result = 'conflict' AND e.at > now() - interval '1 hour' AND o."providerId" IS NOT NULL GROUP BY 1
"""
RECENT = "SELECT 1 AS one WHERE %s::timestamptz > now() - make_interval(secs => %s)"
#: Uses idx_callback_events_received: it reads what came since.
ACCEPTED = "SELECT 1 AS one FROM referans.callback_events WHERE provider_id = %s AND received_at > %s LIMIT 1"
CHANGED = """
SELECT 1 AS one FROM referans.providers
WHERE id = %s AND updated_at > %s::timestamptz - make_interval(secs => %s)
"""
