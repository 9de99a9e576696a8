"""Callbacks and orders over HTTP: ours, and others' on the same tables."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from tests.benchmarks import pgbench
from tests.benchmarks.load import Answers, Load
from tests.benchmarks.report import OURS, Report
from tests.benchmarks.stage import SECRET, Stage

CONNECTIONS = 32
BIN = Path(sys.executable).parent
GUNICORN = str(BIN / "gunicorn")
REFERANS = [GUNICORN, "gateway.app:app"]
DJANGO = [
    GUNICORN,
    "-c",
    "/dev/null",
    "-k",
    "gthread",
    "--workers",
    "2",
    "--threads",
    "8",
    "--keep-alive",
    "95",
]
DJANGO += ["-b", "127.0.0.1:{port}", "tests.benchmarks.peers.django_celery:app"]
FASTAPI = [
    str(BIN / "uvicorn"),
    "--workers",
    "2",
    "--port",
    "{port}",
    "--no-access-log",
    "--log-level",
    "warning",
]
FASTAPI += ["tests.benchmarks.peers.fastapi_asyncpg:app"]
FASTAPI_ASYNCPG, DJANGO_CELERY, PGBENCH = (
    "FastAPI + asyncpg",
    "Django + Celery",
    "pgbench, the same statement",
)
#: Ours, with NOTIFY_URL set: each settled order is a notification too. No worker runs that would deliver it.
WITH_RECEIVER = "with a receiver set"
PEERS = {OURS: REFERANS, WITH_RECEIVER: REFERANS, FASTAPI_ASYNCPG: FASTAPI, DJANGO_CELERY: DJANGO}
RECEIVER = {"NOTIFY_URL": "https://shop.example/hook", "NOTIFY_SECRET": SECRET}
#: Requests of one round, more for the faster contestants.
REQUESTS = {OURS: 24_000, WITH_RECEIVER: 24_000, FASTAPI_ASYNCPG: 10_000, DJANGO_CELERY: 3_000}
#: Requests before that, until every connection has prepared its statements.
WARM_UP = 1_000
BURST = 10_000
BURST_SECONDS = 5
#: Callbacks after which memory is looked at first, and that are made ready at once.
EARLY, CHUNK = 10_000, 20_000

CALLBACKS, ORDERS = "callbacks/s", "orders placed/s"
AT_70, VISIBLE = "callbacks at 70 % of the rate, ms", "decision → visible, by callback, ms"
IN_BURST, MEMORY = f"{BURST:,} callbacks in {BURST_SECONDS} s", "memory"


def rates(stage: Stage, report: Report, rounds: int) -> None:
    """The rates of all contestants side by side, round after round."""
    for number in range(rounds):
        print(f"round {number + 1} of {rounds}", flush=True)
        with stage.between_vacuums():
            report.add(CALLBACKS, PGBENCH, pgbench.settle(stage, 32_000))
            report.add(ORDERS, PGBENCH, pgbench.place(stage, 32_000))
            for name in PEERS:
                _callbacks(stage, report, name)
            for name in (OURS, DJANGO_CELERY):
                _orders(stage, report, name)
    report.want_ratio(CALLBACKS, PGBENCH, at_least=0.5)
    report.want_ratio(CALLBACKS, WITH_RECEIVER, at_most=1 / 0.9)
    report.want_ratio(CALLBACKS, FASTAPI_ASYNCPG, at_least=2)
    report.want_ratio(CALLBACKS, DJANGO_CELERY, at_least=10)
    report.want_ratio(ORDERS, PGBENCH, at_least=0.4)
    report.want_ratio(ORDERS, DJANGO_CELERY, at_least=8)


@contextmanager
def _loaded(stage: Stage, name: str) -> Iterator[tuple[int, Load]]:
    """A server that is warm."""
    settings = RECEIVER if name == WITH_RECEIVER else {}
    with stage.web(name, PEERS[name], WEB_CONCURRENCY="2", LOG_LEVEL="info", **settings) as port:
        time.sleep(1)  # for the second process: only one has to answer to count as up
        load = Load(port, CONNECTIONS)
        try:
            yield port, load
        finally:
            load.close()


def _callbacks(stage: Stage, report: Report, name: str) -> None:
    with _loaded(stage, name) as (port, load):
        requests = stage.callbacks(port, stage.orders_sent(REQUESTS[name] + WARM_UP))
        load.closed_loop(requests[:WARM_UP])
        answers = load.closed_loop(requests[WARM_UP:])
    _check(answers, 200)
    report.add(CALLBACKS, name, answers.rate)


def _orders(stage: Stage, report: Report, name: str) -> None:
    with _loaded(stage, name) as (port, load):
        load.closed_loop(stage.orders(port, WARM_UP))
        answers = load.closed_loop(stage.orders(port, REQUESTS[name] // 2))
    _check(answers, 201)
    report.add(ORDERS, name, answers.rate)


def latencies(stage: Stage, report: Report, rounds: int) -> None:
    """How long a callback takes at a share of the rate that `rates` found, and in a burst."""
    rate = report.median(CALLBACKS, OURS)
    for _ in range(rounds):
        with stage.between_vacuums(), _loaded(stage, OURS) as (port, load):
            _check(load.closed_loop(stage.callbacks(port, stage.orders_sent(2_000))), 200)
            for what, share in ((AT_70, 0.7), (VISIBLE, 0.2)):
                requests = stage.callbacks(port, stage.orders_sent(int(rate * share * 10)))
                answers = load.open_loop(requests, rate * share)
                _check(answers, 200)
                report.add(what, "p50", 1000 * answers.percentile(0.50))
                report.add(what, "p99", 1000 * answers.percentile(0.99))
            requests = stage.callbacks(port, stage.orders_sent(BURST))
            answers = load.open_loop(requests, BURST / BURST_SECONDS)
            _check(answers, 200)
            report.add(IN_BURST, "answered", answers.statuses.total())
            report.add(IN_BURST, "seconds until the last answer", answers.seconds)
            report.add(IN_BURST, "p99, ms", 1000 * answers.percentile(0.99))
    report.want(AT_70, "p99", at_most=20)
    report.want(VISIBLE, "p99", at_most=50)
    report.want(IN_BURST, "answered", at_least=BURST)


def memory(stage: Stage, report: Report, callbacks: int) -> None:
    """What the processes weigh after ten thousand callbacks, and after many more."""
    with _loaded(stage, OURS) as (port, load):
        _settle_many(stage, port, load, EARLY)
        before = _memory_mib(port)
        report.add(MEMORY, f"web, MiB, after {EARLY:,}", before)
        _settle_many(stage, port, load, callbacks - EARLY)
        after = _memory_mib(port)
    report.add(MEMORY, f"web, MiB, after {callbacks:,}", after)
    report.add(MEMORY, "web, the one / the other", after / before)
    report.want(MEMORY, "web, the one / the other", at_most=1.1)


def _settle_many(stage: Stage, port: int, load: Load, count: int) -> None:
    for begin in range(0, count, CHUNK):
        part = min(CHUNK, count - begin)
        _check(load.closed_loop(stage.callbacks(port, stage.orders_sent(part))), 200)
        if begin % (10 * CHUNK) == 0:
            print(f"  {begin + part:,} of {count:,} callbacks", flush=True)


def _check(answers: Answers, status: int) -> None:
    """Any other answer would make the figures worthless."""
    if answers.broken or set(answers.statuses) != {status}:
        raise RuntimeError(f"answers: {dict(answers.statuses)}, broken connections: {answers.broken}")


def _memory_mib(port: int) -> float:
    """Resident memory of the processes that listen, all together."""
    own: Callable[[psutil.Process], bool] = lambda process: any(  # noqa: E731
        one.laddr and one.laddr.port == port and one.status == psutil.CONN_LISTEN
        for one in process.net_connections()
    )
    children = psutil.Process().children(recursive=True)
    return sum(process.memory_info().rss for process in children if own(process)) / 2**20
