"""Settling a callback that was kept as invalid, once it can be read."""

from collections.abc import Sequence

import peewee

from models import order
from models.db import database, sealed
from models.outcome import Arrival, as_json, owner


def settle_invalid(
    callback_id: int, arrivals: Sequence[Arrival], order_timeout_seconds: float
) -> list[order.Settled]:
    """Settle what an invalid callback turns out to say; its row becomes that of the first arrival, in one commit.

    If the same event was kept under another row meanwhile, the callback becomes a duplicate of that.
    """
    try:
        return _settle(callback_id, arrivals, order_timeout_seconds)
    except peewee.IntegrityError:  # the same event came again just now: this time it is seen
        return _settle(callback_id, arrivals, order_timeout_seconds)


def _settle(
    callback_id: int, arrivals: Sequence[Arrival], order_timeout_seconds: float
) -> list[order.Settled]:
    with database.database.atomic():
        # Orders before callbacks, as `settle` locks them: the same event may be coming in over HTTP just now.
        outcomes = [arrival.outcome for arrival in arrivals]
        references = [outcome.referans for outcome in outcomes]
        numbers = [outcome.external_order_id for outcome in outcomes if not outcome.referans]
        by = {"provider": arrivals[0].provider_id, "references": references, "numbers": numbers}
        database.rows(LOCK_ORDERS, by)
        if not _reopen(callback_id, arrivals[0]):
            database.rows(SUPERSEDE, {"id": callback_id, "key": arrivals[0].dedupe_key})
        return order.settle(arrivals, order_timeout_seconds=order_timeout_seconds)


def _reopen(callback_id: int, arrival: Arrival) -> bool:
    """Make the row that of a callback which waits to be settled. False if it is not invalid any more."""
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


#: Every order that may be meant, in the order in which `settle` locks them.
LOCK_ORDERS = """
SELECT o.id FROM product_orders AS o
WHERE (o."providerId" = %(provider)s OR %(provider)s = ANY (o."triedProviders"))
  AND (o.provider_referans = ANY (%(references)s::text[]) OR o."externalOrderId" = ANY (%(numbers)s::text[]))
ORDER BY o.id FOR UPDATE
"""
#: An invalid callback that can be read now waits, like one whose order is not known, until it is settled.
REOPEN = """
UPDATE referans.callback_events AS c SET result = 'unmatched', dedupe_key = %(key)s, referans = %(referans)s,
    external_order_id = %(external_order_id)s, status = %(status)s, message = left(%(message)s, 1000),
    outcome = %(outcome)s, raw = %(raw)s
WHERE c.id = %(id)s AND c.result = 'invalid' AND NOT EXISTS (
    SELECT FROM referans.callback_events AS same WHERE same.provider_id = c.provider_id AND same.dedupe_key = %(key)s)
RETURNING c.id
"""
#: An invalid callback whose event came again, and was read then.
SUPERSEDE = """
UPDATE referans.callback_events AS c SET result = 'duplicate', settled_at = now(), order_id = same.order_id,
    message = left(c.message || '; the same event is callback ' || same.id, 1000)
FROM referans.callback_events AS same
WHERE c.id = %(id)s AND c.result = 'invalid' AND same.provider_id = c.provider_id AND same.dedupe_key = %(key)s
"""
