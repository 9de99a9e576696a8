"""Why an order needs a person, for how long, and what stays of its codes."""

from typing import Any

import pytest

from models import order as orders
from models.codes import Code
from models.outcome import Outcome
from models.status import ExternalStatus
from tests import factories
from tests.factories import arrival, column, put, settle

COMPLETED, FAILED, PROCESSING, REVERSED = (
    ExternalStatus.COMPLETED,
    ExternalStatus.FAILED,
    ExternalStatus.PROCESSING,
    ExternalStatus.REVERSED,
)

pytestmark = pytest.mark.usefixtures("db")


@pytest.fixture
def delivered() -> dict[str, Any]:
    order = factories.sent()
    settle(arrival(order, COMPLETED, "PIN-ONE"))
    return order


def attention(order: dict[str, Any]) -> tuple[str | None, bool]:
    """Which, and whether it says since when."""
    return column(order, "attention"), column(order, "attentionAt") is not None


def bring(order: dict[str, Any], *codes: Code) -> list[Any]:
    made = arrival(order, COMPLETED)
    outcome = Outcome(COMPLETED, order["provider_referans"], codes=codes)
    return settle(type(made)(made.provider_id, made.source, outcome, dedupe_key=made.dedupe_key, raw="{}"))


def test_what_goes_well_needs_nobody(delivered: dict[str, Any]) -> None:
    assert attention(delivered) == (None, False)


def test_a_failure_after_the_delivery_needs_a_person(delivered: dict[str, Any]) -> None:
    assert settle(arrival(delivered, FAILED)) == ["conflict"]
    assert attention(delivered) == ("conflict", True)


def test_a_reversal_needs_a_person(delivered: dict[str, Any]) -> None:
    assert settle(arrival(delivered, REVERSED)) == ["applied"]
    assert attention(delivered) == ("reversed", True)


def test_a_conflict_outweighs_a_reversal_that_comes_after_it(delivered: dict[str, Any]) -> None:
    assert settle(arrival(delivered, FAILED)) == ["conflict"]
    assert settle(arrival(delivered, REVERSED)) == ["applied"]
    assert (column(delivered, "externalStatus"), *attention(delivered)) == ("reversed", "conflict", True)


@pytest.mark.parametrize("then", [FAILED, REVERSED, PROCESSING])
def test_a_reversal_stays_whatever_comes_after_it(delivered: dict[str, Any], then: ExternalStatus) -> None:
    settle(arrival(delivered, REVERSED))
    since = column(delivered, "attentionAt")
    settle(arrival(delivered, then))
    assert (column(delivered, "attention"), column(delivered, "attentionAt")) == ("reversed", since)


def test_a_missing_code_stays_a_reason_until_the_code_is_there() -> None:
    order = factories.sent()
    settle(arrival(order, COMPLETED))
    put(order, attention="no_code")
    settle(arrival(order, COMPLETED))
    assert column(order, "attention") == "no_code"
    settle(arrival(order, COMPLETED, "PIN-ONE"))
    assert column(order, "attention") is None


def test_the_time_of_a_delivery_stays_when_it_is_taken_back(delivered: dict[str, Any]) -> None:
    times = column(delivered, "completedAt"), column(delivered, "durationMs")
    settle(arrival(delivered, REVERSED))
    assert (column(delivered, "completedAt"), column(delivered, "durationMs")) == times
    assert column(delivered, "reversedAt") is not None


def test_further_codes_come_behind_those_that_are_there() -> None:
    order = factories.sent()
    put(order, quantity=4)
    one, two, three, four = (Code(name) for name in ("C-1", "C-2", "C-3", "C-4"))
    assert bring(order, two, one) == ["applied"]
    first = column(order, "pinCode")
    assert bring(order, four, one, three, two) == ["applied"]
    found = orders.find(order["id"])
    assert found is not None
    assert orders.codes_of(found) == [two, one, four, three]
    assert column(order, "pinCode") == first


def test_a_serial_that_comes_later_leaves_the_order_of_the_codes() -> None:
    order = factories.sent()
    put(order, quantity=2)
    assert bring(order, Code("C-1"), Code("C-2")) == ["applied"]
    assert bring(order, Code("C-2", serial="S-2"), Code("C-1", serial="S-1")) == ["applied"]
    assert bring(order, Code("C-2", serial="S-2"), Code("C-1", serial="S-1")) == ["duplicate"]
    found = orders.find(order["id"])
    assert found is not None
    assert orders.codes_of(found) == [Code("C-1", serial="S-1"), Code("C-2", serial="S-2")]
