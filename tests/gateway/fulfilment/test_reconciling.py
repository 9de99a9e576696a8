"""Reconciliation: what they have and we have not, the other way round, and what differs."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from gateway import outbound
from gateway.fulfilment import reconciling, sweeping
from gateway.fulfilment.statements import Options, Unreadable
from gateway.fulfilment.worker import RECONCILE, Worker
from gateway.settings import load
from models import statement
from models.db import database
from models.statement import Finding
from models.status import ExternalStatus
from tests import factories
from tests.gateway.fulfilment.test_bulk import Heard

AT = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=5)
COST = Decimal("1.20")

pytestmark = pytest.mark.usefixtures("db")


def bought(number: int, status: ExternalStatus = ExternalStatus.COMPLETED, **columns: Any) -> dict[str, Any]:
    """An order that was sent `number` minutes after AT."""
    order = factories.sent(f"player-{number}")
    if status is not ExternalStatus.SENT:
        factories.settle(factories.arrival(order, status, pin="P-1" if status == "completed" else None))
    at = AT + timedelta(minutes=number)
    given = {"gatewayCostAmount": COST, "gatewayCostCurrency": "USD", "externalOrderId": f"K-{number}"}
    factories.put(order, createdAt=at, sentAt=at, **given | columns)
    return order


def compared(*rows: str, header: str = "referans,order id,amount,currency,status") -> int:
    content = "\n".join([header, *rows]).encode()
    statement_id = statement.begin(factories.SANDBOX, "may.csv", "rana", {})
    reconciling.compare(statement_id, content, "UTC")
    return statement_id


def findings(statement_id: int) -> list[str]:
    rows = database.rows(
        "SELECT finding FROM referans.statement_lines WHERE statement_id = %s ORDER BY line < 0, line",
        (statement_id,),
    )
    return [row["finding"] for row in rows]


def row(order: dict[str, Any], amount: str = "1.20", status: str = "completed", currency: str = "USD") -> str:
    return f"{order['provider_referans']},,{amount},{currency},{status}"


def test_what_agrees_is_ok_and_what_differs_is_named() -> None:
    fine, dearer, refused, taken_back = (bought(n) for n in range(4))
    failed = bought(4, ExternalStatus.FAILED)
    bought(2.5)  # type: ignore[arg-type]  # between the others, and not in the statement
    statement_id = compared(
        row(fine),
        row(dearer, "1.25"),
        row(refused, status="cancelled"),
        row(taken_back, currency="TRY"),
        row(failed),
        "999999999999999,,5.00,USD,completed",
        "999999999999998,,5.00,USD,failed",
        row(fine),
    )
    assert findings(statement_id) == [
        "ok",
        "cost",
        "state",
        "cost",
        "state",
        "unknown",
        "ok",
        "twice",
        "missing",
    ]
    found = statement.find(statement_id)
    assert found and (found.state, found.lines) == ("done", 8)
    money = {
        each.finding: (each.count, each.amount, each.cost)
        for each in statement.summary(statement_id)
        if each.currency == "USD"
    }
    assert money["unknown"] == (1, Decimal("5.00"), 0)
    assert money["missing"] == (1, 0, COST)


def test_a_charge_and_its_refund_agree_with_an_order_that_failed_and_with_one_that_was_bought_again() -> None:
    again = bought(1)
    assert findings(compared(row(again, status="refunded"), row(again))) == ["ok", "ok"]
    failed = bought(2, ExternalStatus.FAILED)
    assert findings(compared(row(failed, status="failed"))) == ["ok"]


def test_lines_are_matched_by_our_reference_or_their_number_also_former_ones() -> None:
    order = bought(1)
    assert findings(compared(",K-1,1.20,USD,completed")) == ["ok"]
    assert findings(compared(",K-2,1.20,USD,completed")) == ["unknown"]
    former = bought(3)
    database.rows(
        "INSERT INTO referans.former_references (referans, provider_id, order_id) VALUES ('700000000000000', %s, %s)",
        (factories.SANDBOX, former["id"]),
    )
    assert findings(compared("700000000000000,,1.20,USD,completed")) == ["state"]
    factories.put(order, providerId="other", triedProviders=[factories.SANDBOX])
    assert findings(compared(row(order))) == ["state"]  # it refused the order, and took money for it
    assert findings(compared(row(order, status="failed"))) == ["ok"]


@pytest.mark.parametrize(
    ("minutes", "amount", "player", "finding"),
    [
        (3, "1.2", "player-1", "ok"),
        (30, "1.2", "player-1", "unknown"),
        (3, "1.3", "player-1", "unknown"),
        (3, "1.2", "x", "unknown"),
    ],
)
def test_a_line_without_a_number_is_matched_by_player_amount_and_time(
    minutes: int, amount: str, player: str, finding: str
) -> None:
    bought(1)
    at = AT + timedelta(minutes=minutes)
    [found] = findings(compared(f"{player},{amount},{at.isoformat()}", header="player,amount,time"))[:1]
    assert found == finding


def test_orders_alike_are_matched_one_by_one() -> None:
    at = AT + timedelta(minutes=1)
    for _ in range(3):
        factories.put(bought(1), createdAt=at, sentAt=at)
    lines = [f"player-1,1.2,{at.isoformat()}"] * 4
    assert findings(compared(*lines, header="player,amount,time")) == ["ok", "ok", "ok", "unknown"]


@pytest.mark.parametrize(
    ("status", "amounts", "found"),
    [
        (ExternalStatus.COMPLETED, ["-1.20"], ["ok"]),
        (ExternalStatus.COMPLETED, ["-1.20", "1.20"], ["ok", "state"]),
        (ExternalStatus.COMPLETED, ["-1.20", "1.20", "-1.20"], ["ok", "ok", "ok"]),
        (ExternalStatus.FAILED, ["-1.20"], ["state"]),
        (ExternalStatus.SENT, ["-1.20"], ["ok"]),
        (ExternalStatus.FAILED, ["-1.20", "1.20"], ["ok", "ok"]),
    ],
)
def test_money_that_was_taken_and_given_back(
    status: ExternalStatus, amounts: list[str], found: list[str]
) -> None:
    """The sign of most amounts is that of what they take; there is no column for the state."""
    order, others = bought(1, status), [bought(2), bought(3)]
    rows = [f"{order['provider_referans']},{each}" for each in amounts]
    rows += [f"{each['provider_referans']},-1.20" for each in others]
    assert findings(compared(*rows, header="referans,amount"))[: len(amounts)] == found


def test_a_line_with_a_number_of_its_own_is_not_matched_by_its_player() -> None:
    """It may have been bought by hand, for the same player."""
    bought(1)
    at = (AT + timedelta(minutes=2)).isoformat()
    line = f"999999999999999,player-1,1.2,{at}"
    assert findings(compared(line, header="referans,player,amount,time")) == ["unknown"]


def test_each_order_is_matched_once_by_player() -> None:
    bought(1)
    at = (AT + timedelta(minutes=2)).isoformat()
    assert findings(compared(f"player-1,1.2,{at}", f"player-1,1.2,{at}", header="player,amount,time")) == [
        "ok",
        "unknown",
    ]


def test_only_the_time_of_the_statement_is_looked_at() -> None:
    first, _, last = bought(10), bought(15), bought(20)
    bought(9)
    bought(21)
    assert findings(compared(row(first), row(last))) == ["ok", "ok", "missing"]


def test_their_costs_are_taken_with_name_and_reason() -> None:
    order, other = bought(1), bought(2)
    statement_id = compared(row(order, "1.255"), row(other))
    assert statement.take_costs(statement_id, "rana", "their list of May") == 1
    assert factories.column(order, "gatewayCostAmount") == Decimal("1.255")
    assert factories.column(other, "gatewayCostAmount") == COST
    [event] = database.rows("SELECT \"by\", message FROM referans.order_events WHERE source = 'operator'")
    assert (event["by"], event["message"]) == (
        "rana",
        f"cost 1.20 → 1.255, as statement {statement_id} says: their list of May",
    )
    assert findings(statement_id) == ["ok", "ok"]
    assert statement.take_costs(statement_id, "rana", "again") == 0


def test_pages_of_lines_follow_each_other() -> None:
    statement_id = compared(*(f"99999999999999{n},,1,USD,ok" for n in range(5)))
    first = statement.found(statement_id, Finding.UNKNOWN, 2)
    assert [each.line for each in first] == [2, 3]
    assert [each.line for each in statement.found(statement_id, Finding.UNKNOWN, 5, first[-1].line)] == [
        4,
        5,
        6,
    ]


def test_what_cannot_be_read_is_kept_with_its_reason() -> None:
    with pytest.raises(Unreadable):
        compared("1", header="nothing")
    [found] = statement.newest(5)
    assert found.state == "failed" and found.error and found.error.startswith("no column says")


def test_how_a_statement_was_read_is_remembered() -> None:
    options = Options(number="Nr", kinds={"bitti": "completed"})
    statement_id = statement.begin(factories.SANDBOX, "a.csv", "rana", reconciling.as_kept(options))
    reconciling.compare(statement_id, b"Nr,durum\nK-1,bitti\n", "UTC")
    known = reconciling.options_of(statement.remembered(factories.SANDBOX) | {"of a later version": 1})
    assert known == options
    assert Options(amount="x").over(known) == Options(number="Nr", amount="x", kinds={"bitti": "completed"})


class TestUploads:
    @pytest.fixture
    def heard(self) -> Heard:
        return Heard()

    @pytest.fixture
    def worker(self, heard: Heard) -> Worker:
        permits: Any = None  # no provider is called
        hints: Any = heard
        return Worker(load({}, require=()), outbound.Client(), permits, hints)

    def upload(self, *parts: bytes) -> int:
        statement_id = statement.begin(factories.SANDBOX, "a.csv", "rana", {}, "uploading")
        for number, part in enumerate(parts):
            assert statement.keep_part(statement_id, number, part)
        return statement_id

    def test_one_is_compared_once_it_is_whole(self, worker: Worker) -> None:
        order = bought(1)
        statement_id = self.upload(b"referans,amount\n", f"{order['provider_referans']},1.20".encode())
        assert not statement.uploaded(statement_id, 3)
        reconciling.work(worker, str(statement_id))
        assert findings(statement_id) == []
        assert statement.uploaded(statement_id, 2)
        assert not statement.keep_part(statement_id, 2, b"too late")
        reconciling.work(worker, str(statement_id))
        assert findings(statement_id) == ["ok"]
        assert statement.parts_bytes(statement_id) == 0
        reconciling.work(worker, str(statement_id))
        assert findings(statement_id) == ["ok"]

    def test_one_whose_worker_was_killed_begins_anew(self, worker: Worker, heard: Heard) -> None:
        statement_id = self.upload(b"referans\n1\n")
        statement.uploaded(statement_id, 1)
        assert statement.take(statement_id)
        statement.add(statement_id, [])
        reconciling.work(worker, str(statement_id))  # another one is still at it
        assert findings(statement_id) == []
        database.rows("UPDATE referans.statements SET worked_at = now() - interval '3 minutes'")
        list(reconciling.go_on(worker))
        assert heard.sent == [(RECONCILE, str(statement_id))]
        reconciling.work(worker, str(statement_id))
        assert findings(statement_id) == ["unknown"]
        assert "statements_continued" in sweeping.STEPS

    def test_one_of_long_ago_is_forgotten_with_its_lines(self, worker: Worker) -> None:
        statement_id = compared(row(bought(1)))
        list(reconciling.go_on(worker))
        assert findings(statement_id) == ["ok"]
        database.rows("UPDATE referans.statements SET ended_at = now() - interval '461 days'")
        list(reconciling.go_on(worker))
        assert statement.find(statement_id) is None and findings(statement_id) == []

    def test_one_that_is_never_finished_is_forgotten(self, worker: Worker) -> None:
        statement_id = self.upload(b"x")
        database.rows("UPDATE referans.statements SET created_at = now() - interval '2 days'")
        list(reconciling.go_on(worker))
        assert statement.find(statement_id) is None
