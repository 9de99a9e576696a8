"""Orders that come at once are placed in one statement, and each gets what it would have got alone."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import peewee
import psycopg2
import pytest

from models import api_key, claims, idempotency, order, placing, route, timeline, unsent
from models.api_key import Scope
from models.db import database
from models.placing import KeyReused, NewOrder, NoRoute, Placed, Placement, Repeated, Result
from models.status import ExternalStatus
from tests import factories
from tests.waiting import LOCK_WAITS, wait_until

pytestmark = pytest.mark.usefixtures("db")


@pytest.fixture
def key_id(db: None) -> int:
    """An API key."""
    known = api_key.find(api_key.create("shop", [Scope.ORDERS_WRITE]))
    assert known
    return known.id


def place(*placements: Placement) -> list[Result]:
    """Place, and keep an answer under each key, as the web does."""
    with placing.place(placements, wake_seconds=60) as placed:
        results = list(zip(placements, placed, strict=True))
        new = [(placement.key, one) for placement, one in results if isinstance(one, Placed) and one.is_new]
        idempotency.keep([(key, answer(one)) for key, one in new if key])
    return placed


def answer(placed: Result) -> str:
    assert isinstance(placed, Placed)
    return f'{{"id": "{placed.order.id}", "user": "{placed.order.user_identifier}"}}'


def wanted(user: str, key_id: int = 0, key: str | None = None, package: str = "60") -> Placement:
    return Placement(NewOrder("game", package, user), key_id, "shop", None, key)


def users() -> list[str]:
    found = database.rows('SELECT "userIdentifier" AS name FROM product_orders ORDER BY "orderNo"')
    return [row["name"] for row in found]


def test_each_gets_its_own_answer(key_id: int) -> None:
    names = ["ali", 've"li', "a,b", "{}", "NULL", "back\\slash", "şükrü 😀", "line\nbreak"]
    placed = place(*(wanted(name, key_id, f"k{n}" if n % 2 else None) for n, name in enumerate(names)))
    ids = [one.order.id for one in placed if isinstance(one, Placed) and one.is_new]
    found = [
        database.rows('SELECT "userIdentifier" AS u FROM product_orders WHERE id = %s', (i,)) for i in ids
    ]
    assert [row["u"] for [row] in found] == names == users()


def test_what_is_placed_stands_on_its_timeline() -> None:
    place(wanted("ali"), wanted("veli"))
    told = database.rows("SELECT order_id, source, message FROM referans.order_events")
    assert [(row["source"], row["message"]) for row in told] == [("api", "placed with key shop")] * 2
    assert len({row["order_id"] for row in told}) == 2


def test_one_key_twice_at_once_is_one_order(key_id: int) -> None:
    first, again, other = place(
        wanted("ali", key_id, "k"), wanted("ali", key_id, "k"), wanted("veli", key_id, "k")
    )
    assert isinstance(first, Placed) and first.is_new
    assert again == Placed(first.order, is_new=False)
    assert isinstance(other, KeyReused)
    assert users() == ["ali"]


def test_old_keys_and_new_orders_go_together(key_id: int) -> None:
    [first] = place(wanted("ali", key_id, "k"))
    new, again, unkeyed = place(
        wanted("veli", key_id, "l"), wanted("ali", key_id, "k"), wanted("ali", key_id)
    )
    assert again == Repeated(answer(first))
    assert [isinstance(one, Placed) and one.is_new for one in (new, unkeyed)] == [True, True]
    assert users() == ["ali", "veli", "ali"]


def test_an_order_without_a_route_uses_no_key_and_stops_no_other(key_id: int) -> None:
    database.rows("DELETE FROM referans.routes")
    route.add("game", "60", factories.SANDBOX, {})
    placed, refused = place(wanted("ali", key_id, "k"), wanted("veli", key_id, "l", package="61"))
    assert isinstance(placed, Placed) and isinstance(refused, NoRoute)
    route.add("game", "61", factories.SANDBOX, {})
    [now] = place(wanted("veli", key_id, "l", package="61"))
    assert isinstance(now, Placed) and now.is_new


def test_a_repetition_needs_no_route(key_id: int) -> None:
    [first] = place(wanted("ali", key_id, "k"))
    database.rows("DELETE FROM referans.routes")
    [again] = place(wanted("ali", key_id, "k"))
    assert again == Repeated(answer(first))


def test_where_products_are_uuids_another_text_leaves_nothing(database_url: str, key_id: int) -> None:
    for column in ("productId", "packageId"):
        database.rows(f'ALTER TABLE product_orders ALTER "{column}" TYPE uuid USING "{column}"::uuid')
    ids = (factories.NO_ORDER, factories.NO_ORDER)
    good = Placement(NewOrder(*ids, "ali"), key_id, "shop", None, "k")
    with pytest.raises(peewee.DataError):
        place(good, wanted("veli"))
    assert users() == []
    [placed] = place(good)
    assert isinstance(placed, Placed) and placed.is_new


def cancel(placed: dict[str, Any]) -> bool:
    return unsent.cancel(placed["id"], "shop", order_timeout_seconds=factories.ORDER_TIMEOUT_SECONDS)


def test_a_cancelled_order_was_never_sent() -> None:
    placed = factories.place()
    assert cancel(placed)

    found = order.find(placed["id"])
    assert found is not None
    assert (found.external_status, found.status, found.failure_reason) == ("failed", "rejected", "cancelled")
    assert found.last_message == "cancelled before it was sent"
    assert (found.sent_at, found.completed_at, found.last_sync_at) == (None, None, None)
    for name in ("claimedAt", "nextCheckAt"):
        assert factories.column(placed, name) is None
    [_, told] = timeline.events(placed["id"])
    assert (told.source, told.came_from, told.went_to, told.message) == (
        "api",
        "not_sent",
        "failed",
        "cancelled with key shop",
    )


def test_an_order_that_was_claimed_is_not_cancelled_and_nothing_is_recorded() -> None:
    placed = factories.place()
    assert claims.claim_dispatch(placed["id"], 60)
    before = order.find(placed["id"]), timeline.events(placed["id"])

    assert not cancel(placed)

    assert (order.find(placed["id"]), timeline.events(placed["id"])) == before


def test_an_order_that_has_no_provider_can_be_cancelled() -> None:
    placed = factories.place()
    factories.put(placed, providerId=None, nextCheckAt=None)
    assert cancel(placed)
    assert not cancel(placed)
    assert not cancel({"id": factories.NO_ORDER})


def test_two_batches_with_the_same_keys_do_not_wait_for_each_other(database_url: str, key_id: int) -> None:
    """The other one has `a` and then wants `z`; ours, which came with `z` in front, must not hold that already."""
    reserve = (
        "INSERT INTO referans.idempotency_keys (api_key_id, key, fingerprint, answer) VALUES (%s, %s, %s, %s)"
    )
    fingerprint = NewOrder("game", "60", "ali").fingerprint()

    def ours() -> list[Result]:
        with database.session():
            return place(wanted("ali", key_id, "z"), wanted("ali", key_id, "a"))

    with ThreadPoolExecutor(1) as thread, closing(psycopg2.connect(database_url)) as other:
        cursor = other.cursor()
        cursor.execute(reserve, (key_id, "a", fingerprint, '{"id": "a"}'))
        placing_ours = thread.submit(ours)
        wait_until(lambda: database.rows(LOCK_WAITS), what="our batch to wait for the other")
        cursor.execute(reserve, (key_id, "z", fingerprint, '{"id": "z"}'))
        other.commit()
        answers = placing_ours.result(20)
    assert answers == [Repeated('{"id": "z"}'), Repeated('{"id": "a"}')]


# --- references


def drawn(*references: str) -> Callable[[], str]:
    """Draws these references, one after the other."""
    return iter(references).__next__


def place_drawing(draw: Callable[[], str], users: Iterable[str] = ("ali",)) -> list[str]:
    """The references of orders that are placed with `draw`."""

    def once() -> list[Result]:
        with placing.place([wanted(user) for user in users], wake_seconds=60, draw=draw) as placed:
            return placed

    return [
        one.order.provider_referans or ""
        for one in placing.with_fresh_references(once)
        if isinstance(one, Placed)
    ]


def test_a_reference_survives_the_floats_of_javascript_and_php() -> None:
    references = [placing.new_referans() for _ in range(20_000)]
    assert len(set(references)) == len(references)
    for each in references:
        assert each.isascii() and each.isdecimal() and len(each) == 15 and each[0] != "0"
        assert int(each) < 2**53 and str(int(float(each))) == each == f"{float(each):.15g}"


def test_references_fill_their_whole_range() -> None:
    """So that one is not guessed, and a collision is rare."""
    firsts = {int(placing.new_referans()) // 10**13 for _ in range(5_000)}
    assert min(firsts) < 15 and max(firsts) > 94 and len(firsts) > 85


def test_a_reference_that_an_order_has_is_drawn_again() -> None:
    [first] = place_drawing(drawn("100000000000001"))
    [second] = place_drawing(drawn(first, first, "100000000000002"))
    assert (first, second) == ("100000000000001", "100000000000002")
    assert users() == ["ali", "ali"]


def test_two_of_a_batch_do_not_share_a_reference() -> None:
    same, other, third = "100000000000001", "100000000000002", "100000000000003"
    references = place_drawing(drawn(same, same, other, third), ["ali", "veli"])
    assert references == [other, third]
    assert users() == ["ali", "veli"]


def test_where_every_reference_is_taken_nothing_is_placed() -> None:
    place_drawing(drawn("100000000000001"))
    with pytest.raises(peewee.IntegrityError):
        place_drawing(lambda: "100000000000001")
    assert users() == ["ali"]


def test_another_fault_is_not_drawn_again(database_url: str) -> None:
    database.rows('ALTER TABLE product_orders ADD CONSTRAINT "noAli" CHECK ("userIdentifier" <> \'ali\')')
    with pytest.raises(peewee.IntegrityError):
        place_drawing(drawn("100000000000001"))


def test_references_are_unique_among_our_orders_only() -> None:
    """Orders of another system keep whatever references it gave them, and stand in nobody's way."""
    row = "INSERT INTO product_orders (provider_referans, \"userIdentifier\") VALUES (%s, 'theirs')"
    for _ in range(2):
        database.rows(row, ("100000000000001",))
    assert place_drawing(drawn("100000000000001")) == ["100000000000001"]
    assert users() == ["theirs", "theirs", "ali"]


def test_a_reference_of_18_digits_is_still_good() -> None:
    """Orders that an earlier version placed."""
    order = factories.sent()
    factories.put(order, provider_referans="482910573829105738")
    said = factories.arrival(order | {"provider_referans": "482910573829105738"}, ExternalStatus.COMPLETED)
    assert factories.settle(said) == ["applied"]
    assert factories.column(order, "externalStatus") == "completed"
