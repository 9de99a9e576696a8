"""Our balance as workers learn it: from answers to sends, by asking, and what does not add up."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from decimal import Decimal
from threading import Barrier

import pytest

from gateway.dev.simulator import Simulator
from gateway.fulfilment import balances as asking
from gateway.fulfilment import checking, dispatching, sweeping
from gateway.fulfilment.worker import Worker
from gateway.providers.base import NoAnswer
from models import balance_ledger, balances, provider, provider_health
from models.db import database
from models.provider import Provider
from tests import factories
from tests.gateway.fulfilment.conftest import WorkerFor
from tests.gateway.fulfilment.orders import age, check_until_final, go_down, place, put, status

SANDBOX = factories.SANDBOX
#: What a package of the tests costs.
PRICE = Decimal("25.50")
OPENING = Decimal(100_000)
#: After it, what was learned of an order is not news any more.
LATER_SECONDS = 2 * balance_ledger.NEWS_SECONDS


@pytest.fixture(autouse=True)
def _opening(simulator: Simulator) -> None:
    simulator.book.set_balance(OPENING)


def standing() -> balances.Standing:
    [found] = balances.standings(SANDBOX)
    return found


def follow(worker: Worker, later_seconds: float = 0) -> None:
    """Follow the chain as a sweep would, so many seconds from now."""
    row = database.row("SELECT now() + make_interval(secs => %s) AS at", (later_seconds,))
    assert row
    balance_ledger.follow(SANDBOX, worker.dispatch_grace_seconds, row["at"])


def ask(worker: Worker) -> int:
    """How many providers were asked."""
    return sum(asking.ask_due(worker))


class TestAnswersToSends:
    def test_the_balance_is_kept(self, worker: Worker) -> None:
        dispatching.dispatch(worker, place())
        assert (standing().balance, standing().currency) == (OPENING - PRICE, "TRY")

    def test_what_they_tell_forms_a_chain(self, worker: Worker) -> None:
        for _ in range(3):
            dispatching.dispatch(worker, place())
        follow(worker)
        assert standing().gap is None

    @pytest.mark.parametrize("words", ["refuse", "html", "cutafter"])
    def test_one_without_a_balance_changes_nothing(self, worker: Worker, words: str) -> None:
        dispatching.dispatch(worker, place(words))
        assert standing().balance is None

    def test_a_purchase_that_is_not_ours_is_shown(self, worker: Worker, simulator: Simulator) -> None:
        dispatching.dispatch(worker, place())
        simulator.book.move_balance(Decimal("-7.25"))
        order = place()
        dispatching.dispatch(worker, order)
        follow(worker)
        gap = standing().gap
        assert gap and (gap.amount, gap.balance) == (Decimal("7.25"), OPENING - PRICE)
        assert gap.later_order_id == order

    def test_deposits_and_refunds_are_not(self, worker: Worker, simulator: Simulator) -> None:
        failed = place("fail+poll")
        dispatching.dispatch(worker, failed)
        check_until_final(worker, simulator, failed)
        dispatching.dispatch(worker, place())
        simulator.book.move_balance(Decimal(500))
        dispatching.dispatch(worker, place())
        follow(worker)
        assert standing().gap is None

    @pytest.mark.parametrize("words", ["cutafter", "lostanswer", "half", "mumble", "duplicate"])
    def test_a_lost_answer_is_not_before_and_after_it_is_found(
        self, worker: Worker, simulator: Simulator, words: str
    ) -> None:
        dispatching.dispatch(worker, place())
        lost = place(f"{words}+poll")
        dispatching.dispatch(worker, lost)
        dispatching.dispatch(worker, place())
        follow(worker)
        assert (status(lost), standing().gap) == ("pending", None)
        check_until_final(worker, simulator, lost)
        dispatching.dispatch(worker, place())
        follow(worker, LATER_SECONDS)
        assert (status(lost), standing().gap) == ("completed", None)

    def test_a_purchase_beside_a_send_that_was_never_booked_is_shown_once_that_is_known(
        self, worker: Worker, simulator: Simulator
    ) -> None:
        dispatching.dispatch(worker, place())
        unsent = place("html+poll")
        dispatching.dispatch(worker, unsent)
        simulator.book.move_balance(Decimal("-7.25"))
        dispatching.dispatch(worker, place())
        follow(worker)
        assert (status(unsent), standing().gap) == ("pending", None)
        put(unsent, unknownCount=2)
        age(unsent, 31)
        checking.check(worker, unsent)
        follow(worker, LATER_SECONDS)
        gap = standing().gap
        assert (status(unsent), gap and gap.amount) == ("sent", Decimal("7.25"))

    def test_eight_at_a_time(self, worker: Worker, simulator: Simulator) -> None:
        words = ["poll", "mumble", "fail", "poll+after=0.01", "callback", "poll", "refuse", "poll"] * 6
        orders = [place(each) for each in words]

        def send(order: str) -> None:
            with database.session():
                dispatching.dispatch(worker, order)

        _raise_permits(len(words))
        with ThreadPoolExecutor(8) as threads:
            list(threads.map(send, orders))
        follow(worker)
        assert standing().gap is None
        for order in orders:
            if status(order) == "pending":
                age(order, 61)
                checking.check(worker, order)
        assert {status(order) for order in orders} <= {"sent", "completed", "failed"}
        dispatching.dispatch(worker, place())
        follow(worker)
        assert standing().gap is None
        simulator.book.move_balance(Decimal(-1))
        dispatching.dispatch(worker, place())
        follow(worker, LATER_SECONDS)
        gap = standing().gap
        assert gap and gap.amount == 1


def _raise_permits(count: int) -> None:
    found = provider.find(SANDBOX)
    assert found
    database.rows("UPDATE referans.providers SET max_concurrency = %s WHERE id = %s", (count, SANDBOX))


class TestAsking:
    def test_every_hour(self, worker: Worker, simulator: Simulator) -> None:
        assert (ask(worker), standing().balance) == (1, OPENING)
        simulator.book.move_balance(Decimal(1))
        assert (ask(worker), standing().balance) == (0, OPENING)
        database.rows(
            "UPDATE referans.provider_health SET balance_asked_at = balance_asked_at - interval '1 hour'"
        )
        assert (ask(worker), standing().balance) == (1, OPENING + 1)

    def test_by_the_sweep(self, worker: Worker) -> None:
        sweeping.sweep(worker)
        assert standing().balance == OPENING

    def test_it_shows_a_purchase_in_a_pause(self, worker: Worker, simulator: Simulator) -> None:
        dispatching.dispatch(worker, place())
        simulator.book.move_balance(Decimal("-7.25"))
        sweeping.sweep(worker)
        gap = standing().gap
        assert gap and (gap.amount, gap.later_order_id) == (Decimal("7.25"), None)

    def test_soon_after_a_refusal_about_our_account(self, worker: Worker, simulator: Simulator) -> None:
        assert (ask(worker), ask(worker)) == (1, 0)
        simulator.book.set_balance(Decimal(1))
        dispatching.dispatch(worker, place())
        assert (ask(worker), standing().balance) == (1, 1)

    def test_not_while_it_is_down(self, worker: Worker) -> None:
        go_down()
        assert ask(worker) == 0

    def test_not_without_a_service(self, worker: Worker) -> None:
        factories.add_provider("shelf", adapter="manual", base_url="", callback="none", credentials={})
        assert ask(worker) == 1

    def test_without_a_permit_it_stays_due(self, worker: Worker, single: Provider) -> None:
        with worker.permits.one_call(single):
            assert ask(worker) == 1
        assert balances.due(asking.ASK_SECONDS) == [SANDBOX]

    def test_an_answer_that_cannot_be_read_is_a_failed_call(
        self, worker: Worker, simulator: Simulator
    ) -> None:
        with spoiled(simulator, "html"):
            ask(worker)
        health = provider_health.health(SANDBOX)
        assert health and (health.failures, standing().balance) == (1, None)

    def test_providers_that_hang_do_not_hold_the_sweep_for_long(
        self, worker_for: WorkerFor, simulator: Simulator
    ) -> None:
        for number in range(4):
            factories.add_provider(f"panel-{number}", base_url=simulator.url)
        clock = iter(range(0, 10_000, 45))
        assert ask(worker_for(monotonic=lambda: float(next(clock)))) == 2
        assert len(balances.due(asking.ASK_SECONDS)) == 3

    def test_two_sweeps_ask_once(self, worker: Worker) -> None:
        barrier = Barrier(2)

        def both(_: int) -> int:
            with database.session():
                barrier.wait()
                return ask(worker)

        with ThreadPoolExecutor(2) as threads:
            assert sum(threads.map(both, range(2))) == 1

    def test_an_answer_that_is_asked_for_says_what_every_call_does(
        self, worker: Worker, simulator: Simulator
    ) -> None:
        found = provider.candidate(SANDBOX)
        assert found
        assert asking.ask(worker, found).amount == OPENING
        with spoiled(simulator, "html"), pytest.raises(NoAnswer):
            asking.ask(worker, found)


@contextmanager
def spoiled(simulator: Simulator, mode: str) -> Iterator[None]:
    """Every answer of the panel is spoiled while the block runs."""
    set_fault: Callable[[str | None], None] = simulator.control.set_fault
    set_fault(mode)
    try:
        yield
    finally:
        set_fault(None)
