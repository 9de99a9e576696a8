"""What happened to an order, for people to read."""

from dataclasses import dataclass
from datetime import datetime

from models import texts
from models.db import database
from models.status import Source


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened to an order."""

    id: int
    at: datetime
    source: str
    #: The order's externalStatus before and after.
    came_from: str | None
    went_to: str | None
    message: str | None
    #: The API key or the person that did it; None for the gateway and its providers.
    by: str | None


#: The fields of an Event, in SQL.
COLUMNS = 'e.id, e.at, e.source, e."from" AS came_from, e."to" AS went_to, e.message, e."by"'


def record(order_id: str, source: Source, message: str, by: str | None = None) -> None:
    """Record something that changed no status; of the message, at most texts.TIMELINE characters."""
    values = {
        "order_id": order_id,
        "source": source.value,
        "message": texts.clean(message, texts.TIMELINE),
        "by": by,
    }
    database.rows(RECORD, values)


def record_once(order_id: str, source: Source, message: str, by: str, within_seconds: float) -> None:
    """`record`, unless the same stands on the timeline already and is younger than `within_seconds`."""
    values = {
        "order_id": order_id,
        "source": source.value,
        "message": texts.clean(message, texts.TIMELINE),
        "by": by,
        "within": within_seconds,
    }
    database.rows(RECORD_ONCE, values)


def events(order_id: str, limit: int | None = None, after_id: int = 0) -> list[Event]:
    """An order's timeline, oldest first: up to `limit` events (all of them if it is None) that follow `after_id`."""
    return database.load(Event, EVENTS, {"order_id": order_id, "limit": limit, "after": after_id})


#: The status stands on both sides, so that a reader sees where the order was.
RECORD = """
INSERT INTO order_events (order_id, source, "from", "to", message, "by")
SELECT o.id, %(source)s, o."externalStatus", o."externalStatus", %(message)s, %(by)s
FROM product_orders AS o WHERE o.id = %(order_id)s
"""
RECORD_ONCE = f"""
{RECORD.strip()} AND NOT EXISTS (
    SELECT FROM order_events AS e
    WHERE e.order_id = o.id AND e.source = %(source)s AND e.message = %(message)s AND e."by" = %(by)s
      AND e.at > now() - make_interval(secs => %(within)s)
)
"""
EVENTS = f"""
SELECT {COLUMNS} FROM order_events AS e WHERE e.order_id = %(order_id)s AND e.id > %(after)s
ORDER BY e.id LIMIT %(limit)s
"""
