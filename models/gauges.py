"""Gauges of what is waiting, each from an index of what is not final, so that they cost little at any size."""

from models.db import database
from models.plans import IS_PLANNED
from models.status import IS_OPEN


def waiting() -> dict[str, int]:
    """Our own orders that are not final, by externalStatus."""
    return {row["status"]: row["n"] for row in database.rows(WAITING)}


def singles() -> dict[str, tuple[str, float | None]]:
    """Other gauges by name: what it is, and its value if there is one."""
    row = database.rows(SINGLES)[0]
    return {f"referans_{name}": (text, row[name]) for name, text in TEXTS.items()}


TEXTS = {
    "checks_due": "Orders whose next step is due.",
    "oldest_due_seconds": "Seconds by which the longest waiting step is overdue.",
    "callbacks_unmatched": "Callbacks whose reference is not known yet.",
    "last_sweep_age_seconds": "Seconds since the last sweep began.",
}
WAITING = f"""
SELECT "externalStatus" AS status, count(*)::int AS n FROM product_orders AS o
WHERE o."nextCheckAt" IS NOT NULL AND {IS_OPEN} GROUP BY 1
"""
SINGLES = f"""
SELECT due.checks_due, due.oldest_due_seconds,
    (SELECT count(*)::float8 FROM callback_events WHERE result = 'unmatched') AS callbacks_unmatched,
    (SELECT EXTRACT(EPOCH FROM now() - max(started_at))::float8 FROM sweeps) AS last_sweep_age_seconds
FROM (
    SELECT count(*)::float8 AS checks_due,
        EXTRACT(EPOCH FROM now() - min("nextCheckAt"))::float8 AS oldest_due_seconds
    FROM product_orders AS o WHERE o."nextCheckAt" <= now() AND o."nextCheckAt" IS NOT NULL AND {IS_PLANNED}) AS due
"""
