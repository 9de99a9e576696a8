"""What happened to an order, for people to read."""

from typing import Any

from models.db import database
from models.status import Source


def record(order_id: str, source: Source, message: str) -> None:
    """Note something that changed no status."""
    database.rows(RECORD, {"order_id": order_id, "source": source.value, "message": message})


def events(order_id: str) -> list[dict[str, Any]]:
    """An order's timeline, oldest first."""
    return database.rows(EVENTS, (order_id,))


#: The status stands on both sides, so that a reader sees where the order was.
RECORD = """
INSERT INTO order_events (order_id, source, "from", "to", message)
SELECT o.id, %(source)s, o."externalStatus", o."externalStatus", %(message)s
FROM product_orders AS o WHERE o.id = %(order_id)s
"""
EVENTS = """
SELECT at, source, "from", "to", message FROM order_events WHERE order_id = %s ORDER BY id
"""
