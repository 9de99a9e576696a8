"""What the storefront is told of an order: written by the statement that makes it true, where there is a receiver."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from models import claims, plans
from models.codes import Code
from models.db import database, receiver
from models.outcome import Outcome
from models.status import ExternalStatus, Source
from tests import factories
from tests.factories import arrival, column, put, settle

COMPLETED, FAILED, PROCESSING, REVERSED = (
    ExternalStatus.COMPLETED,
    ExternalStatus.FAILED,
    ExternalStatus.PROCESSING,
    ExternalStatus.REVERSED,
)
OWN_URL = "https://Shop.example:8443/hooks/orders?from=referans"

pytestmark = pytest.mark.usefixtures("db")


@pytest.fixture
def with_default(db: None) -> Iterator[None]:
    """NOTIFY_URL is set."""
    receiver.bind(True)
    yield
    receiver.bind(False)


def told(order: dict[str, Any]) -> list[dict[str, Any]]:
    return database.rows(
        "SELECT * FROM referans.notifications WHERE order_id = %s ORDER BY id", (order["id"],)
    )


def types(order: dict[str, Any]) -> list[str]:
    return [each["type"].removeprefix("order.") for each in told(order)]


def resolved(order: dict[str, Any], status: ExternalStatus, pin: str | None = None) -> list[str]:
    """A person decides so."""
    return settle(
        arrival(
            order,
            status,
            pin,
            source=Source.OPERATOR,
            provider_id=None,
            order_id=order["id"],
            is_decision=True,
            by="ada",
        )
    )


#: What comes for an order that was sent, one after the other, and what is told of it.
STORIES: dict[str, tuple[list[Any], list[str]]] = {
    "completed": ([(COMPLETED, "PIN-ONE")], ["completed"]),
    "failed": ([(FAILED, None)], ["failed"]),
    "on its way": ([(PROCESSING, None)], []),
    "the same again": ([(COMPLETED, "PIN-ONE"), (COMPLETED, "PIN-ONE")], ["completed"]),
    "reversed": ([(COMPLETED, "PIN-ONE"), (REVERSED, None)], ["completed", "reversed"]),
    "a code that comes later": ([(COMPLETED, None), (COMPLETED, "PIN-ONE")], ["completed", "pin_updated"]),
    "a failure after the delivery": (
        [(COMPLETED, "PIN-ONE"), (FAILED, None)],
        ["completed", "attention"],
    ),
    "one more failure after the delivery": (
        [(COMPLETED, "PIN-ONE"), (FAILED, None), (FAILED, None)],
        ["completed", "attention"],
    ),
    "another code": ([(COMPLETED, "PIN-ONE"), (COMPLETED, "PIN-TWO")], ["completed", "attention"]),
    "a delivery after the failure": ([(FAILED, None), (COMPLETED, "PIN-ONE")], ["failed", "attention"]),
    "stale": ([(COMPLETED, "PIN-ONE"), (PROCESSING, None)], ["completed"]),
}


@pytest.mark.usefixtures("with_default")
@pytest.mark.parametrize("story", STORIES.values(), ids=STORIES.keys())
def test_what_changes_for_the_storefront_is_told_once(story: tuple[list[Any], list[str]]) -> None:
    arrivals, expected = story
    order = factories.sent()
    for status, pin in arrivals:
        settle(arrival(order, status, pin))
    assert types(order) == expected


@pytest.mark.usefixtures("with_default")
def test_what_a_person_decides_is_told_if_it_changes_the_end() -> None:
    order = factories.sent()
    resolved(order, FAILED)
    resolved(order, COMPLETED, "PIN-ONE")
    resolved(order, COMPLETED, "PIN-ONE")
    resolved(order, COMPLETED, "PIN-TWO")
    resolved(order, REVERSED)
    assert types(order) == ["failed", "completed", "pin_updated", "reversed"]


@pytest.mark.usefixtures("with_default")
def test_a_late_delivery_after_the_timeout_is_told() -> None:
    order = factories.sent()
    settle(arrival(order, FAILED))
    put(order, failureReason="timeout")
    settle(arrival(order, COMPLETED, "PIN-ONE"))
    assert types(order) == ["failed", "completed"]


@pytest.mark.usefixtures("with_default")
def test_that_no_code_came_is_told() -> None:
    order = factories.sent()
    settle(arrival(order, COMPLETED))
    put(order, expects="code", codeAsks=5)
    database.rows('UPDATE product_orders SET "nextCheckAt" = now() WHERE id = %s', (order["id"],))
    claims.claim_code_ask(order["id"], delays_seconds=[1.0], backoff_min_seconds=1.0, grace_seconds=1.0)
    assert (types(order), column(order, "attention")) == (["completed", "attention"], "no_code")


@pytest.mark.usefixtures("with_default")
def test_that_an_order_is_left_to_a_person_is_told_once() -> None:
    order = factories.sent()
    assert plans.leave_to_person(order["id"])
    plans.leave_to_person(order["id"])
    assert types(order) == ["attention"]


def test_without_a_receiver_nothing_is_written() -> None:
    order = factories.sent()
    settle(arrival(order, COMPLETED, "PIN-ONE"))
    plans.leave_to_person(order["id"])
    assert told(order) == []


def test_an_order_with_a_receiver_of_its_own_is_told_of_without_notify_url() -> None:
    order = factories.place(notify_url=OWN_URL)
    claims.claim_dispatch(order["id"], grace_seconds=60)
    settle(arrival(order, COMPLETED, "PIN-ONE"))
    [only] = told(order)
    assert (only["url"], only["receiver"]) == (OWN_URL, "https://shop.example:8443")


@pytest.mark.usefixtures("with_default")
def test_others_go_to_notify_url_whatever_it_will_be() -> None:
    order = factories.sent()
    settle(arrival(order, COMPLETED, "PIN-ONE"))
    [only] = told(order)
    assert (only["url"], only["receiver"]) == (None, "NOTIFY_URL")


@pytest.mark.usefixtures("with_default")
def test_the_order_is_kept_as_it_was_then_and_without_its_codes() -> None:
    order = factories.sent()
    settle(arrival(order, COMPLETED, "PIN-ONE"))
    settle(arrival(order, REVERSED))
    first, second = (each["payload"] for each in told(order))
    assert [first["external_status"], second["external_status"]] == ["completed", "reversed"]
    assert not first.keys() & {"pin_code", "codes"}
    assert "PIN-ONE" not in str(first)
    assert set(order) - set(first) == {"pin_code", "codes"}


@pytest.mark.usefixtures("with_default")
def test_nothing_is_told_that_is_not_committed() -> None:
    order = factories.sent()
    with pytest.raises(RuntimeError), database.database.atomic():
        settle(arrival(order, COMPLETED, "PIN-ONE"))
        raise RuntimeError
    assert told(order) == []


@pytest.mark.usefixtures("with_default")
def test_settling_says_whether_there_is_something_to_deliver() -> None:
    order = factories.sent()
    given = arrival(order, COMPLETED, "PIN-ONE")
    results = [
        factories.models_order.settle([given], order_timeout_seconds=factories.ORDER_TIMEOUT_SECONDS)[0].told
        for _ in range(2)
    ]
    assert results == [True, False]


@pytest.mark.parametrize("story", STORIES.values(), ids=STORIES.keys())
def test_where_nothing_can_be_told_the_same_becomes_of_an_order(
    story: tuple[list[Any], list[str]], db: None
) -> None:
    arrivals, _ = story
    ends = []
    for tells in (True, False):
        receiver.bind(True, tells=tells)
        order = factories.sent()
        results = [settle(arrival(order, status, pin)) for status, pin in arrivals]
        ends.append((results, column(order, "externalStatus"), column(order, "attention")))
        assert bool(told(order)) is (tells and ends[0][1] != "processing")
    receiver.bind(False)
    assert ends[0] == ends[1]


@pytest.mark.parametrize("tells", [True, False])
def test_what_a_protocol_says_becomes_the_same_where_nothing_can_be_told(tells: bool, db: None) -> None:
    part, lost, rerouted = factories.sent(), factories.sent(), factories.place()
    put(part, quantity=3)
    put(lost, attention="cannot_ask")
    claims.claim_dispatch(rerouted["id"], grace_seconds=60)
    put(rerouted, externalOrderId="of the first provider")
    delivered = Outcome(COMPLETED, part["provider_referans"], codes=(Code("PIN-ONE"),), is_partial=True)
    accepted = Outcome(ExternalStatus.SENT, rerouted["provider_referans"], "of the second")
    receiver.bind(True, tells=tells)
    settle(
        replace(arrival(part, COMPLETED), outcome=delivered),
        arrival(lost, PROCESSING),
        replace(arrival(rerouted, ExternalStatus.SENT, source=Source.DISPATCH), outcome=accepted),
    )
    receiver.bind(False)
    assert [column(each, "attention") for each in (part, lost)] == ["partial", None]
    assert column(rerouted, "externalOrderId") == "of the second"
    assert types(part) == (["completed"] if tells else [])
