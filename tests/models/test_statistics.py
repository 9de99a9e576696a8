"""What a statement looks at follows what it takes, whatever PostgreSQL's statistics know of what waits.

Statistics are made again when a tenth of a table has changed. Until then a burst of thousands is unknown to them, and
an index of what waits is thought to be next to empty.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from models import outbox, unsent
from models.db import database
from models.outbox import CLAIM, RECORD, REDELIVER
from models.status import Attention
from tests import factories

pytestmark = pytest.mark.usefixtures("db")

#: Rows of one kind.
MANY = 1000
FILL = """
INSERT INTO referans.notifications (order_id, type, receiver, payload, state)
SELECT gen_random_uuid(), 'order.completed', 'NOTIFY_URL', '{}', %s FROM generate_series(1, %s) RETURNING id
"""
WAITING = """
INSERT INTO product_orders ("externalStatus", status, "providerId", "productId", "packageId", "placedByGateway",
    "nextCheckAt")
SELECT given.word, 'pending', 'sandbox', 'game', '60', true,
    CASE WHEN given.word = 'not_sent' THEN now() + interval '1 minute' END
FROM (SELECT %s AS word) AS given CROSS JOIN generate_series(1, %s) RETURNING id
"""
CLAIMED: dict[str, Any] = {
    "room": outbox.MOST_CALLS,
    "has_default": True,
    "held": [],
    "taken": [],
    "most": [],
    "tenants": [],
    "taken_by_tenants": [],
}


@pytest.fixture(params=["before there was any", "once they were many"])
def known(request: pytest.FixtureRequest) -> str:
    """When PostgreSQL last looked at how many are in which state."""
    return str(request.param)


def fill(state: str, known: str) -> list[int]:
    database.rows(FILL, ("delivered", 3 * MANY))
    if known == "before there was any":
        factories.analyze("referans.notifications")
    found = [row["id"] for row in database.rows(FILL, (state, MANY))]
    if known == "once they were many":
        factories.analyze("referans.notifications")
    return found


def test_a_claim_looks_at_the_orders_that_it_takes(known: str) -> None:
    """A burst is delivered as fast at its beginning, while thousands wait, as at its end."""
    fill("waiting", known)
    assert rows_read(CLAIM, CLAIMED) < MANY / 4


def test_a_redelivery_looks_at_the_orders_that_it_names(known: str) -> None:
    ids = fill("dead", known)[:20]
    for each in ids:
        order = factories.place()
        factories.put(order, attention=Attention.NOTIFICATION_DEAD)
        database.rows(
            "UPDATE referans.notifications SET order_id = %s WHERE id = %s RETURNING id", (order["id"], each)
        )
    assert rows_read(REDELIVER, {"ids": ids, "by": "ada"}) < MANY / 4


def test_what_came_of_tries_looks_at_what_was_tried(known: str) -> None:
    ids = fill("waiting", known)[:16]
    tried = {
        "id": ids,
        "became": "delivered",
        "receiver": "NOTIFY_URL",
        "unanswered": False,
        "duration": 5,
        "status": 200,
    }
    none = dict.fromkeys(("claim", "delay", "answer", "error", "note"))
    values = {
        name: each if isinstance(each, list) else [each] * len(ids) for name, each in (tried | none).items()
    }
    assert rows_read(RECORD, values) < MANY / 4


def test_orders_that_are_taken_up_are_looked_at_once(known: str) -> None:
    """Where a provider returns for which thousands wait."""
    database.rows(WAITING, ("completed", 3 * MANY))
    if known == "before there was any":
        factories.analyze("product_orders")
    database.rows(WAITING, ("not_sent", MANY))
    if known == "once they were many":
        factories.analyze("product_orders")
    values = {"provider": factories.SANDBOX, "limit": 50, "asks": 2}
    assert rows_read(unsent.TAKE_UP, values, "product_orders") < 2 * MANY


def rows_read(sql: str, values: dict[str, Any], table: str = "notifications") -> float:
    """Rows of the table that the statement has looked at, those included that it then left out."""
    [explained] = database.rows(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}", values)
    nodes = [
        node for node in _nodes(explained["QUERY PLAN"][0]["Plan"]) if node.get("Relation Name") == table
    ]
    assert nodes
    return sum(
        (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"] for node in nodes
    )


def _nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for each in node.get("Plans", ()):
        yield from _nodes(each)
