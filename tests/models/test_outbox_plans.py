"""What the outbox looks at follows what it takes, whatever PostgreSQL knows of what waits."""

from typing import Any

import pytest

from models import outbox
from models.db import database
from models.outbox import CLAIM, REDELIVER
from models.status import Attention
from tests import factories

pytestmark = pytest.mark.usefixtures("db")

#: Notifications in one state, each of an order of its own.
MANY = 1000
FILL = """
INSERT INTO referans.notifications (order_id, type, receiver, payload, state)
SELECT gen_random_uuid(), 'order.completed', 'NOTIFY_URL', '{}', %s FROM generate_series(1, %s) RETURNING id
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


def rows_read(sql: str, values: dict[str, Any]) -> float:
    """Rows of notifications that the statement has looked at, those included that it then left out."""
    [explained] = database.rows(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}", values)
    return _read(explained["QUERY PLAN"][0]["Plan"])


def _read(node: dict[str, Any]) -> float:
    rows = node["Actual Rows"] + node.get("Rows Removed by Filter", 0)
    own = rows * node["Actual Loops"] if node.get("Relation Name") == "notifications" else 0
    return own + sum(map(_read, node.get("Plans", ())))
