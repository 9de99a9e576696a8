"""Callbacks as they came: every authenticated one is kept, sealed, until its retention ends."""

import json
from typing import Any

from models import database, sealed
from models.outcome import Arrival, Outcome
from models.status import ExternalStatus, Source

#: A callback that could not be read is kept with this result.
INVALID = "invalid"


def keep_invalid(provider_id: str, dedupe_key: str, raw: str, reason: str) -> None:
    """Keep a callback whose signature was right and whose content could not be read."""
    owner = f"{provider_id}/"
    parameters = {
        "provider_id": provider_id,
        "key": dedupe_key,
        "raw": sealed.seal(raw, owner),
        "reason": reason,
    }
    database.rows(KEEP_INVALID, parameters)


def unmatched(limit: int, after_id: int = 0) -> list[tuple[int, Arrival]]:
    """Up to `limit` callbacks whose reference has appeared since they came, as arrivals to settle, oldest first."""
    found = database.rows(REAPPEARED, {"limit": limit, "after_id": after_id})
    return [(row["id"], _arrival(row)) for row in found]


def waiting_for(provider_id: str, external_order_id: str) -> list[Arrival]:
    """Callbacks that came before the provider's number `external_order_id` was known to us."""
    return [_arrival(row) for row in database.rows(WAITING_FOR, (provider_id, external_order_id))]


def purge(retention_seconds: float, limit: int) -> int:
    """Delete up to `limit` callbacks older than the retention; how many went."""
    return len(database.rows(PURGE, {"retention": retention_seconds, "limit": limit}))


def _arrival(row: dict[str, Any]) -> Arrival:
    owner = f"{row['provider_id']}/{row['referans'] or row['external_order_id'] or ''}"
    said = json.loads(sealed.unseal(row["outcome"], owner))
    outcome = Outcome(**{**said, "status": ExternalStatus(said["status"])})
    return Arrival(row["provider_id"], Source.CALLBACK, outcome, dedupe_key=row["dedupe_key"])


KEEP_INVALID = """
INSERT INTO callback_events (provider_id, dedupe_key, result, raw, message)
VALUES (%(provider_id)s, %(key)s, 'invalid', %(raw)s, %(reason)s)
ON CONFLICT (provider_id, dedupe_key) DO NOTHING
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
