"""Reconciliation on the page: a file in parts, what was found of it, and what is done about it."""

import base64
from decimal import Decimal
from typing import Any

import pytest

from gateway.fulfilment import reconciling
from models import statement
from models.db import database
from models.status import ExternalStatus
from tests import factories
from tests.gateway.web.ops.browser import Browser, seen

PATH = "/ops/reconcile"
REASON = "their list of May"


@pytest.fixture
def order(pool: object) -> dict[str, Any]:
    with database.session():
        found = factories.sent("<b>5123456789</b>")
        factories.settle(factories.arrival(found, ExternalStatus.COMPLETED, pin="PIN-1234-ABCD"))
        factories.put(found, gatewayCostAmount=Decimal("1.20"), gatewayCostCurrency="USD")
    return found


def statement_of(order: dict[str, Any]) -> str:
    lines = (
        "referans,player,amount",
        f"{order['provider_referans']},x,1.25",
        "999999999999999,<script>,5.00",
    )
    return "\n".join(lines)


def compare(statement_id: int) -> None:
    """What a worker does."""
    with database.session():
        content = statement.take(statement_id)
        assert content is not None
        reconciling.compare(statement_id, content, "UTC")


def as_text(content: str) -> str:
    return base64.urlsafe_b64encode(content.encode()).decode().rstrip("=")


def test_pasted_lines_are_compared_and_each_finding_says_what_to_do(
    operator: Browser, order: dict[str, Any]
) -> None:
    assert "Ask a provider for its statement" in seen(operator.get(PATH))
    answer = operator.post(PATH, provider="sandbox", pasted=statement_of(order))
    assert "It is being compared." in seen(answer)
    compare(1)
    answer = operator.get(f"{PATH}/1")
    text = seen(answer)
    for said in (
        "2 lines differ from our orders.",
        "They have it, we have not 1 5.00 0.00",
        "Another amount 1 1.25 USD 1.20 USD",
        "It was not bought by the gateway.",
        "999999999999999 line 3",
        f"{order['order_no']} line 2 1.25 ours 1.20 USD",
    ):
        assert said in text, (said, text)
    assert "<script>," not in answer.text
    assert "Another amount" in seen(operator.get(f"{PATH}/1", finding="cost"))
    assert "It was not bought" not in seen(operator.get(f"{PATH}/1", finding="cost"))
    assert "sandbox · pasted Compared" in seen(operator.get(PATH))


def test_their_costs_are_taken_with_a_reason(operator: Browser, order: dict[str, Any]) -> None:
    operator.get(PATH)
    operator.post(PATH, provider="sandbox", pasted=statement_of(order))
    compare(1)
    operator.get(f"{PATH}/1")
    assert operator.post(f"{PATH}/1", reason="…").status_code == 409
    assert "The cost of 1 order is theirs now." in seen(operator.post(f"{PATH}/1", reason=REASON))
    with database.session():
        assert factories.column(order, "gatewayCostAmount") == Decimal("1.25")
        [event] = database.rows("SELECT \"by\", message FROM referans.order_events WHERE source = 'operator'")
    assert event["by"] == "operator" and REASON in event["message"]


def test_a_file_comes_in_parts(operator: Browser, order: dict[str, Any]) -> None:
    operator.get(PATH)
    assert operator.post(PATH, provider="sandbox").status_code == 409
    assert "The file is not whole yet." in seen(operator.post(PATH, provider="sandbox", name="may.csv"))
    whole = statement_of(order)
    assert operator.post(f"{PATH}/1", part=0, content=as_text(whole[:30])).status_code == 204
    assert operator.post(f"{PATH}/1", parts=2).status_code == 409
    assert operator.post(f"{PATH}/1", part=1, content=as_text(whole[30:])).status_code == 204
    assert "It is being compared." in seen(operator.post(f"{PATH}/1", parts=2))
    assert operator.post(f"{PATH}/1", part=2, content="").status_code == 409
    compare(1)
    assert "2 lines differ" in seen(operator.get(f"{PATH}/1"))


@pytest.mark.parametrize(
    "fields", [{"part": "x"}, {"part": "5000"}, {"part": "0", "content": "é"}, {"part": "-1"}]
)
def test_a_part_that_cannot_be_read_is_refused(
    operator: Browser, pool: object, fields: dict[str, str]
) -> None:
    operator.get(PATH)
    operator.post(PATH, provider="sandbox", name="may.csv")
    assert operator.post(f"{PATH}/1", **{"content": "YQ", **fields}).status_code == 400


def test_a_file_that_is_too_large_is_refused(
    operator: Browser, pool: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.web.ops.reconcile.MAX_BYTES", 3)
    operator.get(PATH)
    operator.post(PATH, provider="sandbox", name="may.csv")
    assert operator.post(f"{PATH}/1", part=0, content="YWFhYQ").status_code == 413


def test_a_file_that_cannot_be_read_says_why(operator: Browser, pool: object) -> None:
    operator.get(PATH)
    operator.post(PATH, provider="sandbox", pasted="a,b\n1,2")
    with pytest.raises(reconciling.Unreadable):
        compare(1)
    assert "no column says which order a line is about" in seen(operator.get(f"{PATH}/1"))


def test_a_viewer_sees_and_changes_nothing(viewer: Browser, pool: object) -> None:
    viewer.get(PATH)
    assert viewer.post(PATH, provider="sandbox", pasted="referans\n1").status_code == 403
    assert viewer.get(f"{PATH}/7").status_code == 404
