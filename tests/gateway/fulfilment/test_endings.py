"""How an order ends that was taken back, delivered twice, or decided by another hand."""

from collections.abc import Sequence

import pytest

from gateway import providers
from gateway.dev.simulator import Simulator
from gateway.dev.simulator.book import State
from gateway.fulfilment import checking, dispatching
from gateway.fulfilment.worker import Worker
from gateway.providers.base import Learned, Refused, Task
from gateway.providers.znet import Znet
from models import plans
from models.codes import Code
from models.order import Settled
from models.outcome import Arrival, Outcome
from models.status import ExternalStatus, Result, Source
from tests import factories
from tests.gateway.fulfilment.conftest import BACKUP
from tests.gateway.fulfilment.orders import (
    DAY,
    age,
    booked,
    check_until_final,
    events,
    place,
    put,
    row,
    sent,
    status,
)

SANDBOX = factories.SANDBOX


def delivered(worker: Worker, simulator: Simulator) -> str:
    """A completed order with its code."""
    order = sent(worker)
    simulator.book.decide(booked(simulator, order), State.COMPLETED, "PIN-1", "")
    checking.check(worker, order)
    assert status(order) == "completed"
    return order


def call_back(worker: Worker, order: str, said: ExternalStatus, *codes: str, by: str = SANDBOX) -> Settled:
    """A callback of a provider, as the web settles it."""
    outcome = Outcome(said, row(order)["provider_referans"], codes=tuple(map(Code, codes)))
    key = f"{by} {said} {codes}"
    arrival = Arrival(by, Source.CALLBACK, outcome, dedupe_key=key, raw="{}", code_ask_seconds=0)
    [settled] = worker.settle([arrival])
    return settled


class TestTakenBack:
    @pytest.fixture
    def reversing(self, monkeypatch: pytest.MonkeyPatch, simulator: Simulator) -> None:
        """From now on the sandbox speaks a protocol that has a word for it."""

        class Reversing(Znet):
            def check(self, tasks: Sequence[Task]) -> list[Learned]:
                return [Outcome(ExternalStatus.REVERSED, task.referans, message="refunded") for task in tasks]

        monkeypatch.setitem(providers.ADAPTERS, "reversing", Reversing)

    @pytest.mark.usefixtures("reversing")
    def test_a_check_that_says_so_reverses_the_order(self, worker: Worker, simulator: Simulator) -> None:
        order = delivered(worker, simulator)
        completed_at = row(order)["completedAt"]
        factories.add_provider(adapter="reversing", base_url=simulator.url)
        plans.request_check(order)
        checking.check(worker, order)
        found = row(order)
        assert (found["externalStatus"], found["status"]) == ("reversed", "rejected")
        assert (found["attention"], found["completedAt"]) == ("reversed", completed_at)
        assert found["reversedAt"] and found["attentionAt"] and found["nextCheckAt"] is None
        assert events(order)[-1].endswith("reversed, refunded")

    @pytest.mark.usefixtures("reversing")
    def test_once_more_changes_nothing(self, worker: Worker, simulator: Simulator) -> None:
        order = delivered(worker, simulator)
        factories.add_provider(adapter="reversing", base_url=simulator.url)
        ends = set()
        for _ in range(2):
            plans.request_check(order)
            checking.check(worker, order)
            found = row(order)
            ends.add((status(order), found["reversedAt"], found["attention"], found["attentionAt"]))
        assert len(ends) == 1

    def test_a_plain_failure_is_a_conflict_that_a_person_sees(
        self, worker: Worker, simulator: Simulator
    ) -> None:
        order = delivered(worker, simulator)
        simulator.book.decide(booked(simulator, order), State.FAILED, "", "iptal")
        plans.request_check(order)
        checking.check(worker, order)
        found = row(order)
        assert (found["externalStatus"], found["status"]) == ("completed", "approved")
        assert found["attention"] == "conflict" and found["attentionAt"]

    def test_a_delivery_after_all_is_a_conflict(self, worker: Worker, simulator: Simulator) -> None:
        order = delivered(worker, simulator)
        call_back(worker, order, ExternalStatus.REVERSED)
        assert call_back(worker, order, ExternalStatus.COMPLETED, "PIN-1").result is Result.CONFLICT
        assert (status(order), row(order)["attention"]) == ("reversed", "conflict")


class TestFormerProvider:
    """It had refused the order, which then went to the next one."""

    @pytest.fixture
    def moved(self, worker: Worker, backup: str) -> str:
        with Simulator(echo=None, kod="elsewhere", sifre=factories.CREDENTIALS["sifre"]) as other:
            factories.add_provider(
                backup, other.url, credentials=factories.CREDENTIALS | {"kod": "elsewhere"}
            )
            order = place("never+only=elsewhere")
            dispatching.dispatch(worker, order)
        assert (status(order), row(order)["providerId"]) == ("sent", BACKUP)
        return order

    def test_its_delivery_is_a_conflict_on_the_order(self, worker: Worker, moved: str) -> None:
        settled = call_back(worker, moved, ExternalStatus.COMPLETED, "PIN-LATE")
        assert (settled.result, settled.order_id) == (Result.CONFLICT, moved)
        found = row(moved)
        assert (found["externalStatus"], found["status"], found["pinCode"]) == ("sent", "pending", None)
        assert found["attention"] == "conflict" and found["attentionAt"] and found["nextCheckAt"]
        assert "sandbox, which had the order before" in events(moved)[-1]

    def test_the_present_provider_still_ends_the_order(self, worker: Worker, moved: str) -> None:
        call_back(worker, moved, ExternalStatus.COMPLETED, "PIN-LATE")
        assert call_back(worker, moved, ExternalStatus.COMPLETED, "PIN", by=BACKUP).result is Result.APPLIED
        assert (status(moved), row(moved)["attention"]) == ("completed", "conflict")

    @pytest.mark.parametrize("said", [ExternalStatus.FAILED, ExternalStatus.PROCESSING])
    def test_anything_else_that_it_says_changes_nothing(
        self, worker: Worker, moved: str, said: ExternalStatus
    ) -> None:
        before = row(moved)
        assert call_back(worker, moved, said).result is Result.STALE
        assert row(moved) == before

    def test_its_delivery_after_the_order_has_ended_is_a_conflict_too(
        self, worker: Worker, moved: str
    ) -> None:
        call_back(worker, moved, ExternalStatus.COMPLETED, "PIN", by=BACKUP)
        assert call_back(worker, moved, ExternalStatus.COMPLETED, "PIN-LATE").result is Result.CONFLICT
        assert row(moved)["attention"] == "conflict"


class TestDecidedByAnotherHand:
    """The older storefront's people set `status` of an order that is still open here."""

    def test_a_failed_check_does_not_reject_what_was_approved(
        self, worker: Worker, simulator: Simulator
    ) -> None:
        order = sent(worker, "never")
        put(order, status="approved")
        simulator.book.decide(booked(simulator, order), State.FAILED, "", "iptal")
        checking.check(worker, order)
        found = row(order)
        assert (found["status"], found["externalStatus"]) == ("approved", "sent")
        assert (found["attention"], found["failureReason"]) == ("conflict", None)

    def test_a_code_that_comes_is_filled_in(self, worker: Worker, simulator: Simulator) -> None:
        order = sent(worker)
        put(order, status="approved")
        simulator.book.decide(booked(simulator, order), State.COMPLETED, "PIN-2", "")
        checking.check(worker, order)
        found = row(order)
        assert (found["status"], found["externalStatus"]) == ("approved", "completed")
        assert found["pinCode"] and found["attention"] is None

    def test_a_delivery_of_what_was_rejected_is_a_conflict(
        self, worker: Worker, simulator: Simulator
    ) -> None:
        order = sent(worker)
        put(order, status="rejected")
        simulator.book.decide(booked(simulator, order), State.COMPLETED, "PIN-3", "")
        checking.check(worker, order)
        found = row(order)
        assert (found["status"], found["externalStatus"], found["pinCode"]) == ("rejected", "sent", None)
        assert found["attention"] == "conflict"

    def test_a_failure_of_what_was_rejected_ends_it(self, worker: Worker, simulator: Simulator) -> None:
        order = sent(worker, "fail")
        put(order, status="rejected")
        check_until_final(worker, simulator, order)
        assert (row(order)["status"], status(order), row(order)["attention"]) == ("rejected", "failed", None)

    @pytest.mark.parametrize("decided", ["approved", "rejected"])
    def test_its_time_being_up_is_no_contradiction(
        self, worker: Worker, simulator: Simulator, decided: str
    ) -> None:
        order = sent(worker)
        put(order, status=decided)
        age(order, DAY)
        checking.check(worker, order)
        found = row(order)
        assert (found["status"], found["attention"], found["nextCheckAt"]) == (decided, None, None)
        assert booked(simulator, order).times_checked == 1

    @pytest.mark.parametrize("decided", ["approved", "rejected"])
    def test_what_was_not_sent_is_not_sent_any_more(
        self, worker: Worker, simulator: Simulator, decided: str
    ) -> None:
        order = place("never")
        put(order, status=decided)
        dispatching.dispatch(worker, order)
        age(order, 61)
        assert plans.drop_ended(10) == 1
        assert (status(order), row(order)["nextCheckAt"], simulator.book.orders()) == ("not_sent", None, [])

    @pytest.mark.parametrize("decided", ["approved", "rejected"])
    @pytest.mark.usefixtures("backup")
    def test_what_was_refused_goes_to_no_other(
        self, worker: Worker, simulator: Simulator, decided: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        order = place("never")

        def refuse(_: object, task: Task) -> Outcome:
            put(order, status=decided)
            raise Refused("no stock")

        monkeypatch.setattr(Znet, "send", refuse)
        dispatching.dispatch(worker, order)
        found = row(order)
        assert (found["providerId"], found["status"]) == (SANDBOX, decided)

    @pytest.mark.parametrize("decided", ["approved", "rejected"])
    def test_what_the_provider_does_not_know_is_not_sent_again(
        self, worker: Worker, simulator: Simulator, decided: str
    ) -> None:
        order = sent(worker)
        put(order, status=decided, externalStatus="pending", sendingUntil=None)
        simulator.book.reset()
        for _ in range(3):
            age(order, 61)
            checking.check(worker, order)
        assert simulator.book.orders() == []

    @pytest.mark.parametrize(
        ("decided", "state"), [("approved", State.FAILED), ("rejected", State.COMPLETED)]
    )
    def test_a_contradiction_is_told_once(
        self, worker: Worker, simulator: Simulator, decided: str, state: State
    ) -> None:
        order = sent(worker)
        put(order, status=decided)
        simulator.book.decide(booked(simulator, order), state, "", "")
        for _ in range(4):
            checking.check(worker, order)
            age(order, DAY / 8)
        assert sum(message.startswith("conflict") for message in events(order)) == 1
