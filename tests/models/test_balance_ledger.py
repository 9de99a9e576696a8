"""The chain of balances in the database: histories of thousands of orders, and what the tables must not forget."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from models import balance_ledger, balances
from models.balance_chain import Followed
from models.db import database
from tests import factories
from tests.models import ledger_books
from tests.models.account import START, Foreign, moment
from tests.models.ledger_books import GRACE_SECONDS, SWEEP_SECONDS

SANDBOX = factories.SANDBOX
#: Kinds of purchases that are not ours, and which answers tell apart from everything else.
TOLD_APART = (Foreign.BUSY, Foreign.PAUSE, Foreign.BESIDE_LOST, Foreign.AFTER_REFUND)


@pytest.fixture(autouse=True)
def _provider(db: None) -> None:
    for name in ("created_at", "updated_at"):
        database.rows(f"UPDATE referans.providers SET {name} = %s", (START,))


@pytest.mark.parametrize("seed", [1, 5])
def test_what_is_all_ours_has_no_gap(seed: int) -> None:
    """Eight at a time, with lost answers, killed workers, orders sent again, refunds and deposits."""
    outcome = ledger_books.run(seed, orders=1000)
    assert (outcome.shown, outcome.lost) == ([], 0)


@pytest.mark.parametrize("foreign", TOLD_APART)
def test_a_purchase_that_is_not_ours_is_shown(foreign: Foreign) -> None:
    outcome = ledger_books.run(3, orders=600, foreign=foreign)
    assert outcome.seconds_to_show is not None and outcome.seconds_to_show > 0


def test_it_is_shown_by_the_next_sweep_after_the_sends_under_way_with_it() -> None:
    outcome = ledger_books.run(0, orders=600, foreign=Foreign.BUSY)
    assert outcome.seconds_to_show is not None
    assert outcome.seconds_to_show < SWEEP_SECONDS + 20 + balance_ledger.NEWS_SECONDS
    bought = -Decimal(outcome.history.foreign[0].amount).scaleb(-2)
    assert [shown.gap.amount for shown in outcome.shown] == [bought]


def told(amount: float | str) -> str:
    """As a panel writes an amount, if it is not given as it was written."""
    return amount if isinstance(amount, str) else f"{amount:.2f}"


def read(remaining: float | str, second: float, cost: float | None = 10, **fields: Any) -> int:
    """Keep an answer that came at this second, to a call that began half a second before."""
    values = {
        "began": moment(second - 0.5),
        "answered": moment(second),
        "order": None,
        "currency": "TRY",
        "event": 0,
    } | fields
    values |= {"remaining": told(remaining), "cost": None if cost is None else told(cost)}
    return int(database.rows(READ, values)[0]["id"])


def follow(second: float) -> Followed | None:
    return balance_ledger.follow(SANDBOX, GRACE_SECONDS, moment(second))


def gaps() -> list[Decimal]:
    return [gap.amount for gap in balances.gaps(SANDBOX, 100)]


def order(second: float, *, status: str = "pending", until: datetime | None = None, **columns: Any) -> str:
    """An order that was claimed at this second."""
    placed = factories.place()
    values = {
        "externalStatus": status,
        "createdAt": moment(second - 1),
        "claimedAt": moment(second),
        "sentAt": moment(second) if status not in ("pending", "not_sent") else None,
        "sendingUntil": until,
        "mayBeKnown": True,
    }
    factories.put(placed, **(values | columns))
    return str(placed["id"])


def learned(order_id: str, second: float, to: str, source: str = "poll", **columns: Any) -> None:
    """What was learned of the order stands on its timeline."""
    factories.put({"id": order_id}, externalStatus=to, sendingUntil=None, sentAt=moment(second), **columns)
    event = {"id": order_id, "at": moment(second), "source": source, "to": to}
    database.rows(
        'INSERT INTO referans.order_events (order_id, at, source, "from", "to")'
        " VALUES (%(id)s, %(at)s, %(source)s, 'pending', %(to)s)",
        event,
    )


READ = f"""
INSERT INTO referans.balance_readings (provider_id, order_id, began_at, answered_at, cost, remaining, currency,
    event_id)
VALUES ('{SANDBOX}', %(order)s, %(began)s, %(answered)s, %(cost)s, %(remaining)s, %(currency)s, %(event)s)
RETURNING id
"""


class TestAGap:
    def test_it_tells_both_answers(self) -> None:
        earlier, later = factories.place()["id"], factories.place()["id"]
        read(90.00, 1, order=earlier)
        follow(2)
        read(75.00, 3, order=later)
        follow(4)
        [gap] = balances.gaps(SANDBOX, 20)
        assert (gap.amount, gap.balance, gap.currency) == (Decimal("5.00"), Decimal("90.00"), "TRY")
        assert (gap.earlier_order_id, gap.earlier_at) == (earlier, moment(1))
        assert (gap.later_order_id, gap.later_at) == (later, moment(3))

    def test_it_is_told_once(self) -> None:
        for second, remaining in ((1, 90), (3, 75), (5, 65)):
            read(remaining, second)
            follow(second + 1)
        assert (gaps(), follow(7)) == ([Decimal("5.00")], None)

    def test_a_send_under_way_puts_it_off(self) -> None:
        read(90, 1)
        order(1, until=moment(60))
        read(75, 3)
        follow(4)
        assert gaps() == []

    @pytest.mark.parametrize("source", ["poll", "callback"])
    def test_a_lost_answer_explains_it(self, source: str) -> None:
        read(90, 1)
        found = order(2)
        learned(found, 40, "completed", source)
        read(60, 41)
        follow(200)
        assert gaps() == []

    def test_a_lost_answer_explains_one(self) -> None:
        read(90, 1)
        learned(order(2), 40, "completed")
        for second, remaining in ((20, 60), (41, 40)):
            read(remaining, second)
        follow(200)
        assert len(gaps()) == 1

    def test_a_send_that_the_provider_turns_out_never_to_have_had_explains_nothing(self) -> None:
        read(90, 1)
        again = order(2)
        read(60, 4)
        follow(5)
        assert gaps() == []
        learned(again, 70, "sent", "dispatch")
        read(50, 70, order=again, began=moment(69))
        follow(200)
        assert gaps() == [Decimal("20.00")]

    def test_a_refused_order_explains_nothing(self) -> None:
        read(90, 1)
        refused = order(2)
        learned(refused, 3, "failed", "dispatch")
        factories.put({"id": refused}, sentAt=None)
        read(60, 4)
        follow(200)
        assert gaps() == [Decimal("20.00")]

    def test_an_order_that_never_reached_its_provider_explains_nothing(self) -> None:
        read(90, 1)
        order(2, mayBeKnown=False)
        read(60, 4)
        follow(200)
        assert gaps() == [Decimal("20.00")]

    def test_an_order_given_up_in_doubt_may_have_been_bought(self) -> None:
        read(90, 1)
        learned(order(2), 40, "failed", "sweep")
        read(60, 50)
        follow(200)
        assert gaps() == []

    def test_what_a_provider_books_after_refusing_it_is_ours(self) -> None:
        read(90, 1)
        refused = order(2, providerId="other", triedProviders=[SANDBOX])
        database.rows(
            'INSERT INTO referans.order_events (order_id, at, source, "from", "to", result)'
            " VALUES (%s, %s, 'callback', 'sent', 'sent', 'conflict')",
            (refused, moment(3)),
        )
        read(60, 4)
        follow(200)
        assert gaps() == []

    def test_a_former_reference_may_have_been_bought_beside_the_present_one(self) -> None:
        read(90, 1)
        resent = order(2, status="sent")
        database.rows(
            "INSERT INTO referans.former_references (referans, provider_id, order_id) VALUES ('1', %s, %s)",
            (SANDBOX, resent),
        )
        learned(resent, 5, "sent", "dispatch")
        read(60, 5, order=resent, began=moment(4))
        follow(200)
        assert gaps() == []

    def test_an_order_that_another_system_sends_is_no_gap(self) -> None:
        read(90, 1)
        order(2, status="sent", placedByGateway=False, routeParams=None)
        read(60, 4)
        follow(200)
        assert gaps() == []

    def test_one_that_is_explained_after_all_goes(self) -> None:
        read(90, 1)
        for claimed in (2, 3):
            order(claimed)
        read(60, 4)
        read(40, 14)
        read(20, 24)
        follow(25)
        assert len(gaps()) == 1
        learned(order(2.5), 30, "completed")
        follow(31)
        assert gaps() == []


class TestTheAccount:
    def test_a_change_of_the_provider_begins_a_new_chain(self) -> None:
        read(90, 1)
        follow(2)
        database.rows("UPDATE referans.providers SET updated_at = %s", (moment(10),))
        read(20, 12)
        read(5, 100)
        follow(101)
        assert gaps() == []
        read(3, 103, cost=1)
        follow(104)
        assert gaps() == [Decimal("1.00")]

    def test_another_currency_begins_a_new_chain(self) -> None:
        read(90, 1)
        follow(2)
        read(5, 3, currency="USD")
        follow(4)
        assert gaps() == []


class TestReadings:
    def test_one_that_is_kept_too_late_explains_what_it_took(self) -> None:
        read(90, 1)
        follow(2)
        read(60, 30)
        read(70, 40, cost=20, began=moment(1.5))
        follow(41)
        assert gaps() == []

    def test_one_that_is_kept_too_late_is_no_step_behind_those_that_came_before(self) -> None:
        """A deposit has hidden what it took. Behind the end of the chain its own balance would be a gap."""
        read(90, 1)
        follow(2)
        read(160, 30)
        follow(31)
        read(70, 40, cost=20, began=moment(1.5))
        read(150, 45)
        follow(46)
        assert gaps() == []

    def test_a_balance_that_may_have_been_cut_off_is_no_gap(self) -> None:
        read("90.25", 1)
        read("80.2", 2)
        follow(3)
        read("7", 4)
        follow(5)
        read("60.25", 6)
        follow(7)
        assert gaps() == []

    def test_they_are_placed_once(self) -> None:
        read(90, 1)
        first = follow(2)
        assert first and first.placed
        assert (follow(3), balance_ledger.with_news()) == (None, [])

    def test_more_than_one_look_takes(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(balance_ledger, "MAX_READINGS", 4)
        for number in range(10):
            read(990 - 10 * number, 1 + number)
        while follow(20):
            pass
        assert (gaps(), balance_ledger.with_news()) == ([], [])

    def test_there_is_no_room_to_wait_for_ever(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(balance_ledger, "MAX_READINGS", 4)
        read(990, 0.8)
        follow(0.9)
        order(1)
        for number in range(4):
            read(970 - 10 * number, 2 + number)
        followed = follow(20)
        assert followed and len(followed.placed) == 4 and not followed.is_lost
        assert gaps() == []

    def test_old_ones_are_deleted(self) -> None:
        old = moment(0) - timedelta(days=400)
        read(90, 1, answered=old, began=old)
        database.rows("UPDATE referans.balance_readings SET answered_at = now() - interval '31 days'")
        read(80, 2)
        database.rows("UPDATE referans.balance_readings SET answered_at = now() WHERE remaining = 80")
        assert (balance_ledger.purge(100), balance_ledger.purge(100)) == (1, 0)
