"""Completed without the code: the provider is asked for it, as the route expects."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import peewee
import pytest

from gateway import providers
from gateway.dev.simulator import Simulator
from gateway.dev.simulator.book import State
from gateway.fulfilment import checking, dispatching
from gateway.fulfilment.worker import CHECK, Worker
from gateway.providers.base import ProviderError, Task
from gateway.providers.znet import Znet
from models import order as orders
from models import plans, provider_health
from models.claims import CODE_ASKS
from models.codeless import HISTORY
from models.codes import Code
from models.db import database
from models.order import Settled
from models.outcome import Arrival, Outcome
from models.plans import Requested
from models.status import ExternalStatus, Source
from tests import factories
from tests.gateway.fulfilment.conftest import WorkerFor
from tests.gateway.fulfilment.orders import (
    DAY,
    Hint,
    Queue,
    age,
    booked,
    events,
    go_down,
    place,
    put,
    row,
    seconds_until_check,
    sent,
    spoil,
    status,
)

SANDBOX = factories.SANDBOX
#: Longer than any wait between two asks.
LATER_SECONDS = 1000


def call_back(worker: Worker, order: str, **said: object) -> Settled:
    """A callback that says completed, as the web settles it."""
    outcome = Outcome(ExternalStatus.COMPLETED, row(order)["provider_referans"], **said)  # type: ignore[arg-type]
    arrival = Arrival(SANDBOX, Source.CALLBACK, outcome, dedupe_key="1", raw="{}", code_ask_seconds=0)
    [settled] = worker.settle([arrival])
    return settled


def decide(simulator: Simulator, order: str, code: str, state: State = State.COMPLETED) -> None:
    """What the provider says of the order from now on."""
    simulator.book.decide(booked(simulator, order), state, code, "")


def completed(worker: Worker, simulator: Simulator, expects: str | None = None, **said: object) -> str:
    """An order that a callback has completed without a code; its provider has none either so far."""
    order = sent(worker)
    put(order, expects=expects)
    decide(simulator, order, "")
    call_back(worker, order, **said)
    return order


def ask_until_the_end(worker: Worker, order: str, most: int = 30) -> list[int]:
    """Ask whenever it is due, until nothing is planned; the waits, in seconds."""
    waits: list[int] = []
    while row(order)["nextCheckAt"] is not None:
        assert len(waits) < most, waits
        waits.append(max(0, round(seconds_until_check(order))))
        age(order, waits[-1] + 1)
        checking.check(worker, order)
    return waits


def code_of(order: str) -> str | None:
    """The order's first code, in clear."""
    found = orders.find(order)
    assert found
    codes = orders.codes_of(found)
    return codes[0].code if codes else None


def codes_of(order: str) -> list[Code]:
    """All codes of the order, in clear."""
    found = orders.find(order)
    assert found
    return orders.codes_of(found)


#: Lets the panel answer every check with "completed" and these codes.
PanelSays = Callable[..., None]


@pytest.fixture
def panel_says(monkeypatch: pytest.MonkeyPatch) -> PanelSays:
    def says(*codes: Code) -> None:
        outcome = Outcome(ExternalStatus.COMPLETED, codes=codes)

        def check(_: Znet, tasks: Sequence[Task]) -> list[Outcome]:
            return [replace(outcome, referans=task.referans) for task in tasks]

        monkeypatch.setattr(Znet, "check", check)

    return says


class TestByCallback:
    def test_it_is_asked_for_at_once_and_filled_in(self, worker: Worker, simulator: Simulator) -> None:
        order = sent(worker)
        decide(simulator, order, "PIN-1")
        settled = call_back(worker, order)
        assert (settled.went_to, settled.ask_in_seconds) == ("completed", 0)
        checking.check(worker, order)
        found = row(order)
        assert (code_of(order), found["externalStatus"], found["status"]) == (
            "PIN-1",
            "completed",
            "approved",
        )
        assert (found["attention"], found["nextCheckAt"], found["codeAsks"]) == (None, None, None)
        assert booked(simulator, order).times_checked == 1

    @pytest.mark.parametrize("expects", ["auto", None], ids=["auto", "placed before there was a choice"])
    def test_it_is_asked_for_four_times_ever_further_apart_and_then_no_more(
        self, worker: Worker, simulator: Simulator, expects: str | None
    ) -> None:
        order = completed(worker, simulator, expects)
        assert ask_until_the_end(worker, order) == [0, 30, 60, 120]
        assert booked(simulator, order).times_checked == CODE_ASKS
        assert (row(order)["attention"], code_of(order)) == (None, None)

    def test_one_that_is_requested_takes_none_of_these_away(
        self, worker: Worker, simulator: Simulator
    ) -> None:
        order = completed(worker, simulator)
        for _ in range(CODE_ASKS):
            checking.check(worker, order)
            put(order, checkAskedAt=None)
            assert plans.request_check(order) is Requested.PLANNED
        checking.check(worker, order)
        assert (booked(simulator, order).times_checked, row(order)["codeAsks"]) == (CODE_ASKS + 1, 1)

    def test_one_that_comes_with_the_last_ask_is_filled_in(
        self, worker: Worker, simulator: Simulator
    ) -> None:
        order = completed(worker, simulator)
        for _ in range(CODE_ASKS - 1):
            age(order, LATER_SECONDS)
            checking.check(worker, order)
        decide(simulator, order, "PIN-LATE")
        age(order, LATER_SECONDS)
        checking.check(worker, order)
        assert (code_of(order), row(order)["nextCheckAt"]) == ("PIN-LATE", None)

    def test_the_next_ask_is_hinted_at(self, worker: Worker, simulator: Simulator, queue: Queue) -> None:
        order = completed(worker, simulator)
        queue.clear()
        checking.check(worker, order)
        assert queue.hints() == [Hint(CHECK, order, 30)]

    def test_a_second_hint_asks_nothing(self, worker: Worker, simulator: Simulator) -> None:
        order = completed(worker, simulator)
        for _ in range(3):
            checking.check(worker, order)
        assert booked(simulator, order).times_checked == 1

    def test_one_with_a_receipt_is_asked_about_once(self, worker: Worker, simulator: Simulator) -> None:
        order = completed(worker, simulator, receipt="for player Ali")
        assert ask_until_the_end(worker, order) == [0]
        assert (booked(simulator, order).times_checked, row(order)["attention"]) == (1, None)

    def test_a_code_that_a_callback_brings_ends_the_asking(
        self, worker: Worker, simulator: Simulator
    ) -> None:
        order = completed(worker, simulator, "code")
        checking.check(worker, order)
        outcome = Outcome(ExternalStatus.COMPLETED, row(order)["provider_referans"], codes=(Code("PIN-2"),))
        factories.settle(Arrival(SANDBOX, Source.CALLBACK, outcome, dedupe_key="2", raw="{}"))
        assert (code_of(order), row(order)["nextCheckAt"]) == ("PIN-2", None)


class TestHistoryOfTheRoute:
    @staticmethod
    def before(count: int, with_code: int = 0) -> None:
        """Let orders of the route have ended, `with_code` of them with a code."""
        for _ in range(count):
            factories.place()
        database.rows(
            'UPDATE product_orders SET "externalStatus" = \'completed\', "nextCheckAt" = NULL,'
            ' "completedAt" = now() WHERE "externalStatus" = \'not_sent\''
        )
        database.rows(
            "UPDATE product_orders SET \"pinCode\" = 'PIN' WHERE id IN (SELECT id FROM product_orders LIMIT %s)",
            (with_code,),
        )

    def test_after_orders_that_all_ended_without_a_code_it_is_asked_for_once(
        self, worker: Worker, simulator: Simulator
    ) -> None:
        self.before(HISTORY)
        order = completed(worker, simulator)
        assert ask_until_the_end(worker, order) == [0]

    @pytest.mark.parametrize(("count", "with_code"), [(HISTORY - 1, 0), (HISTORY, 1)])
    def test_it_is_asked_for_as_usual_if_they_are_fewer_or_one_had_a_code(
        self, worker: Worker, simulator: Simulator, count: int, with_code: int
    ) -> None:
        self.before(count, with_code)
        order = completed(worker, simulator)
        assert ask_until_the_end(worker, order) == [0, 30, 60, 120]

    @pytest.mark.parametrize("said", [{}, {"receipt": "for player Ali"}], ids=["a check", "with a receipt"])
    def test_a_check_that_brings_no_code_is_the_one_time(
        self, worker: Worker, simulator: Simulator, monkeypatch: pytest.MonkeyPatch, said: dict[str, str]
    ) -> None:
        if not said:
            self.before(HISTORY)
        order = sent(worker)
        outcome = Outcome(ExternalStatus.COMPLETED, row(order)["provider_referans"], **said)  # type: ignore[arg-type]
        monkeypatch.setattr(providers, "check", lambda *_: [outcome])
        checking.check(worker, order)
        assert (status(order), row(order)["nextCheckAt"]) == ("completed", None)

    def test_orders_that_are_still_asked_for_their_code_have_not_ended(
        self, worker: Worker, simulator: Simulator
    ) -> None:
        self.before(HISTORY)
        database.rows('UPDATE product_orders SET "codeAsks" = 1')
        assert ask_until_the_end(worker, completed(worker, simulator)) == [0, 30, 60, 120]

    def test_orders_of_another_system_without_a_time_do_not_hide_the_last_ones(
        self, worker: Worker, simulator: Simulator
    ) -> None:
        self.before(HISTORY)
        database.rows('UPDATE product_orders SET "completedAt" = NULL')
        self.before(HISTORY)
        database.rows('UPDATE product_orders SET "pinCode" = \'PIN\' WHERE "completedAt" IS NOT NULL')
        assert ask_until_the_end(worker, completed(worker, simulator)) == [0, 30, 60, 120]

    def test_a_route_whose_orders_must_have_a_code_goes_on_asking(
        self, worker_for: WorkerFor, simulator: Simulator
    ) -> None:
        self.before(HISTORY)
        worker = worker_for({"MAX_CHECKS": "3"})
        assert len(ask_until_the_end(worker, completed(worker, simulator, "code"))) > 1


class TestExpectsCode:
    def test_it_is_asked_for_until_the_checks_are_used_up_and_then_needs_a_person(
        self, worker_for: WorkerFor, simulator: Simulator
    ) -> None:
        worker = worker_for({"MAX_CHECKS": "3"})
        order = completed(worker, simulator, "code")
        *asks, given_up = ask_until_the_end(worker, order)
        assert asks == [0, 30, 60]
        assert booked(simulator, order).times_checked == 3
        found = row(order)
        assert (found["attention"], found["externalStatus"]) == ("no_code", "completed")
        assert found["attentionAt"] and found["nextCheckAt"] is None
        assert events(order)[-1] == "completed, but asking has not brought its code; a person is needed"
        assert given_up == 0, "a person is told as soon as the last check has brought no code"

    def test_a_code_that_comes_after_all_clears_that(
        self, worker_for: WorkerFor, simulator: Simulator
    ) -> None:
        worker = worker_for({"MAX_CHECKS": "1"})
        order = completed(worker, simulator, "code")
        ask_until_the_end(worker, order)
        outcome = Outcome(ExternalStatus.COMPLETED, row(order)["provider_referans"], codes=(Code("PIN-3"),))
        factories.settle(Arrival(SANDBOX, Source.CALLBACK, outcome, dedupe_key="3", raw="{}"))
        assert (code_of(order), row(order)["attention"]) == ("PIN-3", None)

    def test_a_code_that_cannot_be_read_is_asked_for_likewise(
        self, worker_for: WorkerFor, simulator: Simulator
    ) -> None:
        worker = worker_for({"MAX_CHECKS": "6"})
        order = completed(worker, simulator, unreadable_code=True)
        assert len(ask_until_the_end(worker, order)) == 7
        assert (booked(simulator, order).times_checked, row(order)["attention"]) == (6, "no_code")

    def test_so_is_one_of_a_route_without_codes(self, worker: Worker, simulator: Simulator) -> None:
        order = sent(worker)
        put(order, expects="no-code")
        decide(simulator, order, "PIN-4")
        assert call_back(worker, order, unreadable_code=True).ask_in_seconds == 0
        checking.check(worker, order)
        assert code_of(order) == "PIN-4"


class TestPartlyReadable:
    """A callback brought a code, and one beside it that cannot be read."""

    @pytest.fixture
    def order(self, worker: Worker) -> str:
        order = sent(worker)
        put(order, quantity=2)
        assert call_back(worker, order, codes=(Code("A"),), unreadable_code=True).ask_in_seconds == 0
        return order

    def test_the_other_is_asked_for(self, worker: Worker, order: str, panel_says: PanelSays) -> None:
        panel_says(Code("A"), Code("B"))
        checking.check(worker, order)
        assert (codes_of(order), row(order)["nextCheckAt"]) == ([Code("A"), Code("B")], None)

    def test_an_answer_without_another_ends_the_asking(
        self, worker: Worker, order: str, panel_says: PanelSays
    ) -> None:
        panel_says(Code("A"))
        checking.check(worker, order)
        assert (codes_of(order), row(order)["nextCheckAt"]) == ([Code("A")], None)
        assert row(order)["attention"] is None

    def test_so_does_a_contradiction(self, worker: Worker, order: str, panel_says: PanelSays) -> None:
        panel_says(Code("A"), Code("B"), Code("C"))
        checking.check(worker, order)
        assert (codes_of(order), row(order)["nextCheckAt"]) == ([Code("A")], None)
        assert row(order)["attention"] == "conflict"


def test_a_route_without_codes_is_never_asked(worker: Worker, simulator: Simulator) -> None:
    order = sent(worker)
    put(order, expects="no-code")
    decide(simulator, order, "PIN-5")
    assert call_back(worker, order).ask_in_seconds is None
    checking.check(worker, order)
    assert (row(order)["nextCheckAt"], booked(simulator, order).times_checked) == (None, 0)


class TestCountsAlike:
    """A check, or the answer to the send, that completes the order without a code is the first ask."""

    def test_by_a_check(self, worker: Worker, simulator: Simulator, queue: Queue) -> None:
        order = sent(worker)
        decide(simulator, order, "")
        queue.clear()
        checking.check(worker, order)
        assert row(order)["externalStatus"] == "completed"
        assert queue.hints() == [Hint(CHECK, order, 30)]
        assert ask_until_the_end(worker, order) == [30, 60, 120]
        assert booked(simulator, order).times_checked == CODE_ASKS

    def test_by_the_answer_to_the_send(
        self, worker: Worker, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        class Quick(Znet):
            """A provider that delivers with its answer."""

            def send(self, task: Task) -> Outcome:
                super().send(task)
                return Outcome(ExternalStatus.COMPLETED, task.referans)

        monkeypatch.setitem(providers.ADAPTERS, "quick", Quick)
        factories.add_provider(adapter="quick", base_url=simulator.url)
        order = place("never")
        dispatching.dispatch(worker, order)
        decide(simulator, order, "")
        assert (row(order)["externalStatus"], row(order)["codeAsks"]) == ("completed", 1)
        assert ask_until_the_end(worker, order) == [30, 60, 120]

    @pytest.mark.parametrize("answer", ["html", "mumble"])
    def test_an_ask_that_brings_no_answer(self, worker: Worker, simulator: Simulator, answer: str) -> None:
        order = sent(worker, f"never+check-{answer}=9")
        decide(simulator, order, "")
        call_back(worker, order)
        assert ask_until_the_end(worker, order) == [0, 30, 60, 120]

    def test_an_order_that_the_provider_does_not_know_any_more(
        self, worker: Worker, simulator: Simulator
    ) -> None:
        order = completed(worker, simulator)
        simulator.book.reset()
        assert ask_until_the_end(worker, order) == [0, 30, 60, 120]
        assert row(order)["externalStatus"] == "completed"
        assert not simulator.book.orders(), "it was sent again"


class TestProvider:
    def test_one_that_is_down_puts_it_off(self, worker: Worker, simulator: Simulator) -> None:
        order = completed(worker, simulator)
        go_down()
        checking.check(worker, order)
        assert (booked(simulator, order).times_checked, row(order)["codeAsks"]) == (0, 0)
        assert 20 < seconds_until_check(order) <= 30

        provider_health.answered(SANDBOX)
        decide(simulator, order, "PIN-6")
        age(order, 31)
        checking.check(worker, order)
        assert code_of(order) == "PIN-6"

    def test_one_that_cannot_be_used_is_asked_in_vain(self, worker: Worker, simulator: Simulator) -> None:
        order = completed(worker, simulator)
        spoil(SANDBOX, "no-credentials")
        assert ask_until_the_end(worker, order) == [0, 30, 60, 120]
        assert "not checked: the provider sandbox cannot be used" in events(order)[-1]
        assert booked(simulator, order).times_checked == 0

    def test_one_that_now_says_failed_contradicts_itself(self, worker: Worker, simulator: Simulator) -> None:
        order = completed(worker, simulator)
        decide(simulator, order, "", State.FAILED)
        checking.check(worker, order)
        assert (row(order)["externalStatus"], row(order)["attention"]) == ("completed", "conflict")
        assert row(order)["nextCheckAt"] is None


def test_one_that_another_hand_has_opened_again_is_followed_to_its_end(
    worker: Worker, simulator: Simulator
) -> None:
    order = completed(worker, simulator)
    put(order, externalStatus="sent", status="pending")
    age(order, LATER_SECONDS)
    decide(simulator, order, "", State.FAILED)
    checking.check(worker, order)
    assert status(order) == "failed"


@pytest.mark.parametrize("expects", ["auto", "code"])
def test_it_never_times_out(worker: Worker, simulator: Simulator, expects: str) -> None:
    order = completed(worker, simulator, expects)
    age(order, 2 * DAY)
    checking.check(worker, order)
    assert (row(order)["externalStatus"], row(order)["failureReason"]) == ("completed", None)
    assert booked(simulator, order).times_checked == 1


class TestTroubleOfOurs:
    """An answer that we lose is asked for once more, the last one too."""

    @staticmethod
    def failing(error: Exception) -> Callable[..., list[ProviderError]]:
        def check(*_: object) -> list[ProviderError]:
            if isinstance(error, ProviderError):
                return [error]
            raise error

        return check

    @pytest.mark.parametrize(
        "error",
        [peewee.OperationalError("the database went away"), providers.NotTried("out of files")],
        ids=["lost", "not tried"],
    )
    @pytest.mark.parametrize("receipt", [None, "for player Ali"])
    def test_the_last_ask(
        self, worker: Worker, simulator: Simulator, error: Exception, receipt: str | None
    ) -> None:
        order = completed(worker, simulator, receipt=receipt)
        for _ in range(0 if receipt else CODE_ASKS - 1):
            age(order, LATER_SECONDS)
            checking.check(worker, order)
        decide(simulator, order, "PIN-7")
        age(order, LATER_SECONDS)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(providers, "check", self.failing(error))
            if isinstance(error, providers.NotTried):
                checking.check(worker, order)
            else:
                with pytest.raises(peewee.OperationalError):
                    checking.check(worker, order)
        assert 0 < seconds_until_check(order) <= worker.dispatch_grace_seconds
        age(order, LATER_SECONDS)
        checking.check(worker, order)
        assert (code_of(order), row(order)["nextCheckAt"]) == ("PIN-7", None)
