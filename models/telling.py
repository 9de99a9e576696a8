"""What the storefront is told or, where there is no receiver, would be: for `gateway listen`."""

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID, uuid5

from models import outbox, stuck, sweep_run
from models.db import database
from models.order import COLUMNS, Order
from models.status import LOWERED, kind_in_sql
from models.stuck import Limits

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


class Computed:
    """What a sweep would tell of orders that have no receiver: they need a person, for a reason that is computed.

    Each order and reason once, and none that was there before. Like a receiver, it hears of them at the end of a sweep.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._sweep = sweep_run.last()
        self._said = stuck.unheard(limits)

    def new(self) -> list[Told]:
        """Those that the sweeps have found since."""
        sweep = sweep_run.last()
        is_same = self._sweep and sweep and sweep.started_at == self._sweep.started_at
        if is_same or sweep is None or sweep.finished_at is None:
            return []
        found = stuck.unheard(self._limits) - self._said
        kinds = dict(found)
        rows = database.rows(WAITING, {"ids": list(kinds)}) if kinds else []
        self._sweep, self._said = sweep, self._said | found
        return [_computed(row, kinds[row["id"]]) for row in rows]


def _computed(row: dict[str, Any], kind: str) -> Told:
    now = replace(outbox.order_of(row["payload"]), attention=kind)
    webhook_id = f"msg_{uuid5(TIMELINE, f'{now.id} {kind}').hex}"
    return Told(0, row["at"], "order.attention", webhook_id, None, now)


def last_event_id() -> int:
    """The number of the newest event; 0 without any."""
    return int(database.rows("SELECT COALESCE(max(id), 0) AS id FROM referans.order_events")[0]["id"])


#: In SQL: the order `o` as it is now, as JSON.
_PAYLOAD = (
    f"(SELECT to_jsonb(shown) - 'pin_code' - 'codes' FROM (SELECT {COLUMNS}) AS shown)::text AS payload"
)
WAITING = f"""
SELECT o.id::text AS id, now() AS at, {_PAYLOAD}
FROM product_orders AS o WHERE o.id = ANY (%(ids)s::uuid[]) ORDER BY o.id
"""
_WORDS = {name: LOWERED.format(word=f"COALESCE(e.\"{name}\", '')") for name in ("from", "to")}
_TO, _FROM = kind_in_sql(_WORDS["to"]), kind_in_sql(_WORDS["from"])
#: In one transaction everything has the same time: the event, its notification, and what it set.
UNTOLD = f"""
SELECT found.id, found.at, found.type, {_PAYLOAD}
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
