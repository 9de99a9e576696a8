"""The queue on a real server; hints, and the bell that never blocks: on both sides of a fork, without Redis too."""

import io
import json
import logging
import multiprocessing
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import dramatiq
import pytest
import redis
import structlog

from gateway import broker
from gateway.broker import NAMESPACE, QUEUES, Bell
from gateway.settings import Settings, load
from tests.waiting import wait_until

#: Seconds that a ring may take at most; it only puts something into a queue in memory.
AT_ONCE_SECONDS = 0.3
#: Seconds that a strict client may take for a server that says nothing, where the machine is busy.
SOON_SECONDS = 9.0
#: Heartbeat timeout.
TIMEOUT_SECONDS = 30


@pytest.fixture
def settings(redis_url: str) -> Settings:
    return load({"REDIS_URL": redis_url}, require=())


@pytest.fixture
def client(redis_url: str) -> Iterator[redis.Redis]:
    with closing(redis.Redis.from_url(redis_url)) as client:
        client.flushdb()
        yield client


@pytest.fixture
def bell(settings: Settings, client: redis.Redis) -> Bell:
    return Bell(broker.make_broker(settings, strict=True))


Elsewhere = Callable[[str], Bell]


@pytest.fixture
def elsewhere() -> Iterator[Elsewhere]:
    """A bell on another server; what waits in it is given up before the next test begins."""
    bells: list[Bell] = []

    def make(url: str) -> Bell:
        bells.append(Bell(broker.make_broker(load({"REDIS_URL": url}, require=()), strict=True)))
        return bells[-1]

    yield make
    assert all(bell.drain(30) for bell in bells)


@pytest.fixture
def silent_server(elsewhere: Elsewhere) -> Iterator[str]:
    """Takes connections and never answers; is away when `elsewhere` gives up what waits."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"redis://127.0.0.1:{listener.getsockname()[1]}"


@pytest.fixture
def no_server() -> Iterator[str]:
    """A port without a listener, held by us so that it stays so."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        yield f"redis://127.0.0.1:{holder.getsockname()[1]}"


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """What the broker logs."""
    written = io.StringIO()
    logger = structlog.wrap_logger(
        structlog.PrintLogger(written),
        processors=[structlog.processors.add_log_level, structlog.processors.JSONRenderer()],
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG),
    )
    monkeypatch.setattr(broker, "logger", logger)
    yield written


def actions(lines: io.StringIO) -> list[str]:
    return [json.loads(line)["action"] for line in lines.getvalue().splitlines()]


def messages(client: redis.Redis, queue: str) -> list[dict[str, Any]]:
    stored: Any = client.hgetall(f"{NAMESPACE}:{queue}.msgs")
    return [json.loads(each) for each in stored.values()]


def test_a_ring_is_a_message_for_the_actor(bell: Bell, client: redis.Redis) -> None:
    bell.ring("dispatch_order", "order-1")
    bell.ring("check_order_status", "order-2")
    assert bell.drain(30)
    [dispatch], [check] = messages(client, "dispatch"), messages(client, "checks")
    assert (dispatch["actor_name"], dispatch["args"], dispatch["kwargs"]) == (
        "dispatch_order",
        ["order-1"],
        {},
    )
    assert (check["actor_name"], check["args"]) == ("check_order_status", ["order-2"])
    assert broker.queue_lengths(client) == {
        "checks": 1, "checks.DQ": 0, "dispatch": 1, "dispatch.DQ": 0, "maintenance": 0, "maintenance.DQ": 0,
        "notifications": 0, "notifications.DQ": 0,
    }  # fmt: skip


def test_many_hints_at_notifications_are_one_and_the_next_is_another(bell: Bell, client: redis.Redis) -> None:
    for expected in (1, 2):
        for _ in range(1000):
            bell.notify()
        assert bell.drain(30)
        found = messages(client, "notifications")
        assert len(found) <= 2 * expected  # the first may be on its way before the last one comes
        assert {(each["actor_name"], *each["args"]) for each in found} == {("deliver_notifications",)}
    assert len(found) >= 2


def test_without_redis_a_hint_at_notifications_is_lost_and_nothing_is_raised(
    elsewhere: Elsewhere, no_server: str, lines: io.StringIO
) -> None:
    bell = elsewhere(no_server)
    bell.notify()
    assert bell.drain(30)
    assert actions(lines) == ["wake_failed"]
    bell.notify()
    assert bell.drain(30)


def test_a_worker_gets_what_was_rung(settings: Settings, bell: Bell) -> None:
    seen: list[str] = []
    workers = broker.make_broker(settings, strict=False)
    dramatiq.actor(actor_name="dispatch_order", queue_name="dispatch", broker=workers)(seen.append)
    worker = dramatiq.Worker(workers, worker_threads=1, worker_timeout=50)
    worker.start()
    try:
        bell.ring("dispatch_order", "order-1")
        assert wait_until(lambda: seen) == ["order-1"]
    finally:
        worker.stop()


def test_a_burst_arrives_whole_and_soon(bell: Bell, client: redis.Redis) -> None:
    began = time.monotonic()
    for number in range(500):
        bell.ring("dispatch_order", str(number))
    assert bell.drain(30)
    assert time.monotonic() - began < SOON_SECONDS
    assert {each["args"][0] for each in messages(client, "dispatch")} == {
        str(number) for number in range(500)
    }


def test_a_server_that_is_new_gets_its_hints_too(bell: Bell, client: redis.Redis, lines: io.StringIO) -> None:
    for known in (False, True):
        if not known:
            client.script_flush()
        bell.ring("dispatch_order", "1", "2")
        assert bell.drain(30)
    assert client.llen(f"{NAMESPACE}:dispatch") == 4
    assert actions(lines) == []


def test_threads_may_ring_together(bell: Bell, client: redis.Redis) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: bell.ring("dispatch_order", str(number)), range(200)))
    assert bell.drain(30)
    assert client.llen(f"{NAMESPACE}:dispatch") == 200
    assert sum(thread.name == "bell" and thread is bell._thread for thread in threading.enumerate()) == 1


def _ring_in_child(bell: Bell, name: str) -> None:
    bell.ring("dispatch_order", name)
    os._exit(0 if bell.drain(30) else 1)


@pytest.mark.parametrize("rung_before", [False, True])
def test_the_bell_rings_on_both_sides_of_a_fork(bell: Bell, client: redis.Redis, rung_before: bool) -> None:
    if rung_before:
        bell.ring("dispatch_order", "before")
        assert bell.drain(30)
    child = multiprocessing.get_context("fork").Process(target=_ring_in_child, args=(bell, "child"))
    child.start()
    bell.ring("dispatch_order", "parent")
    child.join(20)
    assert (child.exitcode, bell.drain(30)) == (0, True)
    rung = sorted(each["args"][0] for each in messages(client, "dispatch"))
    assert rung == sorted(["child", "parent", *(["before"] if rung_before else [])])


def test_a_fork_while_the_lock_is_held_leaves_the_child_free(bell: Bell, client: redis.Redis) -> None:
    with bell._lock:
        child = multiprocessing.get_context("fork").Process(target=_ring_in_child, args=(bell, "child"))
        child.start()
    child.join(20)
    assert child.exitcode == 0
    assert [each["args"] for each in messages(client, "dispatch")] == [["child"]]


def test_what_waits_at_a_fork_is_sent_by_the_parent_only(elsewhere: Elsewhere, silent_server: str) -> None:
    bell = elsewhere(silent_server)
    bell.ring("dispatch_order", "1")
    bell.ring("dispatch_order", "2")
    child = multiprocessing.get_context("fork").Process(target=lambda: os._exit(0 if bell.drain(0) else 1))
    child.start()
    child.join(20)
    assert child.exitcode == 0


def test_a_silent_server_blocks_no_caller(elsewhere: Elsewhere, silent_server: str) -> None:
    bell = elsewhere(silent_server)
    began = time.monotonic()
    for number in range(20):
        bell.ring("dispatch_order", str(number))
    assert time.monotonic() - began < 20 * AT_ONCE_SECONDS
    assert not bell.drain(0.1)


def test_an_outage_is_logged_once_and_nothing_is_raised(
    elsewhere: Elsewhere, no_server: str, lines: io.StringIO
) -> None:
    bell = elsewhere(no_server)
    for number in range(20):
        bell.ring("dispatch_order", str(number))
    assert bell.drain(SOON_SECONDS)
    assert actions(lines) == ["wake_failed"]


def test_an_outage_is_logged_once_over_all_threads(bell: Bell, lines: io.StringIO) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: bell.ring("no_such_actor", number), range(400)))
    assert actions(lines) == ["wake_failed"]


def test_the_next_outage_is_logged_again(
    bell: Bell, client: redis.Redis, settings: Settings, no_server: str, lines: io.StringIO
) -> None:
    away = broker.make_client(load({"REDIS_URL": no_server}, require=()), strict=True).connection_pool
    there = bell._broker.client.connection_pool
    for pool in (away, away, there, away):
        bell._broker.client.connection_pool = pool
        bell.ring("dispatch_order", "1")
        assert bell.drain(SOON_SECONDS)
    assert actions(lines) == ["wake_failed", "wake_failed"]
    assert client.llen(f"{NAMESPACE}:dispatch") == 1


def test_a_full_bell_drops_hints(
    elsewhere: Elsewhere, silent_server: str, lines: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(broker, "MAX_WAITING", 3)
    bell = elsewhere(silent_server)
    for number in range(20):
        bell.ring("dispatch_order", str(number))
    assert bell._waiting.qsize() <= 3
    assert actions(lines) == ["wake_failed"]


@pytest.mark.parametrize(("actor_name", "argument"), [("no_such_actor", "1"), ("dispatch_order", object())])
def test_what_cannot_be_sent_is_not_raised(
    bell: Bell, lines: io.StringIO, actor_name: str, argument: object
) -> None:
    bell.ring(actor_name, argument)
    assert bell.drain(30)
    assert actions(lines) == ["wake_failed"]
    bell.ring("dispatch_order", "1")
    assert bell.drain(30)
    assert actions(lines) == ["wake_failed"]


class TestWake:
    @pytest.fixture(autouse=True)
    def _uninstalled(self) -> Iterator[None]:
        before = broker._bell
        broker.install(None)
        yield
        broker.install(before)

    def test_it_rings_the_installed_bell(self, bell: Bell, client: redis.Redis) -> None:
        broker.install(bell)
        broker.wake("check_order_status", "order-1")
        assert broker.drain(30)
        assert [each["args"] for each in messages(client, "checks")] == [["order-1"]]

    def test_without_a_bell_it_logs_a_debug_line(self, lines: io.StringIO) -> None:
        broker.wake("dispatch_order", "order-1")
        assert broker.drain(0)
        assert [(json.loads(line)["level"]) for line in lines.getvalue().splitlines()] == ["debug"]


def test_ping_answers_where_redis_is(settings: Settings) -> None:
    broker.ping(settings)


def test_ping_fails_where_it_is_refused(no_server: str) -> None:
    began = time.monotonic()
    with pytest.raises(redis.RedisError):
        broker.ping(load({"REDIS_URL": no_server}, require=()))
    assert time.monotonic() - began < SOON_SECONDS


def test_ping_gives_a_silent_server_up(silent_server: str) -> None:
    began = time.monotonic()
    with pytest.raises(redis.RedisError):
        broker.ping(load({"REDIS_URL": silent_server}, require=()))
    assert time.monotonic() - began < SOON_SECONDS


@pytest.mark.parametrize(("verify", "mode"), [("1", "required"), ("0", "none")])
def test_certificates_are_verified_unless_told_otherwise(verify: str, mode: str) -> None:
    settings = load({"REDIS_URL": "rediss://h:1", "REDIS_TLS_VERIFY": verify}, require=())
    connection: Any = broker.make_client(settings, strict=True).connection_pool.make_connection()
    assert connection.cert_reqs.name == {"required": "CERT_REQUIRED", "none": "CERT_NONE"}[mode]
    assert connection.check_hostname == (mode == "required")


class TestWorkersAlive:
    def test_a_process_that_only_rings_does_not_count(self, bell: Bell, client: redis.Redis) -> None:
        bell.ring("dispatch_order", "order-1")
        assert bell.drain(30)
        assert client.zcard(f"{NAMESPACE}:__heartbeats__") == 1
        assert broker.workers_alive(client, TIMEOUT_SECONDS) == 0

    def test_every_worker_counts_once(self, settings: Settings, client: redis.Redis) -> None:
        started = [_started_worker(settings) for _ in range(2)]
        try:
            wait_until(lambda: broker.workers_alive(client, TIMEOUT_SECONDS) == 2)
        finally:
            for worker in started:
                worker.stop()

    def test_a_worker_that_fell_silent_does_not_count(self, client: redis.Redis) -> None:
        now_ms = time.time() * 1000
        beats = {"worker-old": now_ms - 1000 * TIMEOUT_SECONDS - 1, "worker-new": now_ms - 1000}
        client.zadd(f"{NAMESPACE}:__heartbeats__", beats)
        assert broker.workers_alive(client, TIMEOUT_SECONDS) == 1


def _started_worker(settings: Settings) -> dramatiq.Worker:
    workers = broker.make_broker(settings, strict=False)
    workers.declare_queue("dispatch")
    worker = dramatiq.Worker(workers, worker_threads=1, worker_timeout=50)
    worker.start()
    return worker


def test_delayed_messages_are_counted_apart(settings: Settings, client: redis.Redis) -> None:
    broker.make_broker(settings, strict=True).enqueue(broker.message("check_order_status", "1"), delay=60_000)
    lengths = broker.queue_lengths(client)
    assert (lengths["checks"], lengths["checks.DQ"]) == (0, 1)
    assert {name.removesuffix(".DQ") for name in lengths} == set(QUEUES.values())


def test_a_tick_is_lost_with_the_queue_and_anything_else_is_said(no_server: str, lines: io.StringIO) -> None:
    away = broker.make_broker(load({"REDIS_URL": no_server}, require=()), strict=True)

    away.enqueue(broker.message("sweep").copy(options={"scheduled_at": "now"}))
    assert actions(lines) == ["tick_lost"]
    with pytest.raises(redis.ConnectionError):
        away.enqueue(broker.message("sweep"))


class TestHints:
    """What a worker says of orders that need another look."""

    @pytest.fixture
    def hints(self, settings: Settings) -> broker.Hints:
        return broker.Hints(broker.make_broker(settings, strict=True), longest_delay_seconds=300)

    def test_orders_are_handed_to_their_actors(self, hints: broker.Hints, client: redis.Redis) -> None:
        hints.send([("dispatch_order", "1"), ("check_order_status", "2"), ("check_order_status", "3")])
        assert [each["args"] for each in messages(client, "dispatch")] == [["1"]]
        assert (hints.waiting("dispatch_order"), hints.waiting("check_order_status")) == (1, 2)

    def test_a_check_waits_until_it_is_due(self, hints: broker.Hints, client: redis.Redis) -> None:
        hints.check_later("1", 45)
        assert hints.waiting("check_order_status") == 0
        [delayed] = messages(client, "checks.DQ")
        assert (delayed["actor_name"], delayed["args"]) == ("check_order_status", ["1"])
        assert 35 < delayed["options"]["eta"] / 1000 - time.time() <= 45

    def test_one_send_of_an_order_that_was_put_off_waits(
        self, hints: broker.Hints, client: redis.Redis
    ) -> None:
        """An order that a returned provider puts off again would else be sent by a chain of messages of each wake."""
        for order_id, seconds in (("1", 60), ("1", 60), ("2", 60), ("1", 90)):
            hints.dispatch_later(order_id, seconds)
        assert [each["args"] for each in messages(client, "dispatch.DQ")] == [["1"], ["2"]]
        assert 58_000 < client.pttl(f"{NAMESPACE}:waiting:1") < 60_000
        hints.dispatch_later("1", 30)  # sooner than the one that waits
        assert [each["args"] for each in messages(client, "dispatch.DQ")] == [["1"], ["2"], ["1"]]
        assert 28_000 < client.pttl(f"{NAMESPACE}:waiting:1") < 30_000

    def test_a_check_after_the_next_sweep_is_left_to_it(
        self, hints: broker.Hints, client: redis.Redis
    ) -> None:
        hints.check_later("1", 300.1)
        assert not client.keys("*")
        hints.check_later("1", 300)
        assert client.llen(f"{NAMESPACE}:checks.DQ") == 1

    def test_without_redis_a_check_is_left_to_the_sweep_and_the_sweep_hears_of_it(
        self, no_server: str, lines: io.StringIO
    ) -> None:
        away = broker.make_broker(load({"REDIS_URL": no_server}, require=()), strict=True)
        hints = broker.Hints(away, longest_delay_seconds=300)
        hints.check_later("1", 45)
        assert actions(lines) == ["enqueue_failed"]
        with pytest.raises(redis.RedisError):
            hints.send([("dispatch_order", "1")])
        with pytest.raises(redis.RedisError):
            hints.waiting("dispatch_order")
