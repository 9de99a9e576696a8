"""Gauges of what is waiting and of how providers do, each from an index or a small table, so that they cost little at
any size."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from models.db import database
from models.plans import IS_PLANNED
from models.provider_health import IS_DOWN
from models.status import IS_OPEN, READ


@dataclass(frozen=True, slots=True)
class ProviderGauge:
    """How a provider does: a row of PROVIDERS."""

    id: str
    is_up: bool
    is_paused: bool
    #: Who has paused it: provider_health.GATEWAY, or a person.
    paused_by: str | None
    #: Since when it is down or paused.
    since: datetime | None
    #: What its last failed call, or the reason of its pause, says.
    words: str | None
    #: False where it refused for lack of balance, or its known balance is zero.
    has_balance: bool
    #: The balance that is known, if any, and its currency.
    balance: Decimal | None
    currency: str | None
    #: The balance is below `--low-balance`.
    is_low: bool
    #: Nobody has chosen the format of its callbacks; both are read.
    guesses_callbacks: bool


@dataclass(frozen=True, slots=True)
class Stage:
    """Orders of one stage that the gateway sends or follows: a row of WAITING."""

    status: str
    n: int
    #: When the oldest of them was placed; None if another system has not said it.
    oldest: datetime | None


def stages() -> dict[str, Stage]:
    """The orders that the gateway sends or follows, by externalStatus."""
    return {each.status: each for each in database.load(Stage, WAITING)}


def waiting() -> dict[str, int]:
    """How many they are."""
    return {name: each.n for name, each in stages().items()}


def singles() -> dict[str, tuple[str, float | None]]:
    """Other gauges by name: what it is, and its value if there is one."""
    row = database.rows(SINGLES)[0]
    return {f"referans_{name}": (text, row[name]) for name, text in TEXTS.items()}


def providers() -> list[ProviderGauge]:
    """Every configured provider, by id."""
    return database.load(ProviderGauge, PROVIDERS)


TEXTS = {
    "checks_due": "Orders whose next step is due.",
    "oldest_due_seconds": "Seconds by which the longest waiting step is overdue.",
    "callbacks_unmatched": "Callbacks whose reference is not known yet.",
    "last_sweep_age_seconds": "Seconds since the last sweep began.",
    "scheduler_age_seconds": "Seconds since the last tick of the scheduler, which comes each minute.",
}
WAITING = f"""
SELECT {READ} AS status, count(*)::int AS n, min(o."createdAt") AS oldest FROM product_orders AS o
WHERE o."nextCheckAt" IS NOT NULL AND {IS_OPEN} GROUP BY 1
"""
SINGLES = f"""
SELECT due.checks_due, due.oldest_due_seconds,
    (SELECT count(*)::float8 FROM referans.callback_events WHERE result = 'unmatched') AS callbacks_unmatched,
    (SELECT EXTRACT(EPOCH FROM now() - max(started_at))::float8 FROM referans.sweeps) AS last_sweep_age_seconds,
    (SELECT EXTRACT(EPOCH FROM now() - beat_at)::float8 FROM referans.heartbeats WHERE process = 'scheduler')
        AS scheduler_age_seconds
FROM (
    SELECT count(*)::float8 AS checks_due,
        EXTRACT(EPOCH FROM now() - min("nextCheckAt"))::float8 AS oldest_due_seconds
    FROM product_orders AS o WHERE o."nextCheckAt" <= now() AND o."nextCheckAt" IS NOT NULL AND {IS_PLANNED}) AS due
"""
PROVIDERS = f"""
SELECT p.id, NOT COALESCE({IS_DOWN}, false) AS is_up, h.paused_at IS NOT NULL AS is_paused, h.paused_by,
    CASE WHEN {IS_DOWN} THEN h.down_since ELSE h.paused_at END AS since,
    CASE WHEN h.paused_at IS NOT NULL THEN h.pause_reason ELSE h.last_error END AS words,
    COALESCE(NOT h.lacks_balance AND h.balance IS DISTINCT FROM 0, true) AS has_balance,
    h.balance, COALESCE(h.balance_currency, p.currency) AS currency,
    COALESCE(h.balance < p.low_balance, false) AS is_low,
    p.callback <> 'none' AND p.callback_format IS NULL AS guesses_callbacks
FROM referans.providers AS p LEFT JOIN referans.provider_health AS h ON h.provider_id = p.id ORDER BY p.id
"""
