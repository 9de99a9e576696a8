"""Orders that wait longer than they should, and why; what an operator looks at first."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from models.db import database
from models.order import COLUMNS, Order
from models.provider_health import BREAKER_THRESHOLD
from models.status import IS_OPEN, ExternalStatus

#: Seconds that an order may be in doubt before it counts as stuck.
IN_DOUBT_SECONDS = 300


@dataclass(frozen=True, slots=True)
class Limits:
    """What counts as stuck."""

    #: A plan that is overdue by more was missed by a whole sweep.
    sweep_period_seconds: float
    #: Checks that an order gets by backoff; after them it is asked about by the sweep only, slowly.
    max_checks: int


@dataclass(frozen=True, slots=True)
class StuckOrder(Order):
    """An order that waits longer than it should, and what shows that it does."""

    next_check_at: datetime
    check_count: int
    overdue: bool
    overdue_seconds: float
    is_in_doubt: bool
    #: Seconds since it was claimed for sending; None if it was not.
    in_doubt_seconds: float | None
    used_up: bool
    provider_down: bool
    provider_error: str | None

    def reasons(self) -> list[str]:
        """Why it is stuck and what to do, in sentences without a full stop; the gravest first."""
        found = []
        if self.provider_down:
            found.append(
                f"{self.provider_id} is down ({self.provider_error}); checks go on when it answers,"
                f" see: gateway providers test {self.provider_id}"
            )
        if self.overdue:
            step = "sending" if self.external_status == ExternalStatus.NOT_SENT else "check"
            late = f"its {step} is overdue by {self.overdue_seconds / 60:.0f} min"
            found.append(f"{late}; is a worker running? see: gateway doctor")
        if self.is_in_doubt:
            found.append(
                f"in doubt for {(self.in_doubt_seconds or 0) / 60:.0f} min: {self.provider_id} may have it;"
                f" look for {self.provider_referans} there, never send it again by hand"
            )
        if self.used_up:
            slowly = f"no outcome after {self.check_count} checks, now asked slowly"
            found.append(f"{slowly}; ask {self.provider_id} about it")
        return found


def orders(limits: Limits, limit: int) -> list[StuckOrder]:
    """Up to `limit` stuck orders, longest due first."""
    return database.load(StuckOrder, STUCK, {**_parameters(limits), "limit": limit})


def count(limits: Limits, up_to: int) -> int:
    """How many orders are stuck, counted up to `up_to`."""
    found = database.rows(COUNT, {**_parameters(limits), "limit": up_to})
    return int(found[0]["count"])


def _parameters(limits: Limits) -> dict[str, Any]:
    return {
        "period": limits.sweep_period_seconds,
        "max_checks": limits.max_checks,
        "threshold": BREAKER_THRESHOLD,
        "in_doubt": IN_DOUBT_SECONDS,
    }


#: Uses idx_orders_planned: its cost follows the number of waiting orders.
_WAITING = f"""
FROM (
    SELECT o.*,
        o."nextCheckAt" < now() - make_interval(secs => %(period)s) AS overdue,
        EXTRACT(EPOCH FROM now() - o."nextCheckAt")::float8 AS overdue_seconds,
        o."externalStatus" IN ('pending', 'queued')
            AND o."claimedAt" < now() - make_interval(secs => %(in_doubt)s) AS is_in_doubt,
        EXTRACT(EPOCH FROM now() - o."claimedAt")::float8 AS in_doubt_seconds,
        o."checkCount" >= %(max_checks)s AS used_up,
        COALESCE(health.failures >= %(threshold)s, false) AS provider_down,
        health.last_error AS provider_error
    FROM product_orders AS o LEFT JOIN provider_health AS health ON health.provider_id = o."providerId"
    WHERE o."nextCheckAt" IS NOT NULL AND {IS_OPEN}
) AS o
WHERE o.overdue OR o.is_in_doubt OR o.used_up OR o.provider_down
"""
STUCK = f"""
SELECT {COLUMNS}, o."nextCheckAt" AS next_check_at, o."checkCount" AS check_count, o.overdue, o.overdue_seconds,
    o.is_in_doubt, o.in_doubt_seconds, o.used_up, o.provider_down, o.provider_error
{_WAITING} ORDER BY o."nextCheckAt", o.id LIMIT %(limit)s
"""
COUNT = f"SELECT count(*)::int AS count FROM (SELECT o.id {_WAITING} LIMIT %(limit)s) AS stuck"
