"""What the storefront is told or, where there is no receiver, would be: for `gateway listen`."""

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID, uuid5

from models import outbox
from models.db import database
from models.order import COLUMNS, Order
from models.status import LOWERED, kind_in_sql

#: Names the `webhook-id`s of what only the timeline tells: the same for the same event.
TIMELINE = UUID("6c1f4d2e-0a0e-4c58-9a55-5d0f3c7be0f1")


@dataclass(frozen=True, slots=True)
class Told:
    """One thing that the storefront is told."""

    id: int
    at: datetime
    type: str
    webhook_id: str
    #: None: there is none.
    receiver: str | None
    order: Order = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Event:
    id: int
    at: datetime
    type: str
    #: The order as it is now, as JSON.
    payload: str = field(repr=False)


def notified(after_id: int, limit: int) -> list[Told]:
    """Up to `limit` notifications made after that one, oldest first."""
    return [
        Told(
            each.id,
            each.created_at,
            each.type,
            outbox.webhook_id(each),
            each.receiver,
            outbox.order_of(each.payload),
        )
        for each in outbox.made_since(after_id, limit)
    ]


def untold(after_id: int, limit: int) -> list[Told]:
    """Up to `limit` events after that one of which no notification was made, oldest first.

    The order is as it is now; an attention that is over by now is left out.
    """
    return [
        Told(
            each.id,
            each.at,
            each.type,
            f"msg_{uuid5(TIMELINE, str(each.id)).hex}",
            None,
            outbox.order_of(each.payload),
        )
        for each in database.load(_Event, UNTOLD, {"after": after_id, "limit": limit})
    ]


def last_event_id() -> int:
    """The number of the newest event; 0 without any."""
    return int(database.rows("SELECT COALESCE(max(id), 0) AS id FROM referans.order_events")[0]["id"])


_WORDS = {name: LOWERED.format(word=f"COALESCE(e.\"{name}\", '')") for name in ("from", "to")}
_TO, _FROM = kind_in_sql(_WORDS["to"]), kind_in_sql(_WORDS["from"])
#: In one transaction everything has the same time: the event, its notification, and what it set.
UNTOLD = f"""
SELECT found.id, found.at, found.type,
    (SELECT to_jsonb(shown) - 'pin_code' - 'codes' FROM (SELECT {COLUMNS}) AS shown)::text AS payload
FROM (
    SELECT e.id, e.at, e.order_id, CASE
        WHEN {_TO} <> 'open' AND {_TO} <> {_FROM} THEN 'order.' || {_TO}
        WHEN e.result = 'applied' AND {_TO} = 'completed' AND e.source IN ('callback', 'poll', 'operator')
        THEN 'order.pin_updated'
        WHEN o.attention IS NOT NULL AND o."attentionAt" = e.at THEN 'order.attention'
    END AS type
    FROM referans.order_events AS e JOIN product_orders AS o ON o.id = e.order_id
    WHERE e.id > %(after)s AND e.source <> 'notify'
) AS found JOIN product_orders AS o ON o.id = found.order_id
WHERE found.type IS NOT NULL
  AND NOT EXISTS (
      SELECT FROM referans.notifications AS n WHERE n.order_id = found.order_id AND n.created_at = found.at)
ORDER BY found.id LIMIT %(limit)s
"""
