"""Giving an order to its provider, and to the next one; each in this process, against the simulator."""

from decimal import Decimal
from typing import Any

import pytest
import redis

from gateway import outbound, providers
from gateway.dev.simulator import Simulator
from gateway.dev.simulator.book import State
from gateway.fulfilment import checking, dispatching
from gateway.fulfilment.permits import Busy
from gateway.fulfilment.worker import CHECK, Worker
from gateway.providers.base import Task
from gateway.providers.znet import Znet
from models import claims, provider, provider_counts, provider_health
from models.codes import Code
from models.outcome import Arrival, Outcome
from models.provider import Candidate, Provider
from models.provider_health import Health
from models.status import ExternalStatus, Source
from tests import factories
from tests.gateway.fulfilment.conftest import BACKUP, WorkerFor
from tests.gateway.fulfilment.orders import (
    ACCIDENTS,
    Hint,
    Queue,
    age,
    booked,
    check_until_final,
    events,
    place,
    put,
    row,
    seconds_until_check,
    spoil,
    status,
)

SANDBOX = factories.SANDBOX


def in_doubt(worker: Worker, words: str) -> str:
    """An order whose first send was answered with an HTML page, and which the provider has denied twice since."""
    order = place(f"html+{words}")
    dispatching.dispatch(worker, order)
    assert status(order) == "pending"
    put(order, unknownCount=claims.ASKS)
    age(order, 61)
    return order


class TestAccepted:
    def test_the_order_is_sent_and_its_first_check_planned(
        self, worker: Worker, simulator: Simulator, queue: Queue
    ) -> None:
        order = place()
        dispatching.dispatch(worker, order)

        found = row(order)
        assert (found["externalStatus"], found["attempts"]) == ("sent", 1)
        assert found["sentAt"] and found["costAmount"] == Decimal("25.50")
        assert 50 < seconds_until_check(order) <= 60
        assert queue.hints() == [Hint(CHECK, order, 60)]
        assert events(order)[-1] == "accepted by sandbox, cost 25.50 TRY"
        assert booked(simulator, order).times_booked == 1

    def test_a_second_hint_sends_nothing(self, worker: Worker, simulator: Simulator) -> None:
        order = place()
        for _ in range(2):
            dispatching.dispatch(worker, order)
        assert booked(simulator, order).requests_seen == 1

    def test_the_providers_failures_end(self, worker: Worker) -> None:
        provider_health.failed(SANDBOX, "no answer", probe_seconds=30)
        dispatching.dispatch(worker, place())
        health = provider_health.health(SANDBOX)
        assert health and health.failures == 0

    def test_a_callback_that_was_quicker_than_the_providers_number_is_settled(
        self, worker: Worker, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        class Numbered(Znet):
            """A provider that tells its own number with its answer, and calls back by it."""

            def send(self, task: Task) -> Outcome:
                return Outcome(ExternalStatus.SENT, task.referans, external_order_id="N-7")

        monkeypatch.setitem(providers.ADAPTERS, "numbered", Numbered)
        factories.add_provider(adapter="numbered")
        early = Outcome(ExternalStatus.COMPLETED, external_order_id="N-7", codes=(Code("PIN-EARLY"),))
        factories.settle(Arrival(SANDBOX, Source.CALLBACK, early, dedupe_key="1", raw="{}"))
        order = place()
        dispatching.dispatch(worker, order)
        assert status(order) == "completed"


class TestBusy:
    def test_nothing_is_claimed_without_a_permit(
        self, worker: Worker, simulator: Simulator, single: Provider
    ) -> None:
        order = place()
        with worker.permits.one_call(single), pytest.raises(Busy):
            dispatching.dispatch(worker, order)
        assert (status(order), row(order)["attempts"]) == ("not_sent", 0)
        assert not simulator.book.orders()

    def test_an_order_that_is_not_due_needs_no_permit(self, worker: Worker, single: Provider) -> None:
        order = place()
        dispatching.dispatch(worker, order)
        with worker.permits.one_call(single):
            dispatching.dispatch(worker, order)


class TestRefused:
    def test_the_next_provider_gets_it(self, worker: Worker, simulator: Simulator, backup: str) -> None:
        with Simulator(echo=None, kod="elsewhere", sifre=factories.CREDENTIALS["sifre"]) as other:
            factories.add_provider(
                backup, other.url, credentials=factories.CREDENTIALS | {"kod": "elsewhere"}
            )
            order = place("poll+only=elsewhere")
            dispatching.dispatch(worker, order)

            found = row(order)
            assert (found["externalStatus"], found["providerId"]) == ("sent", backup)
            assert (found["triedProviders"], found["attempts"]) == ([SANDBOX], 2)
            assert booked(simulator, order).times_booked == 0
            assert booked(other, order).times_booked == 1
        assert "sandbox refused: Stok yok; sending to backup" in events(order)

    @pytest.mark.usefixtures("backup")
    @pytest.mark.parametrize(
        ("reason", "failure"), [("stok_yok", "product"), ("sipariş_reddedildi", "provider")]
    )
    def test_an_order_that_all_refuse_has_failed(
        self, worker: Worker, simulator: Simulator, reason: str, failure: str
    ) -> None:
        order = place(f"refuse={reason}")
        dispatching.dispatch(worker, order)
        found = row(order)
        assert (found["externalStatus"], found["failureReason"]) == ("failed", failure)
        assert (found["lastMessage"], found["providerId"]) == (reason.replace("_", " "), BACKUP)
        assert booked(simulator, order).requests_seen == 2

    def test_it_is_counted_with_its_reason(self, worker: Worker) -> None:
        dispatching.dispatch(worker, place("refuse=stok_yok"))
        assert worker.counts.drain(30)
        [counted] = provider_counts.last_hour()
        assert (counted.provider_id, counted.kind, counted.count) == (SANDBOX, "order_refused", 1)
        assert counted.last_reason == "stok yok"

    def test_a_refusal_ends_the_providers_failures(self, worker: Worker) -> None:
        provider_health.failed(SANDBOX, "no answer", probe_seconds=30)
        dispatching.dispatch(worker, place("refuse"))
        health = provider_health.health(SANDBOX)
        assert health and health.failures == 0

    def test_a_next_provider_that_is_busy_gets_it_with_its_first_check(
        self, worker: Worker, simulator: Simulator, queue: Queue
    ) -> None:
        factories.add_provider(BACKUP, simulator.url, max_concurrency=1)
        second = provider.find(BACKUP)
        assert second
        order = place("refuse")
        with worker.permits.one_call(second):
            dispatching.dispatch(worker, order)
        assert (status(order), row(order)["providerId"]) == ("pending", BACKUP)
        assert seconds_until_check(order) <= 1
        assert queue.hints() == [Hint(CHECK, order, 1)]
        assert booked(simulator, order).requests_seen == 1

        age(order, 1)
        checking.check(worker, order)
        assert booked(simulator, order).requests_seen == 2
        assert booked(simulator, order).times_checked == 0, "it was asked for an order it never got"


class TestRefusedResend:
    """A provider may refuse the second send because it has booked the first."""

    def test_the_next_provider_gets_it_once_the_first_denies_it(
        self, worker: Worker, simulator: Simulator, backup: str
    ) -> None:
        order = in_doubt(worker, "refuse")
        checking.check(worker, order)
        assert booked(simulator, order).times_checked == 1
        assert (row(order)["providerId"], status(order)) == (backup, "failed")

    @pytest.mark.usefixtures("backup")
    def test_an_order_that_it_has_after_all_goes_to_no_other(
        self, worker: Worker, simulator: Simulator, queue: Queue
    ) -> None:
        order = in_doubt(worker, "refuse+never")
        simulator.book.book(booked(simulator, order), Decimal(10))
        queue.clear()
        checking.check(worker, order)

        assert (row(order)["providerId"], status(order)) == (SANDBOX, "processing")
        assert booked(simulator, order).requests_seen == 2
        assert events(order)[-1] == "found after it was refused"
        assert queue.hints() == [Hint(CHECK, order, 30)]

    @pytest.mark.usefixtures("backup")
    @pytest.mark.parametrize("answer", ["html", "mumble"])
    def test_while_that_is_unclear_it_goes_to_no_other(
        self, worker: Worker, simulator: Simulator, answer: str
    ) -> None:
        order = in_doubt(worker, f"refuse+check-{answer}")
        checking.check(worker, order)

        assert (row(order)["providerId"], status(order)) == (SANDBOX, "pending")
        assert row(order)["unknownCount"] == 0, "it is sent again without being asked"
        assert booked(simulator, order).requests_seen == 2
        assert 20 < seconds_until_check(order) <= 30


class TestUnclear:
    @pytest.mark.parametrize(
        ("words", "requests"),
        [
            ("html", 2),
            ("empty", 2),
            ("500", 2),
            ("cut", 2),
            ("half", 1),
            ("cutafter", 1),
            ("lostanswer", 1),
            ("latin5+duplicate", 1),
            ("mumble+check-mumble=3", 1),
        ],
    )
    def test_it_ends_in_the_truth_with_one_booking(
        self, worker: Worker, simulator: Simulator, queue: Queue, words: str, requests: int
    ) -> None:
        order = place(f"{words}+poll")
        dispatching.dispatch(worker, order)
        assert status(order) == "pending"
        assert 20 < seconds_until_check(order) <= 30
        assert queue.hints() == [Hint(CHECK, order, 30)]

        check_until_final(worker, simulator, order)
        assert status(order) == "completed"
        assert booked(simulator, order).times_booked == 1
        assert booked(simulator, order).requests_seen == requests

    def test_an_answer_that_takes_too_long_counts_as_none(
        self, worker_for: WorkerFor, simulator: Simulator
    ) -> None:
        worker = worker_for(client=outbound.Client(read_timeout_seconds=0.4))
        order = place("slow=5+poll")
        dispatching.dispatch(worker, order)
        assert status(order) == "pending"
        check_until_final(worker, simulator, order)
        assert booked(simulator, order).requests_seen == 1

    def test_only_silence_counts_against_the_provider(self, worker: Worker) -> None:
        dispatching.dispatch(worker, place("mumble"))
        assert provider_health.health(SANDBOX) is None
        dispatching.dispatch(worker, place("html"))
        health = provider_health.health(SANDBOX)
        assert health and health.failures == 1

    def test_an_order_that_never_reached_its_provider_is_sent_without_asking(
        self, worker: Worker, simulator: Simulator
    ) -> None:
        factories.add_provider()  # on a port that is closed
        order = place()
        dispatching.dispatch(worker, order)
        assert status(order) == "pending"
        assert "not reached, will send again" in events(order)[-1]

        factories.add_provider(base_url=simulator.url)
        age(order, 31)
        checking.check(worker, order)
        assert status(order) == "sent"
        assert booked(simulator, order).times_checked == 0


class TestFaultsOfAnAdapter:
    """No fault of an adapter loses an order or blames its provider."""

    @pytest.fixture
    def broken(
        self, monkeypatch: pytest.MonkeyPatch, backup: str, simulator: Simulator, request: Any
    ) -> None:
        """The sandbox speaks through an adapter that fails before or after each of its calls."""

        def failing(name: str) -> Any:
            def fail(self: Znet, task: Task) -> Outcome:
                if request.param == "after":
                    getattr(Znet, name)(self, task)
                raise RuntimeError("a fault of the adapter's author")

            return fail

        adapter = type("Broken", (Znet,), {name: failing(name) for name in ("send", "check")})
        monkeypatch.setitem(providers.ADAPTERS, "broken", adapter)
        factories.add_provider(adapter="broken", base_url=simulator.url)

    @pytest.mark.usefixtures("broken")
    @pytest.mark.parametrize("broken", ["before"], indirect=True)
    def test_an_order_of_which_nothing_was_sent_is_sent_again(
        self, worker: Worker, simulator: Simulator
    ) -> None:
        order = place()
        for _ in range(2):
            dispatching.dispatch(worker, order)
            assert events(order)[-1] == (
                "sandbox: not sent because of a fault on our side, will send again:"
                " the adapter broken failed (RuntimeError)"
            )
            age(order, 61)
            checking.check(worker, order)
        assert (status(order), row(order)["providerId"]) == ("pending", SANDBOX)
        assert (provider_health.health(SANDBOX), simulator.book.orders()) == (None, [])

        factories.add_provider(adapter="znet", base_url=simulator.url)
        age(order, 61)
        checking.check(worker, order)
        assert status(order) == "sent"
        assert booked(simulator, order).times_checked == 0, "it was asked for an order it never got"

    @pytest.mark.usefixtures("broken")
    @pytest.mark.parametrize("broken", ["after"], indirect=True)
    def test_an_order_that_was_sent_is_in_doubt(self, worker: Worker, simulator: Simulator) -> None:
        order = place("never")
        dispatching.dispatch(worker, order)
        assert status(order) == "pending"
        assert "no clear answer to the send, will ask: the adapter broken failed" in events(order)[-1]
        age(order, 61)
        checking.check(worker, order)
        assert "nothing learned: the adapter broken failed (RuntimeError)" in events(order)[-1]
        assert (status(order), row(order)["providerId"]) == ("pending", SANDBOX)
        assert (booked(simulator, order).requests_seen, provider_health.health(SANDBOX)) == (1, None)

    def test_settings_that_make_no_adapter_send_nothing(self, worker: Worker) -> None:
        order = place()
        claimed = claims.claim_dispatch(order, 60, SANDBOX)
        assert claimed
        unusable = Provider(SANDBOX, "znet", "http://127.0.0.1:1", "token", {})
        dispatching.send(worker, claimed, Candidate(unusable, Health()))
        assert status(order) == "pending"
        assert "not reached, will send again: nothing was sent" in events(order)[-1]


class TestUnusable:
    @pytest.mark.parametrize("accident", ACCIDENTS)
    def test_it_is_passed_over_where_the_order_is_not_sent_yet(
        self, worker: Worker, backup: str, accident: str
    ) -> None:
        order = place()
        spoil(SANDBOX, accident)
        dispatching.dispatch(worker, order)
        assert (status(order), row(order)["providerId"]) == ("sent", backup)
        assert "sandbox cannot be used; routed to backup" in events(order)

    @pytest.mark.parametrize("accident", [name for name in ACCIDENTS if name != "no-provider"])
    def test_it_is_passed_over_where_another_one_refused(
        self, worker: Worker, simulator: Simulator, backup: str, accident: str
    ) -> None:
        factories.add_provider("third", simulator.url)
        spoil(backup, accident)
        order = place("refuse")
        dispatching.dispatch(worker, order)
        assert (row(order)["providerId"], row(order)["triedProviders"]) == ("third", [SANDBOX])
        assert booked(simulator, order).requests_seen == 2

    def test_an_order_that_no_provider_can_be_given_waits_and_then_fails(
        self, worker_for: WorkerFor, simulator: Simulator
    ) -> None:
        worker = worker_for({"ORDER_TIMEOUT": "3600"})
        order = place()
        spoil(SANDBOX, "damaged")
        dispatching.dispatch(worker, order)
        assert status(order) == "not_sent"
        assert 140 < seconds_until_check(order) <= 150, "half a period of the sweep"

        age(order, 3600)
        dispatching.dispatch(worker, order)
        found = row(order)
        assert (found["externalStatus"], found["failureReason"]) == ("failed", "timeout")
        assert (found["sentAt"], found["attempts"]) == (None, 0)
        assert not simulator.book.orders()

    def test_an_order_that_was_sent_stays_with_it(
        self, worker: Worker, simulator: Simulator, backup: str
    ) -> None:
        order = place()
        dispatching.dispatch(worker, order)
        spoil(SANDBOX, "damaged")
        dispatching.dispatch(worker, order)
        assert (status(order), row(order)["providerId"]) == ("sent", SANDBOX)
        assert booked(simulator, order).requests_seen == 1


def test_an_order_that_does_not_exist_is_left(worker: Worker, redis_client: redis.Redis) -> None:
    dispatching.dispatch(worker, factories.NO_ORDER)
    assert not redis_client.keys("*")


def test_a_late_decision_of_the_provider_is_what_counts(worker: Worker, simulator: Simulator) -> None:
    order = place("never")
    dispatching.dispatch(worker, order)
    simulator.book.decide(booked(simulator, order), State.FAILED, "", "iptal")
    age(order, 61)
    checking.check(worker, order)
    assert (status(order), row(order)["lastMessage"]) == ("failed", "iptal")
