"""Asking a provider for an order; each in this process, against the simulator."""

from decimal import Decimal

import pytest

from gateway.commands import provider_probes
from gateway.dev.simulator import Simulator
from gateway.dev.simulator.book import State
from gateway.fulfilment import checking, dispatching
from gateway.fulfilment.permits import Busy
from gateway.fulfilment.worker import CHECK, Worker
from models import claims, denied, plans, provider_health
from models.claims import USUAL
from models.db import database
from models.denied import Denied
from models.plans import Requested
from models.provider import Provider
from tests import factories
from tests.gateway.fulfilment.conftest import WorkerFor
from tests.gateway.fulfilment.orders import (
    ACCIDENTS,
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
    wait_until_decided,
)

SANDBOX = factories.SANDBOX


def waits_of(worker: Worker, order: str, checks: int) -> list[int]:
    """The seconds that come after each of so many checks, each made when it is due."""
    waits = []
    for _ in range(checks):
        age(order, seconds_until_check(order))
        checking.check(worker, order)
        waits.append(round(seconds_until_check(order)))
    return waits


class TestAnswered:
    def test_an_outcome_ends_the_order(self, worker: Worker, simulator: Simulator, queue: Queue) -> None:
        order = sent(worker, "poll")
        wait_until_decided(simulator, order)
        queue.clear()
        checking.check(worker, order)
        found = row(order)
        assert (found["externalStatus"], found["status"], found["checkCount"]) == ("completed", "approved", 1)
        assert events(order)[-1].startswith("checked (1): completed, ")
        assert (queue.hints(), found["nextCheckAt"]) == ([], None)

    def test_an_order_that_is_still_open_is_asked_for_later(self, worker: Worker, queue: Queue) -> None:
        order = sent(worker)
        queue.clear()
        checking.check(worker, order)
        assert status(order) == "processing"
        assert 20 < seconds_until_check(order) <= 30
        assert queue.hints() == [Hint(CHECK, order, 30)]

    def test_waits_grow_with_each_check(self, worker: Worker) -> None:
        assert waits_of(worker, sent(worker), 4) == [30, 60, 120, 240]

    def test_waits_are_half_as_long_while_callbacks_fall_short(self, worker: Worker) -> None:
        order = sent(worker)
        database.rows(
            "INSERT INTO referans.provider_health (provider_id, callbacks_low_since) VALUES (%s, now())"
            " ON CONFLICT (provider_id) DO UPDATE SET callbacks_low_since = now()",
            (SANDBOX,),
        )
        first, waits = [30, 30, 60, 60, 120, 120, 240, 240], waits_of(worker, order, 40)
        # BACKOFF_MIN at least; then twice as often as usual for as long as the usual checks take, not for half of it.
        assert waits[:8] == first and set(waits[8:]) == {300, 900}
        ends = sum(worker.backoff.starts_seconds()[-1:])
        assert ends <= sum(waits[: waits.index(900)]) + worker.settings.first_check_delay < ends + 300
        [finding] = provider_probes.last_hour(worker.settings)
        assert finding.name == f"provider {SANDBOX}: callbacks"
        assert finding.detail.endswith("its orders are asked about twice as often")

    @pytest.mark.parametrize("asks", ["a person", "the provider"])
    def test_checks_that_are_requested_use_up_none_of_the_planned_ones(
        self, worker: Worker, asks: str
    ) -> None:
        order = sent(worker)
        number = str(row(order)["provider_referans"])
        for _ in range(worker.settings.max_checks + 1):
            age(order, 6)
            put(order, checkAskedAt=None)
            if asks == "a person":
                assert plans.request_check(order) is Requested.PLANNED
            else:
                assert plans.request_named(SANDBOX, number, None, USUAL) == (order, True)
            checking.check(worker, order)
        assert row(order)["checkCount"] == worker.settings.max_checks + 1
        assert round(seconds_until_check(order)) == 120, "as two minutes after the send without these"

    def test_an_answer_ends_the_providers_failures(self, worker: Worker) -> None:
        order = sent(worker)
        provider_health.failed(SANDBOX, "no answer", probe_seconds=30)
        checking.check(worker, order)
        health = provider_health.health(SANDBOX)
        assert health and health.failures == 0


class TestNotDue:
    def test_a_second_hint_asks_nothing(self, worker: Worker, simulator: Simulator) -> None:
        order = sent(worker)
        for _ in range(3):
            checking.check(worker, order)
        assert booked(simulator, order).times_checked == 1

    def test_it_needs_no_permit(self, worker: Worker, single: Provider) -> None:
        order = sent(worker)
        checking.check(worker, order)
        with worker.permits.one_call(single):
            checking.check(worker, order)

    def test_without_a_permit_nothing_is_counted(self, worker: Worker, single: Provider) -> None:
        order = sent(worker)
        with worker.permits.one_call(single), pytest.raises(Busy):
            checking.check(worker, order)
        assert row(order)["checkCount"] == 0


class TestUnclear:
    @pytest.mark.parametrize(
        ("answer", "failures"),
        [("html", 1), ("empty", 1), ("500", 1), ("half", 1), ("cut", 1), ("mumble", 0)],
    )
    def test_nothing_changes(self, worker: Worker, queue: Queue, answer: str, failures: int) -> None:
        order = sent(worker, f"never+check-{answer}")
        queue.clear()
        checking.check(worker, order)
        assert status(order) == "sent"
        assert events(order)[-1].startswith("checked (1), nothing learned: ")
        assert queue.hints() == [Hint(CHECK, order, 30)]
        health = provider_health.health(SANDBOX)
        assert (health.failures if health else 0) == failures

    def test_a_readable_refusal_of_the_question_ends_the_providers_failures(self, worker: Worker) -> None:
        provider_health.failed(SANDBOX, "no answer", probe_seconds=30)
        order = place("never+check-mumble")
        claims.claim_dispatch(order, 0, SANDBOX)
        checking.check(worker, order)
        health = provider_health.health(SANDBOX)
        assert health and health.failures == 0


class TestUnknownReference:
    def test_an_order_in_doubt_is_sent_again_after_two_answers_apart(
        self, worker: Worker, simulator: Simulator
    ) -> None:
        order = place("html")
        dispatching.dispatch(worker, order)
        for waited_seconds, requests in ((31, 1), (31, 2)):
            age(order, waited_seconds)
            checking.check(worker, order)
            assert booked(simulator, order).requests_seen == requests
        assert (status(order), row(order)["attempts"]) == ("sent", 2)
        assert booked(simulator, order).times_checked == 2

    def test_two_answers_close_together_count_as_one(self, worker: Worker, simulator: Simulator) -> None:
        order = place("html")
        dispatching.dispatch(worker, order)
        for _ in range(3):
            put(order, checkAskedAt=None)  # soon after the other, it would be the same check
            plans.request_check(order)
            checking.check(worker, order)
        assert booked(simulator, order).times_checked == 3
        assert events(order)[-1].startswith("checked (3), not known there: ")
        assert (booked(simulator, order).requests_seen, status(order)) == (1, "pending")

    def test_an_order_that_was_accepted_is_never_sent_again(
        self, worker: Worker, simulator: Simulator
    ) -> None:
        order = sent(worker)
        referans = row(order)["provider_referans"]
        simulator.book.reset()
        for _ in range(4):
            checking.check(worker, order)
            age(order, 601)
        assert simulator.book.get(referans) is None
        assert (status(order), row(order)["attempts"]) == ("sent", 1)
        assert denied.by_provider() == [Denied(SANDBOX, 1, referans)]

    def test_an_order_that_its_provider_knows_after_all_is_not_denied(self, worker: Worker) -> None:
        order = sent(worker)
        for expected in ([], [1]):
            claims.unknown_to_provider(order, 0, SANDBOX)
            assert [each.count for each in denied.by_provider()] == expected
        checking.check(worker, order)
        assert denied.by_provider() == []


class TestExpired:
    def test_an_order_fails_after_one_last_check(self, worker: Worker, simulator: Simulator) -> None:
        order = sent(worker)
        age(order, DAY)
        checking.check(worker, order)
        found = row(order)
        assert (found["externalStatus"], found["failureReason"]) == ("failed", "timeout")
        assert booked(simulator, order).times_checked == 1
        assert events(order)[-1] == ("timeout: no outcome within 86400 s of sending, one last check included")

    def test_an_outcome_of_the_last_check_counts(self, worker: Worker, simulator: Simulator) -> None:
        order = sent(worker, "poll")
        wait_until_decided(simulator, order)
        age(order, DAY)
        checking.check(worker, order)
        assert (status(order), row(order)["failureReason"]) == ("completed", None)
        assert events(order)[-1].startswith("checked (1): completed, ")

    @pytest.mark.parametrize("answer", ["html", "mumble"])
    def test_a_last_check_that_brings_nothing_delays_nothing(self, worker: Worker, answer: str) -> None:
        order = sent(worker, f"never+check-{answer}")
        age(order, DAY)
        checking.check(worker, order)
        assert (status(order), row(order)["failureReason"]) == ("failed", "timeout")

    def test_an_order_in_doubt_is_not_sent_again_with_its_last_check(
        self, worker: Worker, simulator: Simulator
    ) -> None:
        order = place("html")
        dispatching.dispatch(worker, order)
        put(order, unknownCount=claims.ASKS)
        age(order, DAY + 1)
        checking.check(worker, order)
        assert (status(order), row(order)["failureReason"]) == ("failed", "timeout")
        assert booked(simulator, order).requests_seen == 1

    def test_a_success_after_the_timeout_still_counts(self, worker: Worker, simulator: Simulator) -> None:
        order = sent(worker)
        age(order, DAY)
        checking.check(worker, order)
        simulator.book.decide(booked(simulator, order), State.COMPLETED, "PIN-LATE", "")
        plans.request_check(order)
        checking.check(worker, order)
        assert (status(order), row(order)["late"]) == ("completed", True)


class TestProviderDown:
    def test_one_check_is_the_probe_and_the_others_wait(self, worker: Worker, simulator: Simulator) -> None:
        first, second = sent(worker, "never+check-html"), sent(worker)
        go_down()
        database.rows("UPDATE referans.provider_health SET probe_at = now()")
        for order in (first, second):
            checking.check(worker, order)
        assert booked(simulator, first).times_checked == 1, "no probe was sent"
        assert booked(simulator, second).times_checked == 0

    def test_a_check_that_waits_is_not_counted(
        self, worker: Worker, simulator: Simulator, queue: Queue
    ) -> None:
        order = sent(worker)
        go_down()
        queue.clear()
        checking.check(worker, order)
        assert booked(simulator, order).times_checked == 0
        assert row(order)["checkCount"] == 0
        assert 20 < seconds_until_check(order) <= 30
        assert queue.hints() == []

    def test_it_delays_no_timeout(self, worker: Worker) -> None:
        order = sent(worker)
        go_down()
        age(order, DAY)
        checking.check(worker, order)
        assert (status(order), row(order)["failureReason"]) == ("failed", "timeout")


class TestUnusableProvider:
    @pytest.mark.usefixtures("backup")
    @pytest.mark.parametrize("accident", ACCIDENTS)
    def test_its_order_waits_and_times_out_all_the_same(
        self, worker: Worker, simulator: Simulator, accident: str
    ) -> None:
        order = sent(worker)
        spoil(SANDBOX, accident)
        checking.check(worker, order)
        assert status(order) == "sent"
        assert "not checked: the provider sandbox cannot be used" in events(order)[-1]

        age(order, DAY)
        checking.check(worker, order)
        assert (status(order), row(order)["failureReason"]) == ("failed", "timeout")
        assert events(order)[-1] == (
            "timeout: no outcome within 86400 s of sending, its provider sandbox could not be asked"
        )
        assert booked(simulator, order).times_checked == 0

    def test_a_hint_that_is_wrong_does_nothing(self, worker: Worker) -> None:
        order = sent(worker)
        spoil(SANDBOX, "damaged")
        checking.check(worker, order)
        before = (row(order), events(order))
        checking.check(worker, order)
        assert (row(order), events(order)) == before


def test_an_order_that_the_provider_booked_late_is_found(worker_for: WorkerFor, simulator: Simulator) -> None:
    worker = worker_for({"MAX_CHECKS": "1", "SLOW_CHECK_INTERVAL": "1800"})
    order = place("html+never")
    dispatching.dispatch(worker, order)
    simulator.book.book(booked(simulator, order), Decimal(10))
    age(order, 31)
    checking.check(worker, order)
    assert status(order) == "processing"
    assert 1700 < seconds_until_check(order) <= 1800
