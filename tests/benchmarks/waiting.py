"""What requests that wait for an order (`?wait=`) cost those that do not: callbacks with and without them, in turns.

python -m tests.benchmarks --only waiting
"""

import select
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from tests.benchmarks import web
from tests.benchmarks.load import Load
from tests.benchmarks.report import OURS, Report
from tests.benchmarks.stage import Stage

WAITERS = 500
#: Seconds that each waits, at most: longer than one measurement.
WAIT_SECONDS = 60
#: Callbacks as fast as they are answered, and at a share of that rate for so many seconds.
CALLBACKS, SHARE, SECONDS = 24_000, 0.7, 8
WITHOUT = "without any"

RATE = f"callbacks/s while {WAITERS} requests wait"
LATENCY = f"callbacks at 70 % of the rate while {WAITERS} requests wait, p99, ms"


def cost(stage: Stage, report: Report, rounds: int) -> None:
    """The same callbacks with and without waiters, round after round."""
    for number in range(rounds):
        print(f"round {number + 1} of {rounds}", flush=True)
        for whose, count in ((WITHOUT, 0), (OURS, WAITERS)):
            with stage.between_vacuums(), web._loaded(stage, OURS) as (port, load):
                _measure(stage, report, port, load, whose, count)
    report.want_ratio(RATE, WITHOUT, at_least=0.9)
    report.want_ratio(LATENCY, WITHOUT, at_most=1.1)


def _measure(stage: Stage, report: Report, port: int, load: Load, whose: str, waiters: int) -> None:
    web._check(load.closed_loop(stage.callbacks(port, stage.orders_sent(2_000))), 200)
    fast = stage.callbacks(port, stage.orders_sent(CALLBACKS))
    with _waiting(stage, port, waiters):
        answers = load.closed_loop(fast)
    web._check(answers, 200)
    report.add(RATE, whose, answers.rate)
    rate = SHARE * report.median(RATE, WITHOUT)
    steady = stage.callbacks(port, stage.orders_sent(int(rate * SECONDS)))
    with _waiting(stage, port, waiters):
        answers = load.open_loop(steady, rate)
    web._check(answers, 200)
    report.add(LATENCY, whose, 1000 * answers.percentile(0.99))


@contextmanager
def _waiting(stage: Stage, port: int, count: int) -> Iterator[None]:
    """So many requests that wait for an order each, all the time: one that is answered is an error."""
    references = stage.orders_sent(count) if count else []
    found = stage.sql("SELECT id::text FROM product_orders WHERE provider_referans = ANY (%s)", (references,))
    with ExitStack() as stack:
        clients = [stack.enter_context(_waiter(stage, port, order_id)) for (order_id,) in found]
        time.sleep(1)  # until all of them wait
        yield
        readable, _, _ = select.select(clients, [], [], 0)
    if len(clients) != count or readable:
        raise RuntimeError(f"{len(clients)} of {count} requests wait, {len(readable)} of them were answered")


@contextmanager
def _waiter(stage: Stage, port: int, order_id: str) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", port)) as connection:
        line = f"GET /orders/{order_id}?wait={WAIT_SECONDS} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        connection.sendall(f"{line}Authorization: Bearer {stage.key}\r\n\r\n".encode())
        yield connection
