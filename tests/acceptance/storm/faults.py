"""What breaks. Each fault is a generator that breaks something, yields the seconds to wait, and mends it."""

import itertools
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeVar

import psutil
import psycopg2
import redis

from models.status import Attention
from tests.acceptance import disk
from tests.acceptance.storm.books import BY_HAND
from tests.acceptance.storm.receivers import COUNT, HANGING, WAYS
from tests.acceptance.storm.stage import PACE, RESTART_SECONDS, Stage
from tests.acceptance.system import web_answers
from tests.factories import SANDBOX
from tests.ports import free_port

T = TypeVar("T")
Script = Iterator[float]

#: Seconds a platform gives a process after SIGTERM.
GRACE_SECONDS = 25
#: Seconds for which the table of orders is locked, and for which PostgreSQL's processes are stopped. More than a
#: worker waits for a connection, less than its statements may wait for a lock.
LOCKED_SECONDS, STALLED_SECONDS = 8.0, 7.0
#: Seconds by which one worker's clock is off.
CLOCK_OFF_SECONDS = 30
#: Seconds in which work piles up for the workers before either, so that all of their threads meet it at once.
PILE_UP_SECONDS = 1.5


#: Seconds in which a provider that takes our account again is probed: its balance is asked for every BACKOFF_MAX.
PROBED_SECONDS = float(PACE["BACKOFF_MAX"]) + 2
#: What an operator says of an order, by why it needs a person; None leaves it as it is.
DECISIONS: dict[str, tuple[dict[str, Any] | None, ...]] = {
    Attention.CONFLICT: ({"accept": True}, {"accept": True}, {}, None),
    Attention.REVERSED: ({}, {"externalStatus": "completed"}, None),
    Attention.NO_CODE: ({"externalStatus": "completed", "pinCode": f"{BY_HAND}-1"}, {}, None),
    Attention.CANNOT_ASK: (None, None, None, {}, {"externalStatus": "failed"}),
}
#: And of one that is still open; of how many.
ENDS: tuple[dict[str, Any], ...] = (
    {"externalStatus": "failed"},
    {"externalStatus": "completed", "pinCode": f"{BY_HAND}-2"},
    {"externalStatus": "reversed"},
)
DECIDED_OPEN = 6
#: Spreads the decisions over the ways: the golden ratio.
GOLDEN = 0.618


@dataclass(frozen=True, slots=True)
class Fault:
    """`run(stage, chance)` does it; two faults that share a target never overlap."""

    targets: frozenset[str]
    run: Callable[[Stage, float], Script]


def _web_killed(stage: Stage, chance: float) -> Script:
    stage.system.kill(stage.web)
    yield RESTART_SECONDS
    stage.web = stage.start_web(stage.system.port)
    yield from _until(lambda: web_answers(stage.system.url), 30)


def _web_child_killed(stage: Stage, chance: float) -> Script:
    """Gunicorn starts another."""
    children = stage.web_children()
    if children:
        with suppress(ProcessLookupError):
            os.kill(_pick(children, chance), signal.SIGKILL)
    yield RESTART_SECONDS


def _worker_killed(stage: Stage, chance: float) -> Script:
    name = _pick(stage.workers, chance)
    stage.workers.remove(name)
    stage.system.kill(name)
    yield RESTART_SECONDS
    stage.workers.append(stage.start_worker())


def _scheduler_killed(stage: Stage, chance: float) -> Script:
    name = _pick(stage.schedulers, chance)
    stage.schedulers.remove(name)
    stage.system.kill(name)
    yield RESTART_SECONDS
    stage.schedulers.append(stage.start_scheduler())


def _postgres_stopped(stage: Stage, chance: float) -> Script:
    stage.postgres.stop()
    yield 10
    stage.postgres.start()


def _postgres_crashed(stage: Stage, chance: float) -> Script:
    stage.postgres.kill()
    yield 1 + 4 * chance
    stage.postgres.start()


def _connections_cut(stage: Stage, chance: float) -> Script:
    with closing(psycopg2.connect(stage.postgres.url)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
    yield 0


def _orders_locked(stage: Stage, chance: float) -> Script:
    """As a migration of the older storefront does it."""
    with closing(psycopg2.connect(stage.postgres.url)) as connection:
        yield from _work_piled_up(stage, lambda: connection.cursor().execute("LOCK TABLE product_orders"))
        yield from _mended_after(LOCKED_SECONDS, connection.rollback)


def _database_stalled(stage: Stage, chance: float) -> Script:
    """Every process of PostgreSQL is stopped but the one that takes connections, as by a disk that hangs."""
    stopped: list[psutil.Process] = []

    def suspend() -> None:
        stopped.extend(psutil.Process(stage.postgres.pid).children())
        for process in stopped:
            with suppress(psutil.NoSuchProcess):
                process.suspend()

    def resume() -> None:
        for process in stopped:
            with suppress(psutil.NoSuchProcess):
                process.resume()

    yield from _work_piled_up(stage, suspend)
    yield from _mended_after(STALLED_SECONDS, resume)


def _work_piled_up(stage: Stage, break_it: Callable[[], None]) -> Script:
    """Something breaks while the workers stand still; then they go on."""
    workers = list(stage.workers)
    for name in workers:
        stage.system.send_signal(name, signal.SIGSTOP)
    yield PILE_UP_SECONDS
    break_it()
    for name in workers:
        stage.system.send_signal(name, signal.SIGCONT)


def _mended_after(seconds: float, mend: Callable[[], None]) -> Script:
    """By a thread of its own: the one that runs the storm may itself wait for the database."""
    timer = threading.Timer(seconds, mend)
    timer.start()
    yield seconds
    timer.join()


def _disk_full(stage: Stage, chance: float) -> Script:
    disk.fill(stage.postgres.url)
    yield 2 + 4 * chance
    disk.free(stage.postgres.url)


def _valkey_killed(stage: Stage, chance: float) -> Script:
    """It keeps nothing, so it comes back empty."""
    stage.valkey.kill()
    yield 2 + 6 * chance
    stage.valkey.start()


def _valkey_emptied(stage: Stage, chance: float) -> Script:
    with redis.Redis.from_url(stage.valkey.url) as client:
        client.flushall()
    yield 0


def _valkey_full(stage: Stage, chance: float) -> Script:
    with redis.Redis.from_url(stage.valkey.url) as client:
        client.config_set("maxmemory-policy", "noeviction")
        client.config_set("maxmemory", 1)
        yield 4 + 6 * chance
        client.config_set("maxmemory", 0)


def _provider_down(stage: Stage, chance: float) -> Script:
    """An hour of a day's timeout, scaled."""
    began = time.time()
    stage.simulator.stop()
    yield 5 + 7 * chance
    stage.simulator.start()
    stage.unanswered.append((began, time.time()))


def _provider_slow(stage: Stage, chance: float) -> Script:
    stage.simulator.control.set_fault("slow", 1 + 3 * chance)
    yield 8
    stage.simulator.control.set_fault(None)


def _provider_broken(stage: Stage, chance: float) -> Script:
    stage.simulator.control.set_fault(_pick(["html", "empty", "500", "cut"], chance))
    yield 6
    stage.simulator.control.set_fault(None)


def _provider_flapping(stage: Stage, chance: float) -> Script:
    for mode in ["500", "cut", "slow", "html", "empty"]:
        stage.simulator.control.set_fault(mode, 1)
        yield 0.5 + chance
        stage.simulator.control.set_fault(None)
        yield 0.5 + chance


def _account_refused(stage: Stage, chance: float) -> Script:
    """Our rights or our password do not count any more; the gateway pauses the provider, and finds its return."""
    began = time.time()
    stage.simulator.control.set_fault(_pick(stage.spoken.denials, chance))
    yield 4 + 2 * chance
    stage.simulator.control.set_fault(None)
    stage.unanswered.append((began, time.time()))
    yield PROBED_SECONDS


def _balance_used_up(stage: Stage, chance: float) -> Script:
    """Then a deposit."""
    book = stage.simulator.book
    before = book.balance
    book.set_balance(Decimal(0))
    yield 4 + 2 * chance
    book.set_balance(before)
    yield PROBED_SECONDS


def _provider_paused(stage: Stage, chance: float) -> Script:
    yield from _command(stage, "providers", "pause", SANDBOX, "--reason", "the storm")
    yield 3 + 3 * chance
    yield from _command(stage, "providers", "resume", SANDBOX)


def _operator_decides(stage: Stage, chance: float) -> Script:
    """Most of what needs a person, each in one of its ways, and a few orders that are still open."""
    for number, (order_id, why) in enumerate(stage.needing_a_person()):
        if (decision := _pick(DECISIONS[why], (chance + number * GOLDEN) % 1)) is not None:
            stage.resolve(order_id, **decision)
        yield 0
    for number, order_id in enumerate(stage.open_orders(DECIDED_OPEN)):
        stage.resolve(order_id, **_pick(ENDS, (chance + number * GOLDEN) % 1))
        yield 0


def _clock_off(stage: Stage, chance: float) -> Script:
    """One more worker, half a minute ahead or behind, for a while."""
    ahead = chance < 0.5
    name = stage.start_worker(CLOCK_OFF_SECONDS if ahead else -CLOCK_OFF_SECONDS)
    yield 15
    yield from _drained(stage, [name])


def _messages_repeated(stage: Stage, chance: float) -> Script:
    """The queue delivers at least once: every waiting order's messages come again, three times."""
    for order_id, actor in itertools.product(
        stage.open_orders(100), ("dispatch_order", "check_order_status") * 3
    ):
        stage.system.enqueue(actor, order_id)
    yield 0


def _operator_checks(stage: Stage, chance: float) -> Script:
    """Of every waiting order, twice, and in the middle of whatever is happening to it."""
    for order_id in stage.open_orders(50) * 2:
        stage.request_check(order_id)
        yield 0


def _operator_replays(stage: Stage, chance: float) -> Script:
    """Everything that came lately, while more comes in."""
    yield from _command(stage, "callbacks", "replay", "--since", "2m")


def _receiver_fails(stage: Stage, chance: float) -> Script:
    """One receiver of notifications, in one way; or all of them in the same way."""
    ways = list(WAYS)
    way = ways[int(chance * 97) % len(ways)]
    numbers = range(COUNT) if chance < 0.2 else [int(chance * COUNT)]
    for number in numbers:
        stage.receivers.fail(number, way)
    yield 1.5 + 2 * chance
    for number in numbers:
        stage.receivers.mend(number)


def _receiver_hangs(stage: Stage, chance: float) -> Script:
    """Longer than a try, or not as long."""
    number = int(chance * COUNT)
    stage.receivers.fail(number, HANGING)
    yield 3 + 14 * chance
    stage.receivers.mend(number)


def _command(stage: Stage, *command: str) -> Script:
    """A command of the operator, which must succeed."""
    name = stage.start_operator(*command)
    yield from _until(lambda: stage.system.exit_status(name) is not None, 60)
    if status := stage.system.exit_status(name):
        stage.complaints.append(f"{name} ended with {status}\n{stage.system.log(name)[-1500:]}")
    stage.system.kill(name)


def _deployment(stage: Stage, chance: float) -> Script:
    """The new version comes up, the router turns to it, the old one gets SIGTERM under load."""
    old = [stage.web, *stage.workers]
    port = free_port()
    web, stage.workers = stage.start_web(port), [stage.start_worker() for _ in stage.workers]
    yield from _until(lambda: web_answers(f"http://127.0.0.1:{port}"), 30)
    stage.send_traffic_to(web, port)
    yield from _drained(stage, old)


def _drained(stage: Stage, names: Sequence[str]) -> Script:
    """SIGTERM, and the end within the platform's grace."""
    for name in names:
        stage.system.send_signal(name, signal.SIGTERM)
    yield from _until(
        lambda: all(stage.system.exit_status(name) is not None for name in names), GRACE_SECONDS
    )
    for name in names:
        if (status := stage.system.exit_status(name)) != 0:
            stage.complaints.append(
                f"{name} after SIGTERM: {_ending(status)}\n{stage.system.log(name)[-1500:]}"
            )
        stage.system.kill(name)


def _ending(status: int | None) -> str:
    return f"still there after {GRACE_SECONDS} s" if status is None else f"exit status {status}"


def _until(condition: Callable[[], bool], timeout_seconds: float) -> Script:
    deadline = time.monotonic() + timeout_seconds
    while not condition() and time.monotonic() < deadline:
        yield 0.2


def _pick(choices: Sequence[T], chance: float) -> T:
    return choices[int(chance * len(choices))]


def _fault(run: Callable[[Stage, float], Script], *targets: str) -> Fault:
    return Fault(frozenset(targets), run)


FAULTS = {
    "web killed": _fault(_web_killed, "web"),
    "web child killed": _fault(_web_child_killed, "web"),
    "worker killed": _fault(_worker_killed, "worker"),
    "scheduler killed": _fault(_scheduler_killed, "scheduler"),
    "PostgreSQL stopped for 10 s": _fault(_postgres_stopped, "postgres"),
    "PostgreSQL crashed": _fault(_postgres_crashed, "postgres"),
    "database connections cut": _fault(_connections_cut, "postgres"),
    "orders locked for 8 s": _fault(_orders_locked, "postgres", "worker"),
    "database stalled for 7 s": _fault(_database_stalled, "postgres", "worker"),
    "disk full": _fault(_disk_full, "postgres"),
    "Valkey killed": _fault(_valkey_killed, "valkey"),
    "Valkey emptied": _fault(_valkey_emptied, "valkey"),
    "Valkey full": _fault(_valkey_full, "valkey"),
    "provider down": _fault(_provider_down, "provider"),
    "provider slow": _fault(_provider_slow, "provider"),
    "provider broken": _fault(_provider_broken, "provider"),
    "provider flapping": _fault(_provider_flapping, "provider"),
    "account refused": _fault(_account_refused, "provider"),
    "balance used up": _fault(_balance_used_up, "provider"),
    "provider paused": _fault(_provider_paused, "provider", "postgres"),
    "a clock 30 s off": _fault(_clock_off, "clock"),
    "messages repeated": _fault(_messages_repeated, "valkey", "postgres"),
    "an operator checks": _fault(_operator_checks, "web", "postgres"),
    "an operator replays": _fault(_operator_replays, "postgres"),
    "an operator decides": _fault(_operator_decides, "web", "postgres"),
    "receiver fails": _fault(_receiver_fails, "receiver"),
    "receiver hangs": _fault(_receiver_hangs, "receiver"),
    "deployment": _fault(_deployment, "web", "worker"),
}
