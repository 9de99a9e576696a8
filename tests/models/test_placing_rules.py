"""Which orders are not placed: a reference or a player that was there already, too dear, too many, a field missing."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from decimal import Decimal
from typing import Any

import peewee
import psycopg2
import pytest

from gateway import providers
from models import choosing, idempotency, placing, route
from models.db import database
from models.placing import (
    MissingFields,
    Money,
    NewOrder,
    NoRoute,
    Placed,
    Placement,
    ReferenceUsed,
    Repeated,
    Result,
    SentTwice,
    TooExpensive,
    TooMany,
)
from models.route import Cost, Limit
from tests import factories
from tests.factories import OTHER_TENANT, TENANT
from tests.waiting import LOCK_WAITS, wait_until

#: Seconds.
GUARD = 60.0
#: Of the API key that orders are placed with.
KEY_ID = 10**12


@pytest.fixture(autouse=True)
def key(db: None) -> None:
    """The API key."""
    database.rows(
        "INSERT INTO referans.api_keys (id, name, prefix, digest, scopes) OVERRIDING SYSTEM VALUE"
        " VALUES (%s, 'shop', 'rk_', 'none', '{}')",
        (KEY_ID,),
    )


def wanted(
    user: str | None = "ali", tenant_id: str | None = None, key: str | None = None, **fields: Any
) -> Placement:
    package = fields.pop("package", "60")
    return Placement(NewOrder("game", package, user, **fields), KEY_ID, "shop", tenant_id, key)


def place(*placements: Placement, guard: float = 0.0) -> list[Result]:
    """What became of each, as the web places them."""

    def once() -> list[Result]:
        with placing.place(
            placements, wake_seconds=60, guard_seconds=guard, terms=providers.terms(), impatient=True
        ) as placed:
            return placed

    return placing.with_fresh_references(once)


def first(result: Result) -> str:
    """The id of a placed order."""
    assert isinstance(result, Placed) and result.is_new, result
    return result.order.id


def count() -> int:
    return int(database.rows("SELECT count(*)::int AS n FROM product_orders")[0]["n"])


# --- references


def test_a_reference_is_used_once() -> None:
    [placed] = place(wanted(reference="CART-1"))
    [again] = place(wanted("veli", reference="CART-1"))
    assert isinstance(again, ReferenceUsed) and again.order_id == first(placed)
    assert count() == 1


def test_a_reference_twice_at_once_is_one_order() -> None:
    found = place(
        *(wanted(f"p{n}", reference="CART-1") for n in range(5)), wanted("other", reference="CART-2")
    )
    ids = [each.order_id for each in found[1:5] if isinstance(each, ReferenceUsed)]
    assert ids == [first(found[0])] * 4
    assert first(found[5])
    assert count() == 2


def test_a_reference_that_was_not_used_after_all_is_free_for_the_next_of_the_same_batch() -> None:
    database.rows("DELETE FROM referans.routes")
    route.add("game", "61", factories.SANDBOX, {})
    refused, placed, again = place(
        wanted(reference="CART-1"),
        wanted(reference="CART-1", package="61"),
        wanted(reference="CART-1", package="61"),
    )
    assert isinstance(refused, NoRoute)
    assert isinstance(again, ReferenceUsed) and again.order_id == first(placed)


def test_a_used_reference_is_told_before_anything_else_is_looked_at() -> None:
    [placed] = place(wanted(reference="CART-1"))
    database.rows("DELETE FROM referans.routes")
    [again] = place(wanted(reference="CART-1"))
    assert isinstance(again, ReferenceUsed) and again.order_id == first(placed)


@pytest.mark.parametrize("order_of", [None, TENANT])
def test_each_tenant_has_its_own_references_and_so_have_keys_of_none(order_of: str | None) -> None:
    tenants = [None, TENANT, OTHER_TENANT]
    ids = [first(place(wanted(tenant_id=each, reference="CART-1"))[0]) for each in tenants]
    [again] = place(wanted(tenant_id=order_of, reference="CART-1"))
    assert isinstance(again, ReferenceUsed) and again.order_id == ids[tenants.index(order_of)]


def test_a_reference_of_another_system_is_used_too_and_the_oldest_is_named() -> None:
    """Its rows may even have the same one twice."""
    theirs = [factories.place(f"p{n}") for n in range(2)]
    for order in theirs:
        factories.put(order, orderUuid="CART-1", placedByGateway=None, routeParams=None)
    factories.age(theirs[1], 60)
    [refused] = place(wanted(reference="CART-1"))
    assert isinstance(refused, ReferenceUsed) and refused.order_id == theirs[1]["id"]


@contextmanager
def not_committed(database_url: str, *insert: str) -> Iterator[Callable[[], None]]:
    """Another process has run this and not committed it yet; what is yielded commits it."""
    with closing(psycopg2.connect(database_url)) as other:
        cursor = other.cursor()
        for each in insert:
            cursor.execute(each)
        yield other.commit


OURS = """
INSERT INTO product_orders (id, "placedByGateway", "orderUuid", "productId", "packageId", "userIdentifier")
VALUES ('{id}', true, {reference}, 'game', '60', 'ali')
"""


def while_another_places(commit: Callable[[], None], placement: Placement, guard: float = 0.0) -> Result:
    """What becomes of a placement that waits for the other process; patient, as it is placed alone."""

    def once() -> list[Result]:
        with placing.place([placement], wake_seconds=60, guard_seconds=guard) as placed:
            return placed

    def ours() -> list[Result]:
        with database.session():
            return placing.with_fresh_references(once)

    with ThreadPoolExecutor(1) as thread:
        placing_ours = thread.submit(ours)
        wait_until(lambda: database.rows(LOCK_WAITS), what="our order to wait for the other")
        commit()
        [result] = placing_ours.result(20)
    return result


def test_two_processes_place_one_reference_once(database_url: str) -> None:
    theirs = OURS.format(id=factories.NO_ORDER, reference="'CART-1'")
    with not_committed(database_url, theirs) as commit:
        result = while_another_places(commit, wanted("veli", reference="CART-1"))
    assert isinstance(result, ReferenceUsed) and result.order_id == factories.NO_ORDER
    assert count() == 1


def test_a_batch_does_not_wait_long_for_a_reference(database_url: str) -> None:
    theirs = OURS.format(id=factories.NO_ORDER, reference="'CART-1'")
    with not_committed(database_url, theirs), pytest.raises(peewee.OperationalError) as raised:
        place(wanted("veli", reference="CART-1"))
    assert database.sqlstate(raised.value) == database.LOCK_NOT_AVAILABLE
    assert count() == 0


def test_a_repeated_idempotency_key_is_answered_whatever_became_of_the_reference() -> None:
    once = wanted(reference="CART-1", key="k")
    with placing.place([once], wake_seconds=60) as [placed]:
        assert once.key
        idempotency.keep([(once.key, f'{{"id": "{first(placed)}"}}')])
    [again] = place(once)
    assert again == Repeated(f'{{"id": "{first(placed)}"}}')
    same, other = place(wanted(reference="CART-9", key="k"), wanted(reference="CART-9", key="l"))
    assert type(same).__name__ == "KeyReused"
    assert first(other)


def test_a_retry_at_the_same_instant_is_the_same_order() -> None:
    once = wanted(reference="CART-1", key="k")
    placed, again = place(once, once)
    assert again == Placed(placed.order, is_new=False) if isinstance(placed, Placed) else False


# --- the same order sent twice


def test_a_player_gets_the_same_package_once_within_the_guard() -> None:
    [placed] = place(wanted(), guard=GUARD)
    [again] = place(wanted(quantity=1, extra_field="other"), guard=GUARD)
    assert isinstance(again, SentTwice) and again.order_id == first(placed)


@pytest.mark.parametrize(
    "other",
    [
        wanted("veli"),
        wanted(package="61"),
        wanted(tenant_id=TENANT),
        wanted(allow_repeat=True),
    ],
    ids=["another player", "another package", "another tenant", "allowed"],
)
def test_what_is_not_the_same_is_placed(other: Placement) -> None:
    place(wanted(), guard=GUARD)
    assert first(place(other, guard=GUARD)[0])


def test_a_batch_that_takes_turns_is_one_commit() -> None:
    """If a later turn fails, what an earlier one has placed must not be there when all are placed again."""
    draws = iter(["100000000000001", "100000000000001", "100000000000002", "100000000000003"])

    def once() -> list[Result]:
        same = [wanted(allow_repeat=True), wanted(allow_repeat=True)]
        with placing.place(same, wake_seconds=60, guard_seconds=GUARD, draw=draws.__next__) as placed:
            return placed

    assert [first(one) for one in placing.with_fresh_references(once)]
    assert count() == 2


@pytest.mark.parametrize("user", [None, ""])
def test_orders_without_a_player_are_never_the_same(user: str | None) -> None:
    assert [first(one) for one in place(wanted(user), wanted(user), guard=GUARD)]


def test_without_the_guard_everything_is_placed() -> None:
    assert [first(one) for one in place(wanted(), wanted())]


def test_after_the_guard_the_same_is_placed() -> None:
    [placed] = place(wanted(), guard=GUARD)
    factories.age({"id": first(placed)}, GUARD + 1)
    database.rows("DELETE FROM referans.repeat_guards")  # which time does: each has a key for its time
    assert first(place(wanted(), guard=GUARD)[0])


def test_of_several_at_once_one_is_placed() -> None:
    found = place(*(wanted() for _ in range(4)), wanted(allow_repeat=True), wanted("veli"), guard=GUARD)
    placed = [first(found[n]) for n in (0, 4, 5)]
    assert [each.order_id for each in found[1:4] if isinstance(each, SentTwice)] == [placed[0]] * 3
    assert count() == 3


def test_two_processes_place_the_same_once(database_url: str) -> None:
    """The other process has stored the order and its guard, and has not committed yet."""
    [seen] = place(wanted("veli"), guard=GUARD)
    parameters = "game", "60", "ali", GUARD
    guard = """
    INSERT INTO referans.repeat_guards (key, until)
    SELECT md5(ROW(NULL::uuid, '{}'::text, '{}'::text, '{}'::text, {}::float8, half,
        floor(EXTRACT(EPOCH FROM now())::float8 / {}::float8 + half / 2.0))::text)::uuid, now() + interval '1 min'
    FROM (VALUES (0), (1)) AS parts (half)
    """.format(*parameters, GUARD)
    theirs = OURS.format(id=factories.NO_ORDER, reference="NULL")
    with not_committed(database_url, theirs, guard) as commit:
        result = while_another_places(commit, wanted(), guard=GUARD)
    assert isinstance(result, SentTwice) and result.order_id == factories.NO_ORDER
    assert count() == 2 and seen


def test_guards_that_are_over_are_forgotten() -> None:
    place(wanted(), guard=GUARD)
    assert placing.forget_guards(10) == 0
    database.rows("UPDATE referans.repeat_guards SET until = now() - interval '2 min'")
    assert placing.forget_guards(10) == 2


# --- cost


def costs(**by_provider: tuple[str, str] | None) -> None:
    """A route to each provider, in their order, with what it costs."""
    for provider_id in by_provider:
        factories.add_provider(provider_id, "", adapter="manual", callback="none", credentials={})
    database.rows("DELETE FROM referans.routes")
    for provider_id, cost in by_provider.items():
        known = Cost(Decimal(cost[0]), cost[1]) if cost else None
        route.add("game", "60", provider_id, {}, cost=known)


def limited(amount: str, currency: str = "TRY", **fields: Any) -> Placement:
    return wanted(max_cost=Money(Decimal(amount), currency), **fields)


def test_a_dearer_provider_is_passed_over() -> None:
    costs(dear=("30", "TRY"), unknown=None, foreign=("1", "USD"), cheap=("9.99", "TRY"))
    [placed] = place(limited("10"))
    assert isinstance(placed, Placed) and placed.order.provider_id == "cheap"
    [refused] = place(limited("9.98"))
    assert isinstance(refused, TooExpensive)


def test_of_several_items_all_together_count() -> None:
    costs(person=("5", "TRY"))
    assert [type(one).__name__ for one in place(limited("10", quantity=2), limited("9.99", quantity=2))] == [
        "Placed",
        "TooExpensive",
    ]


@pytest.mark.parametrize("cost", [None, ("1", "USD")])
def test_a_cost_that_is_not_known_is_too_much(cost: tuple[str, str] | None) -> None:
    costs(only=cost)
    [refused] = place(limited("1000000"))
    assert isinstance(refused, TooExpensive)


def test_a_package_without_a_route_is_not_called_too_expensive() -> None:
    costs()
    [refused] = place(limited("1"))
    assert isinstance(refused, NoRoute)


def test_rerouting_picks_only_what_the_order_may_cost() -> None:
    costs(dear=("30", "TRY"), unknown=None, cheap=("9.99", "TRY"))

    def following(limit: Limit | None) -> list[str]:
        tried: list[str] = []
        while found := choosing.next_for("game", "60", tried, tenant_id=None, limit=limit):
            tried.append(found.provider_id)
        return tried

    assert following(Limit(Decimal(10), "TRY", 1)) == ["cheap"]
    assert following(Limit(Decimal(10), "TRY", 2)) == []
    assert following(Limit(Decimal(30), "TRY", 1)) == ["dear", "cheap"]
    assert following(None) == ["dear", "unknown", "cheap"]


# --- quantity and fields


def test_more_than_the_provider_takes_at_once_is_refused_at_once() -> None:
    [refused] = place(wanted(quantity=2))
    assert isinstance(refused, TooMany) and refused.most == 1
    assert count() == 0


def test_another_provider_may_take_as_many() -> None:
    factories.add_provider("shelf", "", adapter="stock", callback="none", credentials={})
    [placed] = place(wanted(quantity=2))
    assert isinstance(placed, Placed) and placed.order.provider_id == "shelf"


MAP = {"oyuncu_bilgi": "{userIdentifier} {zone} {server?}", "musteri_tel": "{phone}"}


@pytest.mark.parametrize(
    ("user", "fields", "missing"),
    [
        ("ali", {}, ["zone"]),
        (None, {}, ["userIdentifier", "zone"]),
        ("ali", {"zone": " "}, ["zone"]),
        ("", {"zone": "7"}, ["userIdentifier"]),
        ("ali", {"zone": "7"}, []),
        ("ali", {"zone": "7", "server": "EU", "phone": "1", "other": "x"}, []),
    ],
)
def test_what_the_route_needs_must_be_there(
    user: str | None, fields: dict[str, str], missing: list[str]
) -> None:
    route.add("game", "60", factories.SANDBOX, {}, field_map=MAP)
    [result] = place(wanted(user, fields=fields))
    if missing:
        assert isinstance(result, MissingFields) and sorted(result.names) == missing
    else:
        assert factories.column({"id": first(result)}, "inputFields") == fields
    assert count() == (0 if missing else 1)


def test_bad_orders_do_not_spoil_those_that_arrive_with_them() -> None:
    good, *others = place(
        wanted("ali", key="k", reference="CART-1"),
        wanted("veli", quantity=2),
        limited("1", user="can"),
        wanted("cem", key="l", package="60"),
    )
    assert first(good) and first(others[-1])
    assert [type(one).__name__ for one in others[:2]] == ["TooMany", "TooExpensive"]
