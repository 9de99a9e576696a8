"""What a fault of ours had put off is taken up within a minute of its end; in this process."""

from collections.abc import Iterator
from contextlib import closing

import pytest
import redis

from gateway import broker
from gateway.fulfilment import dispatching, recovery
from gateway.fulfilment.worker import CHECK, DISPATCH, Worker
from gateway.settings import load
from models import readiness, sweep_run, unsent
from models.db import sealed
from models.readiness import Obstacle
from tests.conftest import KEY
from tests.gateway.fulfilment.conftest import Lines, WorkerFor
from tests.gateway.fulfilment.orders import OTHER_KEY, Hint, Queue, age, place, sent
from tests.refusing import full


@pytest.fixture
def lost(models: None) -> str:
    """An order that was placed 20 seconds ago, and whose hint nobody got."""
    order = place("never")
    age(order, 20)
    return order


def test_a_new_order_whose_hint_was_lost_is_taken_up_long_before_its_plan(
    worker: Worker, queue: Queue, lost: str
) -> None:
    place("never")  # its hint may still come
    assert recovery.take_up(worker) == 1
    assert queue.hints() == [Hint(DISPATCH, lost, 0)]


def test_a_check_whose_hint_was_lost_is_taken_up(worker: Worker, queue: Queue) -> None:
    order = sent(worker)
    queue.clear()
    for seconds, hints in ((10, []), (10, [Hint(CHECK, order, 0)])):
        age(order, seconds)
        recovery.take_up(worker)
        assert queue.hints() == hints


def test_an_order_that_was_put_off_is_left_alone_until_its_plan(
    worker: Worker, queue: Queue, lost: str
) -> None:
    unsent.put_off(lost, 40, 40, 86400)
    assert recovery.take_up(worker) == 0
    age(lost, 60)
    assert recovery.take_up(worker) == 1


def test_an_order_that_stays_late_is_handed_over_once_in_half_a_minute(
    worker_for: WorkerFor, queue: Queue, redis_client: redis.Redis, lost: str
) -> None:
    """Whatever its work fails by, and however many workers look."""
    assert [recovery.take_up(worker_for()) for _ in range(3)] == [1, 0, 0]
    [key] = redis_client.keys("referans:hinted:*")
    assert 25_000 < redis_client.pttl(key) <= 30_000
    redis_client.delete(key)
    assert recovery.take_up(worker_for()) == 1


def test_a_queue_that_is_not_nearly_empty_has_the_hints(
    worker: Worker, queue: Queue, lost: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recovery, "NEARLY_EMPTY", 2)
    due = sent(worker)
    age(due, 20)
    queue.clear()
    worker.hints.send((DISPATCH, f"another{number}") for number in range(2))
    assert recovery.take_up(worker) == 1
    assert Hint(CHECK, due, 0) in queue.hints() and Hint(DISPATCH, lost, 0) not in queue.hints()


class TestWhileTheFaultLasts:
    """Nothing is hinted at, so that nothing fails again and again; and the next look after its end finds all."""

    @pytest.fixture(autouse=True)
    def taken_up_afterwards(self, worker: Worker, lost: str) -> Iterator[None]:
        yield
        assert recovery.take_up(worker) == 1

    def test_the_keys_of_this_process_open_nothing(self, worker: Worker, queue: Queue, lines: Lines) -> None:
        sealed.bind([OTHER_KEY])
        assert (recovery.take_up(worker), queue.hints()) == (0, [])
        assert [line["action"] for line in lines] == ["wrong_keys"]
        assert sweep_run.silence_seconds(recovery.WRONG_KEYS) is not None
        sealed.bind([KEY])

    def test_nothing_can_be_written(
        self, worker: Worker, queue: Queue, lines: Lines, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with monkeypatch.context() as patched:
            patched.setattr(readiness, "obstacle", lambda: Obstacle("read-only", "read-only", "…"))
            assert (recovery.take_up(worker), queue.hints()) == (0, [])
        assert [line["action"] for line in lines] == ["no_writes"]

    def test_the_queue_takes_nothing(self, worker_for: WorkerFor, own_redis_url: str, lines: Lines) -> None:
        settings = load({"REDIS_URL": own_redis_url}, require=())
        with closing(broker.make_broker(settings, strict=True)) as dramatiq:
            cramped = worker_for(hints=broker.Hints(dramatiq, longest_delay_seconds=300))
            with full(own_redis_url):
                assert recovery.take_up(cramped) == 0
            assert [line["action"] for line in lines] == ["not_taken_up"]
            assert recovery.take_up(cramped) == 1


def test_what_was_sent_meanwhile_is_not_late(worker: Worker, queue: Queue, lost: str) -> None:
    dispatching.dispatch(worker, lost)
    assert recovery.take_up(worker) == 0
