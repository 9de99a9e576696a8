"""What requests that wait for an order (`?wait=`) cost those that do not: callbacks with and without them, in turns.

python -m tests.benchmarks --only waiting
"""

import select
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial

from tests.benchmarks import web
from tests.benchmarks.load import Answers
from tests.benchmarks.report import OURS, Report
from tests.benchmarks.stage import Stage

WAITERS = 500
#: Seconds that each waits, at most: longer than one measurement.
WAIT_SECONDS = 60
#: Measurements of each kind in a round, with waiters and without in turns on one server, so that what else the machine
#: does meets both.
TURNS = 8
#: Callbacks that warm a server up.
WARM_UP = 2_000
#: Callbacks as fast as they are answered, in one turn; and at a share of that rate, for so many seconds.
CALLBACKS, SHARE, SECONDS = 4_000, 0.7, 3
WITHOUT = "without any"

RATE = f"callbacks/s while {WAITERS} requests wait"
LATENCY = f"callbacks at 70 % of the rate while {WAITERS} requests wait, p99, ms"


def cost(stage: Stage, report: Report, rounds: int) -> None:
    """The same callbacks with and without waiters, round after round."""
    for number in range(rounds):
        print(f"round {number + 1} of {rounds}", flush=True)
        with stage.between_vacuums(), web._loaded(stage, OURS) as (port, load):
            web._check(load.closed_loop(stage.callbacks(port, stage.orders_sent(WARM_UP))), 200)
            rates = _in_turns(stage, port, CALLBACKS, load.closed_loop)
            per_second = SHARE * rates[WITHOUT].rate
            steady = _in_turns(
                stage, port, int(per_second * SECONDS), partial(load.open_loop, per_second=per_second)
            )
        for whose in (WITHOUT, OURS):
            report.add(RATE, whose, rates[whose].rate)
            report.add(LATENCY, whose, 1000 * steady[whose].percentile(0.99))
    report.want_ratio(RATE, WITHOUT, at_least=0.9)
    report.want_ratio(LATENCY, WITHOUT, at_most=1.1)


def _in_turns(
    stage: Stage, port: int, callbacks: int, run: Callable[[Sequence[bytes]], Answers]
) -> dict[str, Answers]:
    """The answers without waiters and with them, of all turns together. Every other turn begins with the waiters."""
    found = {WITHOUT: Answers(), OURS: Answers()}
    for turn in range(TURNS):
        for whose in (WITHOUT, OURS) if turn % 2 else (OURS, WITHOUT):
            requests = stage.callbacks(port, stage.orders_sent(callbacks))
            with _waiting(stage, port, WAITERS if whose == OURS else 0):
                answers = run(requests)
            web._check(answers, 200)
            found[whose].latencies += answers.latencies
            found[whose].statuses += answers.statuses
            found[whose].seconds += answers.seconds
    return found


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
