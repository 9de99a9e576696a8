"""Finding orders by what a person has in hand, and those that need a person: rightly, and without reading the table."""

from datetime import timedelta
from typing import Any

import pytest

from models import listing, lookup, order, stuck
from models.db import database
from models.status import Attention, ExternalStatus
from models.stuck import Limits
from models.tenants import EVERYTHING
from tests import factories

LIMITS = Limits(sweep_period_seconds=300, max_checks=20, first_check_delay_seconds=60)
#: What `found` takes, each by one of the names an order may be called by.
NAMES = ["id", "provider_referans", "order_no", "orderUuid", "externalOrderId", "userIdentifier"]


@pytest.fixture
def known(db: None) -> dict[str, Any]:
    """An order with every name that there is, and its former references."""
    found = factories.sent("5123456789")
    factories.put(found, orderUuid="CART-77", externalOrderId="P-100")
    database.rows(
        "INSERT INTO referans.former_references (referans, provider_id, external_order_id, order_id)"
        " VALUES ('100000000000001', 'sandbox', 'P-99', %s)",
        (found["id"],),
    )
    named = {"orderUuid": "CART-77", "externalOrderId": "P-100", "userIdentifier": "5123456789"}
    return found | named


def found(text: str, limit: int = 10) -> list[str]:
    return [each.id for each in lookup.by_anything(text, LIMITS, limit)]


@pytest.mark.parametrize("name", NAMES)
def test_an_order_is_found_by_each_of_its_names(known: dict[str, Any], name: str) -> None:
    factories.sent("another player")
    assert found(str(known[name])) == [known["id"]]


@pytest.mark.parametrize("former", ["100000000000001", "P-99"])
def test_an_order_is_found_by_what_it_was_called_before(known: dict[str, Any], former: str) -> None:
    assert found(former) == [known["id"]]


@pytest.mark.parametrize(
    "text", ["", "nobody", "\x00", "\ud800", "-1", "9" * 30, "٣", "1.0", factories.NO_ORDER]
)
def test_what_names_no_order_finds_none(known: dict[str, Any], text: str) -> None:
    assert found(text) == []


def test_of_several_the_newest_comes_first_whatever_they_are_named_by(known: dict[str, Any]) -> None:
    later = factories.sent("5123456789")
    latest = factories.sent("somebody")
    factories.put(latest, externalOrderId="5123456789")
    assert found("5123456789") == [latest["id"], later["id"], known["id"]]
    assert found("5123456789", limit=2) == [latest["id"], later["id"]]


def test_an_order_with_one_name_for_all_is_found_once(known: dict[str, Any]) -> None:
    factories.put(known, orderUuid="5123456789", externalOrderId="5123456789")
    assert found("5123456789") == [known["id"]]


def test_a_list_has_the_orders_of_a_product_and_of_an_age(db: None) -> None:
    old, new = factories.sent(), factories.sent()
    factories.age(old, 7200)
    hour = timedelta(hours=1)

    def page(**wanted: Any) -> list[str]:
        return [each.id for each in listing.page(listing.Filter(**wanted), EVERYTHING, LIMITS, 10).orders]

    assert page(created_after=hour) == [new["id"]]
    assert page(created_before=hour) == [old["id"]]
    assert page(product_id="game") == [new["id"], old["id"]]
    assert page(product_id="other") == []


# --- without reading the table

#: As many orders that have ended as a planner needs to mind reading them all.
MANY = """
INSERT INTO product_orders ("externalStatus", status, "providerId", "createdAt", "userIdentifier", "orderUuid",
    "externalOrderId", provider_referans)
SELECT 'completed', 'approved', 'sandbox', now() - make_interval(secs => n), 'player ' || n, 'cart ' || n,
    'P ' || n, n::text
FROM generate_series(1, 20000) AS n
"""


@pytest.fixture
def crowded(db: None) -> None:
    """A table of orders that have ended, and a few that wait."""
    for _ in range(3):
        factories.sent()
    database.rows(MANY)
    factories.analyze("product_orders")


def plan(sql: str, values: dict[str, Any]) -> str:
    return "\n".join(row["QUERY PLAN"] for row in database.rows(f"EXPLAIN {sql}", values))


CHOSEN = LIMITS.parameters() | {
    "kinds": list(Attention),
    "kind": None,
    "provider": None,
    "tenant": None,
    "after_at": None,
    "after_id": None,
    "limit": 50,
}


@pytest.mark.parametrize("statement", [stuck.STUCK, stuck.IDS, stuck.SUMMARY])
def test_stuck_orders_are_found_among_those_that_wait(crowded: None, statement: str) -> None:
    explained = plan(statement, CHOSEN)
    assert "idx_orders_planned" in explained
    assert "idx_orders_attention" in explained or "idx_orders_kind" in explained
    assert "Seq Scan on product_orders" not in explained


def test_the_first_of_each_kind_are_found_without_the_others(crowded: None) -> None:
    """However many orders need a person for a grave kind."""
    explained = plan(stuck.LONGEST, LIMITS.parameters() | {"kinds": list(Attention), "of_each": 5})
    assert "idx_orders_planned" in explained and "Seq Scan on product_orders" not in explained
    assert (
        explained.count("Index Scan using idx_orders_kind")
        + explained.count("Index Only Scan using idx_orders_kind")
        >= 2
    )


def test_all_of_a_kind_are_found_among_those_that_wait(crowded: None) -> None:
    explained = plan(stuck.ALL_OF_KIND, CHOSEN | {"kind": Attention.OVERDUE})
    assert "idx_orders_planned" in explained and "Seq Scan on product_orders" not in explained


def test_an_order_is_looked_up_by_indexes(crowded: None) -> None:
    explained = plan(lookup.BY_ANYTHING, LIMITS.parameters() | {"text": "60", "number": 60, "limit": 10})
    for index in ("order_no", "order_uuid", "external_order_id", "user", "provider_referans"):
        assert f"idx_orders_{index}" in explained
    assert "Seq Scan on product_orders" not in explained


def test_what_an_order_that_has_ended_waits_for_is_not_looked_for(crowded: None) -> None:
    [ended] = listing.page(listing.Filter(ExternalStatus.COMPLETED), EVERYTHING, LIMITS, 1).orders
    values = {"id": ended.id} | LIMITS.parameters() | EVERYTHING.parameters()
    lines = database.rows(f"EXPLAIN (ANALYZE) {lookup.BY_ID}", values)
    subplans = [row["QUERY PLAN"] for row in lines if "routes" in row["QUERY PLAN"]]
    assert subplans and all("never executed" in line for line in subplans)
    assert order.find(ended.id) == ended
