"""Callbacks and orders over HTTP: ours, and others' on the same tables."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from tests.benchmarks import pgbench
from tests.benchmarks.load import Answers, Load
from tests.benchmarks.report import Report
from tests.benchmarks.stage import Stage

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
PEERS = {"Referans": REFERANS, "FastAPI + asyncpg": FASTAPI, "Django + Celery": DJANGO}
#: Requests of one round, by how fast who answers them is.
REQUESTS = {"Referans": 8_000, "FastAPI + asyncpg": 5_000, "Django + Celery": 2_000}
BURST = 10_000
BURST_SECONDS = 5


def measure(stage: Stage, report: Report, rounds: int) -> None:
    """Rates side by side, round after round; then what ours does under a fixed rate and in a burst."""
    for number in range(rounds):
        print(f"round {number + 1} of {rounds}", flush=True)
        report.add("callbacks/s", "pgbench, the same statement", pgbench.settle(stage, 32_000))
        report.add("orders/s", "pgbench, the same statement", pgbench.place(stage, 32_000))
        for name in PEERS:
            _callbacks(stage, report, name)
        for name in ("Referans", "Django + Celery"):
            _orders(stage, report, name)
    _fixed_rate(stage, report)


@contextmanager
def _loaded(stage: Stage, name: str) -> Iterator[tuple[int, Load]]:
    """A server that is warm."""
    with stage.web(name, PEERS[name], WEB_CONCURRENCY="2", LOG_LEVEL="info") as port:
        time.sleep(1)  # for the second process: only one has to answer to count as up
        load = Load(port, CONNECTIONS)
        yield port, load
        load.close()


def _callbacks(stage: Stage, report: Report, name: str) -> None:
    with _loaded(stage, name) as (port, load):
        requests = stage.callbacks(port, stage.orders_sent(REQUESTS[name] + 500))
        load.closed_loop(requests[:500])
        answers = load.closed_loop(requests[500:])
    _check(answers, 200)
    report.add("callbacks/s", name, answers.rate)


def _orders(stage: Stage, report: Report, name: str) -> None:
    with _loaded(stage, name) as (port, load):
        load.closed_loop(stage.orders(port, 300))
        answers = load.closed_loop(stage.orders(port, REQUESTS[name] // 2))
    _check(answers, 201)
    report.add("orders/s", name, answers.rate)


def _fixed_rate(stage: Stage, report: Report) -> None:
    """p99 at 70 % of the rate, and at a calm one; a burst; memory before and after."""
    rate = report.median("callbacks/s", "Referans")
    with _loaded(stage, "Referans") as (port, load):
        _check(load.closed_loop(stage.callbacks(port, stage.orders_sent(10_000))), 200)
        before = _memory_mib(port)
        for share, what in ((0.7, "at 70 % of the rate"), (0.2, "decision → visible, at 20 % of the rate")):
            requests = stage.callbacks(port, stage.orders_sent(int(rate * share * 10)))
            answers = load.open_loop(requests, rate * share)
            _check(answers, 200)
            report.add("callback p99, ms", what, 1000 * answers.percentile(0.99))
        requests = stage.callbacks(port, stage.orders_sent(BURST))
        answers = load.open_loop(requests, BURST / BURST_SECONDS)
        _check(answers, 200)
        report.add("burst of 10,000 in 5 s", "seconds until all were answered", answers.seconds)
        report.add("burst of 10,000 in 5 s", "p99, ms", 1000 * answers.percentile(0.99))
        for _ in range(4):
            _check(load.closed_loop(stage.callbacks(port, stage.orders_sent(20_000))), 200)
        report.add("web memory", "after 100,000 callbacks / after 10,000", _memory_mib(port) / before)


def _check(answers: Answers, status: int) -> None:
    """Whatever else came would make the figures worthless."""
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
