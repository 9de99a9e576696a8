"""The sweep finds whatever was missed; step by step, in this process."""

import itertools
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime

import psycopg2
import pytest

from gateway import broker
from gateway.fulfilment import dispatching, sweeping
from gateway.fulfilment.worker import CHECK, DISPATCH, Worker
from gateway.settings import load
from models import api_key, gauges, outbox, sweep_run, unsent
from models.api_key import Scope
from models.codes import Code
from models.db import database, receiver
from models.outbox import Became, Tried
from models.outcome import Arrival, Outcome
from models.status import ExternalStatus, Source
from models.sweep_run import Sweep
from tests import factories
from tests.gateway.fulfilment.conftest import Lines, WorkerFor
from tests.gateway.fulfilment.orders import Hint, Queue, age, place, put, row, seconds_until_check, status

SANDBOX = factories.SANDBOX


def sweep(worker: Worker) -> Sweep:
    """Sweep once; the row that it left, its counts in it."""
    sweeping.sweep(worker)
    found = sweep_run.last()
    assert found and found.finished_at
    return found


def came_early(referans: str, pin: str) -> None:
    """A callback whose reference is not known yet."""
    outcome = Outcome(ExternalStatus.COMPLETED, referans, codes=(Code(pin),) if pin else ())
    arrival = Arrival(SANDBOX, Source.CALLBACK, outcome, dedupe_key=f"event-{referans}", raw="{}")
    assert factories.settle(arrival) == ["unmatched"]


def sent_as(worker: Worker, referans: str) -> str:
    """An order that was sent under a reference which callbacks knew before we did."""
    order = place("never")
    dispatching.dispatch(worker, order)
    put(order, provider_referans=referans)
    return order


class TestUnmatchedCallbacks:
    def test_they_are_settled_once_their_order_has_appeared(self, worker: Worker) -> None:
        came_early("77", "PIN-EARLY")
        came_early("78", "PIN-OF-NO-ORDER")
        order = sent_as(worker, "77")
        found = sweep(worker)
        assert status(order) == "completed"
        assert (found.counts["unmatched_settled"], found.error) == (1, None)

    def test_all_are_found_however_small_the_batch(self, worker_for: WorkerFor) -> None:
        worker = worker_for({"SWEEP_BATCH": "2"})
        orders = []
        for number in range(5):
            came_early(f"77{number}", f"PIN-{number}")
            orders.append(sent_as(worker, f"77{number}"))
        assert sweep(worker).counts["unmatched_settled"] == 5
        assert {status(order) for order in orders} == {"completed"}

    def test_the_code_that_one_did_not_bring_is_asked_for(self, worker: Worker, queue: Queue) -> None:
        came_early("77", "")
        order = sent_as(worker, "77")
        queue.clear()
        sweep(worker)
        assert (status(order), row(order)["codeAsks"]) == ("completed", 0)
        assert Hint(CHECK, order, 0) in queue.hints()

    def test_one_of_a_former_provider_is_settled(self, worker: Worker) -> None:
        came_early("77", "PIN-OF-THE-FIRST")
        order = sent_as(worker, "77")
        put(order, providerId="elsewhere", triedProviders=[SANDBOX])
        sweep(worker)
        assert row(order)["attention"] == "conflict"

    def test_one_that_does_not_open_delays_no_other_and_is_reported(self, worker: Worker) -> None:
        came_early("77", "PIN-SPOILT")
        came_early("78", "PIN-SOUND")
        spoilt, sound = sent_as(worker, "77"), sent_as(worker, "78")
        database.rows(
            "UPDATE referans.callback_events SET outcome = 'sealed:under a key that is gone' WHERE id = 1"
        )
        found = sweep(worker)
        assert (status(spoilt), status(sound)) == ("sent", "completed")
        assert found.counts["unmatched_settled"] == 1
        assert "1 callbacks do not open" in found.error

    def test_one_that_the_database_refuses_delays_no_other(self, worker: Worker, lines: Lines) -> None:
        for number in range(4):
            came_early(f"77{number}", f"PIN-{number}")
        orders = [sent_as(worker, f"77{number}") for number in range(4)]
        with refusing("771", "check_violation"):
            found = sweep(worker)
        assert [status(order) for order in orders] == ["completed", "sent", "completed", "completed"]
        assert found.error is None
        assert [line["action"] for line in lines].count("settle_failed") == 1

    @pytest.mark.parametrize("error", ["query_canceled", "read_only_sql_transaction"])
    def test_while_the_database_is_away_they_are_not_tried_one_by_one(
        self, worker: Worker, lines: Lines, error: str
    ) -> None:
        for number in range(3):
            came_early(f"77{number}", f"PIN-{number}")
        orders = [sent_as(worker, f"77{number}") for number in range(3)]
        with refusing("771", error):
            found = sweep(worker)
        assert {status(order) for order in orders} == {"sent"}
        assert found.error.startswith("unmatched_settled: ")
        actions = {line["action"] for line in lines}
        assert "sweep_failed" in actions and "settle_failed" not in actions


@contextmanager
def refusing(referans: str, error: str) -> Iterator[None]:
    """Let the table refuse every change of one order, as a rule of the older storefront may."""
    database.rows(f"""
        CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN RAISE EXCEPTION 'not this one' USING ERRCODE = '{error}'; END $$;
        CREATE TRIGGER refuse BEFORE UPDATE ON product_orders FOR EACH ROW
            WHEN (OLD.provider_referans = '{referans}') EXECUTE FUNCTION refuse()
    """)
    try:
        yield
    finally:
        database.rows("DROP FUNCTION refuse CASCADE")


class TestDueOrders:
    def test_the_plan_of_an_order_that_another_system_ended_is_dropped(
        self, worker: Worker, queue: Queue
    ) -> None:
        order = place("never")
        dispatching.dispatch(worker, order)
        age(order, 61)
        put(order, externalStatus="delivered")
        queue.clear()
        assert gauges.singles()["referans_checks_due"][1] == 0
        sweep(worker)
        assert (queue.hints(), row(order)["nextCheckAt"]) == ([], None)

    def test_each_is_handed_to_its_actor(self, worker: Worker, queue: Queue) -> None:
        sent, due, unsent, new = (place("never") for _ in range(4))
        for order in (sent, due):
            dispatching.dispatch(worker, order)
        age(due, 61)
        age(unsent, 61)
        queue.clear()
        assert sweep(worker).counts["enqueued"] == 2
        assert sorted(queue.hints(), key=str) == [Hint(CHECK, due, 0), Hint(DISPATCH, unsent, 0)]
        assert seconds_until_check(new) > 0

    def test_all_are_found_however_small_the_batch(self, worker_for: WorkerFor, queue: Queue) -> None:
        orders = [place() for _ in range(5)]
        for order in orders:
            age(order, 61)
        assert sweep(worker_for({"SWEEP_BATCH": "2"})).counts["enqueued"] == 5
        assert {hint.order_id for hint in queue.hints()} == set(orders)

    def test_a_long_queue_gets_no_more(
        self, worker_for: WorkerFor, queue: Queue, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        worker = worker_for({"SWEEP_BATCH": "1"})
        monkeypatch.setattr(sweeping, "MAX_HINTS", 3)
        for _ in range(5):
            age(place(), 61)
        assert sweep(worker).counts["enqueued"] == 3
        assert sweep(worker).counts["enqueued"] == 0
        assert len(queue.hints()) == 3

    def test_a_queue_that_is_away_delays_no_other_step(self, worker_for: WorkerFor) -> None:
        age(place(), 61)
        keep_callback(days_old=31)
        with closing(broker.make_broker(load({"REDIS_URL": "redis://127.0.0.1:1"}, ()), strict=True)) as away:
            found = sweep(worker_for(hints=broker.Hints(away, longest_delay_seconds=300)))
        assert found.error.startswith("enqueued: ConnectionError: ")
        assert found.counts["callbacks_deleted"] == 1


def test_orders_of_another_system_are_followed(worker: Worker, queue: Queue) -> None:
    order = place("never")
    dispatching.dispatch(worker, order)
    put(order, nextCheckAt=None)
    queue.clear()
    counts = sweep(worker).counts
    assert (counts["adopted"], counts["enqueued"]) == (1, 0)
    assert queue.hints() == [Hint(CHECK, order, 60)]


@pytest.mark.parametrize("decided", ["approved", "rejected"])
def test_one_that_another_hand_has_decided_is_not_followed(worker: Worker, decided: str) -> None:
    order = place("never")
    dispatching.dispatch(worker, order)
    put(order, nextCheckAt=None, status=decided)
    assert sweep(worker).counts["adopted"] == 0


def keep_callback(days_old: int) -> None:
    database.rows(
        "INSERT INTO referans.callback_events (provider_id, dedupe_key, result, received_at)"
        " VALUES ('sandbox', %s, 'invalid', now() - make_interval(days => %s))",
        (f"{days_old} days old", days_old),
    )


def test_callbacks_past_their_retention_are_deleted(worker_for: WorkerFor) -> None:
    for days_old in (29, 31, 32, 33):
        keep_callback(days_old)
    assert sweep(worker_for({"SWEEP_BATCH": "1"})).counts["callbacks_deleted"] == 3
    assert [
        each["dedupe_key"] for each in database.rows("SELECT dedupe_key FROM referans.callback_events")
    ] == ["29 days old"]


def test_idempotency_keys_past_theirs_are_forgotten(worker_for: WorkerFor) -> None:
    worker = worker_for({"SWEEP_BATCH": "1"})
    api_key.create("storefront", [Scope.ORDERS_WRITE])
    for days_old in (6, 8, 9):
        database.rows(
            "INSERT INTO referans.idempotency_keys (api_key_id, key, fingerprint, created_at)"
            " SELECT id, %s, '', now() - make_interval(days => %s) FROM referans.api_keys",
            (f"{days_old} days old", days_old),
        )
    assert sweep(worker).counts["idempotency_keys_deleted"] == 2
    assert [each["key"] for each in database.rows("SELECT key FROM referans.idempotency_keys")] == [
        "6 days old"
    ]


class TestTheSweepItself:
    def test_it_leaves_a_row_with_what_it_did(self, worker: Worker) -> None:
        sweeping.sweep(worker, "by hand")
        found = sweep_run.last()
        assert found
        assert (found.started_by, found.error) == ("by hand", None)
        asked = {"balances_asked": 1, "balances_followed": 1}
        assert found.counts == dict.fromkeys(sweeping.STEPS, 0) | asked
        assert isinstance(found.finished_at, datetime)

    def test_it_stops_in_time_and_leaves_the_rest_to_the_next(
        self, worker_for: WorkerFor, queue: Queue
    ) -> None:
        for _ in range(4):
            age(place(), 61)
        minutes = itertools.count(step=60)
        worker = worker_for({"SWEEP_BATCH": "1"}, monotonic=lambda: next(minutes))
        counts = sweep(worker).counts
        # The deadline is looked at first for the two steps that find nothing, then before each order.
        assert counts["enqueued"] == len(queue.hints()) == 1

    def test_two_do_not_run_at_once(self, worker: Worker, emptied_database_url: str) -> None:
        with closing(psycopg2.connect(emptied_database_url)) as elsewhere:
            elsewhere.cursor().execute("SELECT pg_advisory_lock(%s)", (sweep_run.LOCK_ID,))
            assert sweeping.sweep(worker) is None
        assert sweep_run.last() is None

    def test_a_tick_shows_that_scheduler_queue_and_worker_are_alive(self, models: None) -> None:
        assert sweep_run.silence_seconds(sweeping.SCHEDULER) is None
        sweeping.record_tick()
        silence = sweep_run.silence_seconds(sweeping.SCHEDULER)
        assert silence is not None and silence < 5


def test_a_swept_order_ends(worker: Worker) -> None:
    order = place()
    age(order, 61)
    sweep(worker)
    dispatching.dispatch(worker, order)
    assert row(order)["externalStatus"] == "sent"


def test_its_progress_and_its_counts_are_told(worker: Worker) -> None:
    age(place(), 61)
    told: list[tuple[str, int]] = []
    swept = sweeping.sweep(worker, "by hand", lambda step, done: told.append((step, done)))
    assert swept and swept.counts["enqueued"] == 1 and swept.error is None
    assert told.count(("enqueued", 1)) == 2
    assert {step for step, _ in told} == set(sweeping.STEPS)


class TestNotifications:
    @pytest.fixture
    def order(self, worker: Worker) -> Iterator[str]:
        """One of which the storefront is to be told."""
        receiver.bind(True)
        order = place()
        cancelled = unsent.cancel(order, "tests", order_timeout_seconds=60)
        receiver.bind(False)
        assert cancelled
        yield order

    def test_workers_hear_that_some_are_due(self, worker_for: WorkerFor, order: str) -> None:
        told: list[int] = []
        worker = worker_for(tell=lambda: told.append(1))
        assert (sweep(worker).counts["notifications_due"], told) == (1, [1])
        outbox.claim(10, [], has_default=True)
        assert (sweep(worker).counts["notifications_due"], told) == (0, [1])

    def test_those_of_a_disabled_receiver_are_given_up(self, worker: Worker, order: str) -> None:
        database.rows("INSERT INTO referans.receivers (receiver, disabled_at) VALUES ('NOTIFY_URL', now())")
        assert sweep(worker).counts["notifications_dead"] == 1
        assert row(order)["attention"] == "notification_dead"

    def test_those_past_their_retention_are_deleted_once_they_have_ended(
        self, worker_for: WorkerFor, order: str
    ) -> None:
        worker = worker_for({"NOTIFY_RETENTION": "60"})
        database.rows("UPDATE referans.notifications SET created_at = now() - interval '61 seconds'")
        assert sweep(worker).counts["notifications_deleted"] == 0
        [due] = outbox.claim(10, [], has_default=True)
        outbox.record([Tried(due, Became.DELIVERED, 1, 200)])
        assert sweep(worker).counts["notifications_deleted"] == 1
