"""Of how many deliveries the callbacks of each provider tell: lately, and as is usual with it.

Where that falls clearly below what is usual, the provider's orders are asked about twice as often, until it is right
again (`callbacks_low_since`, which the sweep keeps).
"""

from dataclasses import dataclass
from datetime import datetime

from models.db import database
from models.report_sums import PROVIDER

#: Minutes that are looked at, deliveries within them that say enough, and days before that say what is usual.
MINUTES, LEAST_DELIVERED, USUAL_DAYS = 60, 10, 7
#: Minutes within which the sweep has counted what has happened: its period, and how long events are left alone.
COUNTED_MINUTES = 10
#: Deliveries of those days that say enough, and the usual share below which a fall means nothing.
LEAST_USUAL, LEAST_SHARE = 50, 0.2
#: A share is low if it is below the usual one by more than this, and by more standard deviations than chance has.
LEAST_FALL, DEVIATIONS = 0.1, 3
#: Minutes back in which the times of callbacks are looked at, and callbacks of them at most.
TIMED_MINUTES, MOST_TIMED = 60, 500


@dataclass(frozen=True, slots=True)
class Told:
    """How a provider's callbacks do: a row of SHARES."""

    provider_id: str
    #: Deliveries of the last MINUTES, and those of which a callback told.
    delivered: int
    told: int
    #: The share that callbacks told of in the days before; None if too few deliveries say it.
    usual_share: float | None
    #: Since when the share is low; None if it is not.
    low_since: datetime | None

    @property
    def share(self) -> float | None:
        """Of the deliveries of the last MINUTES; None without any."""
        return self.told / self.delivered if self.delivered else None


@dataclass(frozen=True, slots=True)
class Delay:
    """From sending to the callback that told of the delivery: a row of DELAYS."""

    #: None without a callback.
    median_seconds: float | None
    slow_seconds: float | None
    count: int


def every() -> dict[str, Told]:
    """How the callbacks of each provider do, by its id. Reads what the sweep has counted, and no orders."""
    return {each.provider_id: each for each in database.load_list(Told, SHARES, {})}


def last_told(provider_id: str) -> datetime | None:
    """When a callback of the provider last told of a delivery, within five minutes; None in the last two days."""
    at: datetime | None = database.rows(LAST_TOLD, (provider_id,))[0]["at"]
    return at


def delay(provider_id: str) -> Delay:
    """The times of the provider's callbacks of the last TIMED_MINUTES; half are faster than the first of them, and 95 %
    than the second. Raises database.TooSlow."""
    return database.load_list(Delay, DELAYS, {"id": provider_id})[0]


def note() -> list[str]:
    """Keep which providers' callbacks are low; the ids of these."""
    return [str(row["provider_id"]) for row in database.rows(NOTE) if row["is_low"]]


#: In SQL: the share of deliveries that callbacks usually tell of, by provider.
USUAL = f"""
    SELECT t.provider_id, sum(t.by_callback)::float8 / sum(t.delivered) AS share
    FROM referans.day_totals AS t
    WHERE t.level = {PROVIDER} AND t.day BETWEEN now()::date - {USUAL_DAYS} AND now()::date - 1
    GROUP BY 1 HAVING sum(t.delivered) >= {LEAST_USUAL}
"""
_KNOWN = f"""
usual AS ({USUAL}), lately AS (
    SELECT p.provider_id, sum(p.count)::int AS delivered,
        COALESCE(sum(p.count) FILTER (WHERE p.source = 'callback'), 0)::int AS told
    FROM referans.pulse AS p
    WHERE p.at >= now() - interval '{MINUTES + COUNTED_MINUTES} minutes' AND p.ended = 'completed' GROUP BY 1
), known AS (
    SELECT p.id AS provider_id, COALESCE(lately.delivered, 0) AS delivered, COALESCE(lately.told, 0) AS told,
        usual.share AS usual_share
    FROM referans.providers AS p
    LEFT JOIN lately ON lately.provider_id = p.id LEFT JOIN usual ON usual.provider_id = p.id
    WHERE p.callback <> 'none'
)"""
SHARES = f"""
WITH {_KNOWN}
SELECT known.*, h.callbacks_low_since AS low_since
FROM known LEFT JOIN referans.provider_health AS h ON h.provider_id = known.provider_id ORDER BY known.provider_id
"""
#: In SQL, of a row of `known`: its share is low.
_IS_LOW = f"""(known.delivered >= {LEAST_DELIVERED} AND known.usual_share >= {LEAST_SHARE}
    AND known.told::float8 / GREATEST(known.delivered, 1) < known.usual_share - GREATEST({LEAST_FALL},
        {DEVIATIONS} * sqrt(known.usual_share * (1 - known.usual_share) / GREATEST(known.delivered, 1))))"""
#: Writes only where that changes, or where a provider without callbacks was low when it had them.
NOTE = f"""
WITH {_KNOWN}, judged AS (
    SELECT p.id AS provider_id, COALESCE({_IS_LOW}, false) AS is_low
    FROM referans.providers AS p LEFT JOIN known ON known.provider_id = p.id
), begun AS (
    INSERT INTO referans.provider_health (provider_id, callbacks_low_since)
    SELECT provider_id, now() FROM judged WHERE is_low
    ON CONFLICT (provider_id) DO UPDATE SET callbacks_low_since = now()
    WHERE provider_health.callbacks_low_since IS NULL
), ended AS (
    UPDATE referans.provider_health AS h SET callbacks_low_since = NULL FROM judged
    WHERE h.provider_id = judged.provider_id AND NOT judged.is_low AND h.callbacks_low_since IS NOT NULL
)
SELECT provider_id, is_low FROM judged
"""
LAST_TOLD = """
SELECT max(at) AS at FROM referans.pulse WHERE provider_id = %s AND ended = 'completed' AND source = 'callback'
"""
#: Uses idx_callback_events_provider. The callbacks come first: of some hundred orders, none is looked for in the table.
DELAYS = f"""
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY timed.seconds) AS median_seconds,
    percentile_cont(0.95) WITHIN GROUP (ORDER BY timed.seconds) AS slow_seconds, count(*)::int AS count
FROM (
    SELECT EXTRACT(EPOCH FROM newest.received_at - o."sentAt")::float8 AS seconds
    FROM (
        SELECT c.order_id, c.received_at FROM referans.callback_events AS c
        WHERE c.received_at > now() - interval '{TIMED_MINUTES} minutes' AND c.provider_id = %(id)s
            AND c.result = 'applied' AND c.status = 'completed'
        ORDER BY c.received_at DESC LIMIT {MOST_TIMED}
    ) AS newest
    CROSS JOIN LATERAL (SELECT sent."sentAt" FROM product_orders AS sent WHERE sent.id = newest.order_id OFFSET 0) AS o
    WHERE o."sentAt" <= newest.received_at
) AS timed
"""
