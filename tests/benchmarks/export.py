"""Callbacks and orders while somebody exports every order there is, and while nobody does, in turn."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from http.client import HTTPConnection
from pathlib import Path

from tests.benchmarks.filling import KEYS
from tests.benchmarks.load import Answers, Load
from tests.benchmarks.pages import Browser
from tests.benchmarks.report import Report
from tests.benchmarks.stage import Stage
from tests.benchmarks.web import CONNECTIONS, REFERANS

#: Requests of each kind in one round, and before the first.
REQUESTS, WARM_UP = 12_000, 1_000
#: Rows of the file that tell how fast it is written.
ROWS = "rows exported/s"
CALLBACKS, ORDERS = "callbacks/s beside an export", "orders placed/s beside an export"
ALONE, BESIDE, SHARE = "without one", "with one", "with / without"
#: The share of the rate that callbacks and orders keep.
KEPT = 0.95


#: Orders that no worker sends; a folder that is kept must not have them wait for ever.
FORGET = """DELETE FROM product_orders WHERE "nextCheckAt" IS NOT NULL AND "productId"::text = 'game'"""


def rates(stage: Stage, report: Report, rounds: int) -> None:
    """The rates with and without an export, round after round; which of the two is first changes each time."""
    stage.sql("ALTER SYSTEM SET autovacuum = off")
    stage.sql("SELECT pg_reload_conf()")
    stage.use_in()
    with stage.web("web", REFERANS, WEB_CONCURRENCY="2", **KEYS) as port:
        load = Load(port, CONNECTIONS)
        for requests in (stage.callbacks(port, stage.orders_sent(WARM_UP)), stage.orders(port, WARM_UP)):
            load.closed_loop(requests)
        for number in range(rounds):
            print(f"round {number + 1} of {rounds}", flush=True)
            for whose in (ALONE, BESIDE) if number % 2 else (BESIDE, ALONE):
                callbacks = stage.callbacks(port, stage.orders_sent(REQUESTS))
                with _exporting(stage, port, report) if whose == BESIDE else nullcontext():
                    report.add(CALLBACKS, whose, _rate(load.closed_loop(callbacks), 200))
                    report.add(ORDERS, whose, _rate(load.closed_loop(stage.orders(port, REQUESTS)), 201))
        load.close()
    for what in (CALLBACKS, ORDERS):
        report.add(what, SHARE, report.median(what, BESIDE) / report.median(what, ALONE))
        report.want(what, SHARE, at_least=KEPT)
    stage.sql("ALTER SYSTEM RESET autovacuum")
    stage.sql(FORGET)


def _rate(answers: Answers, status: int) -> float:
    """Any other answer would make the figure worthless."""
    if answers.broken or set(answers.statuses) != {status}:
        raise RuntimeError(f"answers: {dict(answers.statuses)}, broken connections: {answers.broken}")
    return answers.rate


@contextmanager
def _exporting(stage: Stage, port: int, report: Report) -> Iterator[None]:
    """Somebody takes the file as fast as it comes, in a process of its own."""
    file = stage.directory / "export.csv"
    cookie = Browser(port, stage.key).cookie
    command = [sys.executable, "-m", "tests.benchmarks.export", str(port), cookie, str(file)]
    began = time.perf_counter()
    with subprocess.Popen(command) as taking:
        try:
            yield
            if taking.poll() is not None:
                raise RuntimeError("the export has ended before the requests had")
        finally:
            taking.terminate()
    with file.open("rb") as written:
        rows = sum(1 for _ in written)
    report.add(ROWS, "CSV", rows / (time.perf_counter() - began))
    file.unlink()


def _take(port: str, cookie: str, file: str) -> None:
    connection = HTTPConnection("127.0.0.1", int(port), timeout=60)
    connection.request("GET", "/ops/export/orders.csv", headers={"Cookie": cookie})
    answer = connection.getresponse()
    if answer.status != 200:
        raise SystemExit(f"the export was answered with {answer.status}")
    with Path(file).open("wb", buffering=0) as written:
        while part := answer.read1():
            written.write(part)


if __name__ == "__main__":
    _take(*sys.argv[1:])
