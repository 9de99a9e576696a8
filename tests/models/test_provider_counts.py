"""What goes wrong at providers, counted for an hour."""

from collections.abc import Iterator

import pytest

from models import provider_counts
from models.db import database
from models.provider_counts import Addition, Conflicts, Counted
from models.status import ExternalStatus
from tests import factories


@pytest.fixture(autouse=True)
def models(emptied_database_url: str) -> Iterator[None]:
    with factories.bound(emptied_database_url):
        yield


def add(count: int = 1, provider_id: str = "box", reason: str = "wrong") -> None:
    provider_counts.add([Addition(provider_id, Counted.CALLBACK_REFUSED, count, reason)])


def counted() -> dict[str, tuple[int, str]]:
    return {each.provider_id: (each.count, each.last_reason) for each in provider_counts.last_hour()}


def test_counts_add_up_and_the_last_reason_is_kept() -> None:
    add(2, reason="the first")
    add(3, reason="the last")
    add(1, "other")
    assert counted() == {"box": (5, "the last"), "other": (1, "wrong")}


def test_several_are_written_by_one_statement() -> None:
    provider_counts.add(
        [Addition("b", Counted.ORDER_REFUSED, 1, "x"), Addition("a", Counted.CALLBACK_REFUSED, 2, "y")]
    )
    found = {(each.provider_id, each.kind, each.count) for each in provider_counts.last_hour()}
    assert found == {("a", "callback_refused", 2), ("b", "order_refused", 1)}


def test_after_an_hour_nothing_is_left_and_the_row_is_used_again() -> None:
    add(7)
    database.rows("UPDATE referans.provider_counts SET began_at = began_at - interval '65 minutes'")
    assert counted() == {}
    add(2)
    assert counted() == {"box": (2, "wrong")}
    assert database.rows("SELECT count(*)::int AS n FROM referans.provider_counts") == [{"n": 1}]


def test_what_was_counted_within_the_hour_is_added_up() -> None:
    """A slot of another five minutes is a row of its own."""
    add(2)
    database.rows(
        "UPDATE referans.provider_counts SET began_at = began_at - interval '20 minutes', slot = (slot + 9) %% 13"
    )
    add(3)
    assert counted()["box"][0] == 5
    slots = [row["slot"] for row in database.rows("SELECT slot FROM referans.provider_counts")]
    assert len(slots) == 2 and set(slots) < set(range(provider_counts.SLOTS))


def test_a_reason_is_one_bounded_line() -> None:
    add(reason="a\x00\n\x1b[31m" + "b" * 1000)
    _, reason = counted()["box"]
    assert reason.startswith("a") and reason.isprintable()
    assert len(reason) == provider_counts.MAX_REASON


def test_conflicts_are_counted_by_provider() -> None:
    factories.add_provider()
    order = factories.sent()
    factories.settle(factories.arrival(order, ExternalStatus.COMPLETED, "PIN-1"))
    for pin in ("PIN-2", "PIN-3"):
        assert factories.settle(factories.arrival(order, ExternalStatus.COMPLETED, pin)) == ["conflict"]
    assert provider_counts.conflicts_last_hour() == [Conflicts("sandbox", 2, undecided=2)]
    database.rows("UPDATE referans.order_events SET at = at - interval '61 minutes'")
    assert provider_counts.conflicts_last_hour() == []
