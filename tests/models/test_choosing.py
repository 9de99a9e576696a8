"""Which of several routes with the same priority an order goes by, and what its timeline tells of that."""

import math
import uuid
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from itertools import batched
from typing import Any

import pytest

from models import choosing, placing, route, timeline
from models.db import database
from models.placing import Money, NewOrder, Placed, Placement
from models.route import Cost, Limit, Strategy
from tests import factories
from tests.factories import TENANT

#: What one item costs by a route: an amount and a currency; None: nobody has said.
Known = tuple[str, str] | None

#: Placings that are shared, and how far from its share a provider may be, in standard deviations: by chance one run in
#: five hundred million.
PLACINGS, SIGMAS = 10_000, 6
#: The columns of an order that its last cost is found by, which are UUIDs on the table of some storefronts.
OWN = ('"productId"', '"packageId"')


@pytest.fixture(autouse=True)
def no_route(db: None) -> None:
    """No route leads anywhere yet."""
    database.rows("DELETE FROM referans.routes")


def lead(strategy: Strategy, *costs: Known, weights: Sequence[int] = (), **fields: Any) -> None:
    """A route to each of p0, p1 … in their order."""
    for number in range(len(costs)):
        factories.add_provider(f"p{number}", "", adapter="manual", callback="none", credentials={})
    database.rows("DELETE FROM referans.routes")
    for number, cost in enumerate(costs):
        known = Cost(Decimal(cost[0]), cost[1]) if cost else None
        weight = weights[number] if weights else None
        route.add("game", "60", f"p{number}", {}, strategy=strategy, weight=weight, cost=known, **fields)


def place(**fields: Any) -> tuple[str, str]:
    """The provider of a new order, and the message of its first event."""
    placed = factories.place(**fields)
    [event] = timeline.events(placed["id"])
    return placed["provider_id"], str(event.message)


def completed(provider_id: str, cost: str, currency: str, quantity: int = 1) -> None:
    """An order of the same package has ended with this cost at the provider."""
    placed = factories.place()
    factories.put(
        placed,
        providerId=provider_id,
        externalStatus="completed",
        gatewayCostAmount=Decimal(cost),
        gatewayCostCurrency=currency,
        quantity=quantity,
    )
    database.rows('UPDATE product_orders SET "completedAt" = now() WHERE id = %s', (placed["id"],))


@pytest.mark.parametrize(
    ("costs", "chosen", "why"),
    [
        ([("1.30", "USD"), ("1.20", "USD"), ("1.40", "USD")], "p1", "cheapest at 1.20 USD of 3"),
        ([("9", "TRY"), ("10", "TRY")], "p0", "cheapest at 9 TRY of 2"),
        ([("1.20", "USD"), ("1.2", "USD")], "p0", "cheapest at 1.20 USD of 2"),
        ([None, ("30", "USD")], "p1", "cheapest at 30 USD of 2"),
        ([None, None], "p0", "cheapest, but no cost is known of 2"),
        ([("31", "TRY"), ("1", "USD"), ("30", "TRY")], "p2", "cheapest at 30 TRY of 3"),
        ([None, ("31", "TRY"), ("1", "USD")], "p1", "cheapest at 31 TRY of 3"),
        ([("1.30", "USD")], "p0", None),
    ],
    ids=["middle", "as numbers", "equal", "unknown", "all unknown", "currencies", "oldest known", "alone"],
)
def test_the_dearer_route_is_not_chosen(costs: list[Known], chosen: str, why: str | None) -> None:
    lead(Strategy.CHEAPEST, *costs)
    told = f"placed with key tests; {chosen}: {why}" if why else "placed with key tests"
    assert place() == (chosen, told)


def test_the_last_order_tells_what_a_route_costs_that_does_not_say_it() -> None:
    lead(Strategy.CHEAPEST, ("1.30", "USD"), None, None)
    completed("p1", "9", "USD")
    completed("p1", "2.50", "USD", quantity=2)
    completed("p2", "1.28", "USD")
    assert place() == ("p1", "placed with key tests; p1: cheapest at 1.25 USD of 3")
    placed = factories.place()
    again = choosing.next_for("game", "60", ["p1"], tenant_id=None, order_id=placed["id"])
    assert again and (again.provider_id, again.why) == ("p2", "cheapest at 1.28 USD of 2")


def test_the_next_one_is_chosen_by_the_same_strategy_and_limit() -> None:
    lead(Strategy.CHEAPEST, ("1.30", "USD"), ("1.20", "USD"), None, ("1.25", "USD"), ("1", "TRY"))

    def following(limit: Limit | None) -> list[str]:
        tried: list[str] = []
        while found := choosing.next_for("game", "60", tried, tenant_id=None, limit=limit):
            tried.append(found.provider_id)
        return tried

    assert following(None) == ["p1", "p3", "p0", "p4", "p2"]
    assert following(Limit(Decimal("1.25"), "USD", 1)) == ["p1", "p3"]
    assert place(max_cost=Money(Decimal("5"), "TRY"))[0] == "p4"


def shared(count: int) -> Counter[str]:
    """How many of so many orders each provider got, of which a hundred are placed in one statement each."""
    for batch in batched(range(count), 100):
        each = [Placement(NewOrder("game", "60", f"player-{n}"), 0, "tests", None, None) for n in batch]
        with placing.place(each, wake_seconds=60) as results:
            assert all(isinstance(result, Placed) for result in results)
    found = database.rows('SELECT "providerId" AS id, count(*)::int AS n FROM product_orders GROUP BY 1')
    return Counter({row["id"]: row["n"] for row in found})


def test_orders_are_shared_by_weight() -> None:
    weights = [5, 3, 2]
    lead(Strategy.SHARE, None, None, None, weights=weights)
    found = shared(PLACINGS)
    for number, weight in enumerate(weights):
        share = weight / sum(weights)
        bound = SIGMAS * math.sqrt(PLACINGS * share * (1 - share))
        assert abs(found[f"p{number}"] - PLACINGS * share) < bound, found
    told = Counter(
        row["message"] for row in database.rows("SELECT message FROM referans.order_events LIMIT 1000")
    )
    assert told.keys() == {
        f"placed with key tests; p{number}: share {weight} of 10" for number, weight in enumerate(weights)
    }


def test_what_one_refuses_is_shared_by_the_others() -> None:
    """The first choice is the same when it is asked for again: the others follow by what is left of the weights."""
    lead(Strategy.SHARE, None, None, None, weights=[6, 3, 1])
    shared(1_000)
    moved = Counter[str]()
    for row in database.rows('SELECT id::text AS id, "providerId" AS first FROM product_orders'):
        again = choosing.next_for("game", "60", [], tenant_id=None, order_id=row["id"])
        assert again and again.provider_id == row["first"]
        if row["first"] == "p0":
            following = choosing.next_for("game", "60", ["p0"], tenant_id=None, order_id=row["id"])
            assert following and following.why in ("share 3 of 4", "share 1 of 4")
            moved[following.provider_id] += 1
    assert abs(moved["p1"] - 0.75 * moved.total()) < SIGMAS * math.sqrt(moved.total() * 0.75 * 0.25), moved


def strategies() -> dict[str, str]:
    return {each.provider_id: str(each.strategy) for each in route.every()}


def test_a_strategy_is_that_of_all_routes_of_the_same_priority() -> None:
    lead(Strategy.ORDER, None, None, None)
    route.add("game", "60", "p2", priority=1)
    route.add("game", "60", "p1", strategy=Strategy.SHARE)
    assert strategies() == {"p0": "share", "p1": "share", "p2": "order"}

    assert route.add("game", "60", "p2", priority=0).strategy == "share"
    assert route.add("game", "60", factories.SANDBOX).strategy == "share"
    assert route.add("game", "60", "p0", tenant_id=TENANT).strategy == "order"
    assert route.add("game", "*", "p0").strategy == "order"
    assert route.add("game", "60", "p0", weight=7).weight == 7


def test_a_lower_priority_comes_first_whatever_it_costs() -> None:
    lead(Strategy.CHEAPEST, ("1", "USD"), ("2", "USD"))
    route.add("game", "60", "p1", priority=-1)
    assert place() == ("p1", "placed with key tests")


def test_a_route_that_a_process_of_the_version_before_adds_comes_after_those_with_a_strategy() -> None:
    lead(Strategy.CHEAPEST, ("9", "USD"), ("8", "USD"))
    database.rows(
        "INSERT INTO referans.routes (product_id, package_id, provider_id, position, cost, currency)"
        " VALUES ('game', '60', %s, 0, 1, 'USD')",
        (factories.SANDBOX,),
    )
    assert place()[0] == "p1"


def tried(order_id: str | None) -> list[str]:
    """The providers that an order is given to one after the other, each of which refuses it."""
    found: list[str] = []
    while following := choosing.next_for("game", "60", found, tenant_id=None, order_id=order_id):
        found.append(following.provider_id)
    return found


@pytest.mark.parametrize(
    ("strategy", "costs", "weights", "last", "listed"),
    [
        (
            Strategy.CHEAPEST,
            [None, ("3", "TRY"), ("1", "USD"), ("2", "TRY")],
            [],
            {},
            ["p3", "p1", "p2", "p0"],
        ),
        (
            Strategy.CHEAPEST,
            [("3", "USD"), None, ("2", "USD"), None],
            [],
            {"p1": "1"},
            ["p1", "p2", "p0", "p3"],
        ),
        (Strategy.CHEAPEST, [None, ("3", "TRY"), ("2", "USD")], [], {"p0": "5"}, ["p2", "p0", "p1"]),
        (Strategy.SHARE, [None, ("3", "TRY"), None], [1, 3, 2], {}, ["p1", "p2", "p0"]),
        (Strategy.ORDER, [("3", "TRY"), ("1", "TRY")], [1, 3], {}, ["p0", "p1"]),
    ],
)
def test_routes_are_listed_and_offered_as_they_are_tried(
    strategy: Strategy, costs: list[Known], weights: list[int], last: dict[str, str], listed: list[str]
) -> None:
    """Each order's own page shows what chance has chosen for it; the other lists, what is the likeliest."""
    lead(strategy, *costs, weights=weights)
    for provider_id, cost in last.items():
        completed(provider_id, cost, "USD")
    assert [each.provider_id for each in route.every()] == listed
    assert [each.provider_id for each in route.beside("p0")] == listed
    known = {f"p{number}": cost and Decimal(cost[0]) for number, cost in enumerate(costs)}
    offered = [each.cost for each in route.offers("game", "60", tenant_id=None)]
    assert offered == [known[each] for each in listed]
    for _ in range(5):
        order_id = factories.place()["id"]
        own = route.alternatives("game", "60", tenant_id=None, order_id=order_id)
        assert [each.provider_id for each in own] == tried(order_id)
        assert strategy == Strategy.SHARE or tried(order_id) == listed


def test_routes_are_listed_on_a_table_that_holds_uuids_whatever_their_products_are_called() -> None:
    product, package = str(uuid.uuid4()), str(uuid.uuid4())
    lead(Strategy.CHEAPEST, ("3", "USD"), None)
    for provider_id, cost in (("p0", Cost(Decimal(3), "USD")), ("p1", None)):
        route.add(product, package, provider_id, strategy=Strategy.CHEAPEST, cost=cost)
    with database.database.atomic() as undone:
        database.rows(
            f"ALTER TABLE product_orders {', '.join(f'ALTER {each} TYPE uuid USING NULL' for each in OWN)}"
        )
        database.rows(
            f"""INSERT INTO product_orders ({", ".join(OWN)}, "providerId", "externalStatus", "completedAt",
                "gatewayCostAmount", "gatewayCostCurrency")
            VALUES (%s, %s, 'p1', 'completed', now(), 2, 'USD')""",
            (product, package),
        )
        listed = [(each.product_id, each.provider_id) for each in route.every()]
        offered = [route.offers(each, package, tenant_id=None) for each in (product, "game")]
        undone.rollback()
    by_name = {
        name: [provider_id for each, provider_id in listed if each == name] for name in ("game", product)
    }
    assert by_name == {"game": ["p0", "p1"], product: ["p1", "p0"]}
    assert [[each.cost for each in offers] for offers in offered] == [[None, Decimal(3)], []]


def test_a_provider_s_routes_are_listed_among_those_for_the_same_orders() -> None:
    lead(Strategy.CHEAPEST, ("2", "USD"), ("1", "USD"), ("3", "USD"))
    route.add("game", "60", "p1", tenant_id=TENANT)
    route.add("game", "60", "p2", tenant_id=TENANT)
    route.add("game", "*", "p2")
    for provider_id in ("p0", "p1", "p2", "nobody"):
        every = route.every()
        own = [
            (each.product_id, each.package_id, each.tenant_id)
            for each in every
            if each.provider_id == provider_id
        ]
        expected = [each for each in every if (each.product_id, each.package_id, each.tenant_id) in own]
        assert route.beside(provider_id) == expected
    assert [each.provider_id for each in route.beside("p0")] == ["p1", "p0", "p2"]
