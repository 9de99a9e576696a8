"""Orders that wait longer than they should, and why; what an operator looks at first."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from models.db import database
from models.order import COLUMNS
from models.provider import BREAKER_THRESHOLD
from models.status import OPEN_STATUSES

#: Seconds that an order may be in doubt before somebody should look.
IN_DOUBT_SECONDS = 300


@dataclass(frozen=True, slots=True)
class Limits:
    """What counts as stuck."""

    #: A plan that is overdue by more was missed by a whole sweep.
    sweep_period_seconds: float
    #: Checks an order gets by backoff; after them only the sweep asks, slowly.
    max_checks: int


def orders(limits: Limits, limit: int) -> list[dict[str, Any]]:
    """Up to `limit` stuck orders, longest due first: the COLUMNS of an order, and what `reasons` reads."""
    return database.rows(STUCK, {**_parameters(limits), "limit": limit})


def count(limits: Limits, up_to: int) -> int:
    """How many orders are stuck, counted up to `up_to`."""
    found = database.rows(COUNT, {**_parameters(limits), "limit": up_to})
    return int(found[0]["count"])


def reasons(row: dict[str, Any]) -> list[str]:
    """Why an order of `orders()` is stuck and what to do, in sentences without a full stop; the gravest first."""
    return [describe(row) for column, describe in REASONS.items() if row[column]]


def _parameters(limits: Limits) -> dict[str, Any]:
    return {
        "period": limits.sweep_period_seconds,
        "max_checks": limits.max_checks,
        "threshold": BREAKER_THRESHOLD,
        "in_doubt": IN_DOUBT_SECONDS,
    }


def _provider_down(row: dict[str, Any]) -> str:
    return (
        f"{row['providerId']} is down ({row['provider_error']}); checks go on when it answers,"
        f" see: gateway providers test {row['providerId']}"
    )


def _overdue(row: dict[str, Any]) -> str:
    step = "sending" if row["externalStatus"] == "not_sent" else "check"
    return f"its {step} is overdue by {row['overdue_seconds'] / 60:.0f} min; is a worker running? see: gateway doctor"


def _in_doubt(row: dict[str, Any]) -> str:
    minutes = row["in_doubt_seconds"] / 60
    return (
        f"in doubt for {minutes:.0f} min: {row['providerId']} may have it; look for {row['provider_referans']} there,"
        " never send it again by hand"
    )


def _used_up(row: dict[str, Any]) -> str:
    return f"no outcome after {row['checkCount']} checks, now asked slowly; ask {row['providerId']} about it"


REASONS: dict[str, Callable[[dict[str, Any]], str]] = {
    "provider_down": _provider_down,
    "overdue": _overdue,
    "is_in_doubt": _in_doubt,
    "used_up": _used_up,
}

_OPEN = ", ".join(f"'{name}'" for name in OPEN_STATUSES)
#: Everything the gateway has to do stands in idx_orders_due: the cost follows the number of waiting orders.
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
    WHERE o."nextCheckAt" IS NOT NULL AND o."externalStatus" IN ({_OPEN})
) AS o
WHERE o.overdue OR o.is_in_doubt OR o.used_up OR o.provider_down
"""
STUCK = f"""
SELECT {COLUMNS}, o."nextCheckAt", o."checkCount", o.overdue, o.overdue_seconds, o.is_in_doubt, o.in_doubt_seconds,
    o.used_up, o.provider_down, o.provider_error
{_WAITING} ORDER BY o."nextCheckAt", o.id LIMIT %(limit)s
"""
COUNT = f"SELECT count(*)::int AS count FROM (SELECT o.id {_WAITING} LIMIT %(limit)s) AS stuck"
