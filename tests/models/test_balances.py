"""Our balance as last known: which answer counts, when it is asked for, and what people are warned about."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from models import balance_ledger, balances
from models.balances import Told
from models.db import database
from tests import factories
from tests.models.account import START

SANDBOX = factories.SANDBOX

pytestmark = pytest.mark.usefixtures("db")


def keep(remaining: float, began: float, currency: str = "TRY") -> None:
    """An answer that comes now, to a call that began so many seconds ago."""
    told = Told(Decimal(str(remaining)), currency, Decimal(10))
    balances.keep(SANDBOX, told, _now() - timedelta(seconds=began))


def _now() -> datetime:
    row = database.row("SELECT now() AS now")
    assert row
    found: datetime = row["now"]
    return found


def known() -> Decimal | None:
    return balances.standings(SANDBOX)[0].balance


def answered_ago(seconds: float) -> None:
    database.rows(
        "UPDATE referans.provider_health SET balance_at = balance_at - make_interval(secs => %s)", (seconds,)
    )


def gap(amount: float = 5, *, later: int = 1, provider_id: str = SANDBOX) -> None:
    """A gap that was found."""
    values = {
        "provider": provider_id,
        "amount": amount,
        "currency": "TRY",
        "balance": 100,
        "earlier_order": None,
        "earlier_at": START,
        "later": later,
        "later_order": factories.NO_ORDER,
        "later_at": START + timedelta(seconds=later),
        "final": True,
    }
    database.rows(balance_ledger.KEEP_GAP, values)


class TestWhichAnswerCounts:
    def test_the_first(self) -> None:
        keep(100, began=1)
        [standing] = balances.standings()
        assert (standing.balance, standing.currency) == (100, "TRY")
        assert standing.age_seconds is not None and 0 <= standing.age_seconds < 60

    def test_that_of_a_call_which_began_after_the_last_answer(self) -> None:
        keep(100, began=9)
        answered_ago(5)
        keep(500, began=1)
        assert known() == 500

    def test_of_calls_at_the_same_time_the_lower_one(self) -> None:
        for remaining in (90, 100, 80):
            keep(remaining, began=5)
        assert known() == 80

    def test_a_deposit_shows_with_the_next_call_although_sends_overlap(self) -> None:
        keep(80, began=5)
        answered_ago(2)
        keep(1000, began=4)
        assert known() == 80
        keep(990, began=1)
        assert known() == 990

    def test_another_currency_replaces_it(self) -> None:
        keep(10, began=5)
        keep(100, began=5, currency="USD")
        assert (known(), balances.standings(SANDBOX)[0].currency) == (100, "USD")


class TestAsking:
    def test_every_hour(self) -> None:
        assert balances.due(3600) == [SANDBOX]
        assert balances.claim_asking(SANDBOX, 3600)
        assert (balances.due(3600), balances.claim_asking(SANDBOX, 3600)) == ([], None)
        database.rows(
            "UPDATE referans.provider_health SET balance_asked_at = balance_asked_at - interval '1 hour'"
        )
        assert balances.due(3600) == [SANDBOX]

    def test_sooner_on_request(self) -> None:
        balances.claim_asking(SANDBOX, 3600)
        balances.ask_soon(SANDBOX)
        assert balances.claim_asking(SANDBOX, 3600)

    def test_once_by_all_processes(self) -> None:
        def claim(_: int) -> bool:
            with database.session():
                return balances.claim_asking(SANDBOX, 3600) is not None

        with ThreadPoolExecutor(8) as threads:
            assert sum(threads.map(claim, range(40))) == 1

    def test_any_other_question_counts_too(self) -> None:
        asking = balances.begin_asking(SANDBOX)
        balances.keep_asked(SANDBOX, Told(Decimal(7), "TRY", Decimal(0)), asking)
        assert (known(), balances.due(3600)) == (7, [])


class TestWarnings:
    def test_none_for_a_provider_without_a_threshold(self) -> None:
        keep(0, began=1)
        assert balances.warnings() == []

    @pytest.mark.parametrize(("remaining", "is_low"), [(99, True), (100, False)])
    def test_a_balance_below_the_threshold(self, remaining: float, is_low: bool) -> None:
        database.rows("UPDATE referans.providers SET low_balance = 100")
        keep(remaining, began=1)
        assert [one.is_low for one in balances.warnings()] == ([True] if is_low else [])

    def test_a_gap_until_it_is_acknowledged(self) -> None:
        gap(5)
        gap(7, later=2)
        [warning] = balances.warnings()
        assert warning.gap and (str(warning.gap), warning.gaps) == ("7 TRY", 2)
        assert [one.amount for one in balances.gaps(SANDBOX, 20)] == [7, 5]
        assert balances.acknowledge(SANDBOX, "by hand", "Ali") == 2
        assert (balances.warnings(), balances.gaps(SANDBOX, 20)) == ([], [])
        row = database.row("SELECT acknowledged_by, reason FROM referans.balance_gaps LIMIT 1")
        assert row == {"acknowledged_by": "Ali", "reason": "by hand"}

    def test_an_acknowledged_gap_that_is_told_again_stays_acknowledged(self) -> None:
        gap(5)
        balances.acknowledge(SANDBOX, "by hand", "Ali")
        gap(6)
        assert balances.warnings() == []

    def test_one_providers_gap_is_not_anothers(self) -> None:
        factories.add_provider("other")
        gap(5)
        assert [one.provider_id for one in balances.warnings()] == [SANDBOX]
        assert balances.acknowledge("other", "x", "Ali") == 0
