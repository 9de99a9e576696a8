"""What a protocol costs that is described by a file: the same orders asked about at the same panel, in turns.

python -m tests.benchmarks --only described
"""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gateway.broker import message
from models import protocols, provider, route
from models.provider import Provider
from tests import factories
from tests.acceptance.system import WORKER
from tests.benchmarks import work
from tests.benchmarks.report import Report
from tests.benchmarks.stage import Stage
from tests.ports import free_port
from tests.waiting import wait_until

FILE = Path(__file__).with_name("znet_described.toml")
#: A protocol as code, and as a file; both speak to the same panel.
CODE, DESCRIBED = "znet", "znet_described"
#: Seconds that are measured, once everything due is enqueued.
SECONDS = 15
RATE, SHARE = "checks/s, one worker, a provider that answers at once", "described / code"


def checks(stage: Stage, report: Report, rounds: int) -> None:
    """Checks a second of a worker, with the one and with the other, round after round."""
    with _panel(stage) as url:
        for number in range(rounds):
            for adapter in (CODE, DESCRIBED) if number % 2 == 0 else (DESCRIBED, CODE):
                _use(stage, adapter, url)
                report.add(RATE, adapter, _rate(stage))
    report.add(RATE, SHARE, report.median(RATE, DESCRIBED) / report.median(RATE, CODE))
    report.want(RATE, SHARE, at_least=0.8)


@contextmanager
def _panel(stage: Stage) -> Iterator[str]:
    port = free_port()
    with stage.process("panel", [sys.executable, "-m", "tests.benchmarks.panel", str(port), "0"]):
        yield f"http://127.0.0.1:{port}"


def _use(stage: Stage, adapter: str, url: str) -> None:
    """The one provider speaks this from now on."""
    with factories.bound(stage.postgres.url, pool_size=2):
        protocols.add(DESCRIBED, FILE.read_text(), "[]")
        credentials = {"kod": "dealer", "sifre": "not-a-real-one"}
        provider.save(
            Provider(factories.SANDBOX, adapter, url, "none", credentials, max_concurrency=64, currency="TRY")
        )
        route.add(route.ANY, route.ANY, factories.SANDBOX, {"oyun": "1", "kupur": "60"})


def _rate(stage: Stage) -> float:
    work._forget_hints(stage)
    stage.sql('UPDATE product_orders SET "nextCheckAt" = NULL WHERE "nextCheckAt" IS NOT NULL')
    stage.numbered_orders_sent(work.DUE_ORDERS)
    stage.sql('UPDATE product_orders SET "nextCheckAt" = now() WHERE "nextCheckAt" IS NOT NULL')
    since = stage.sql("SELECT now()")[0][0]
    broker = work._broker(stage)
    broker.enqueue(message("sweep"))
    with stage.process("worker", WORKER):
        wait_until(lambda: stage.sql(work.SWEPT, (since,)), 120, what="the sweep")
        first = stage.sql(work.CHECKED, (since,))[0][0]
        began = time.perf_counter()
        time.sleep(SECONDS)  # the span that is measured
        found = stage.sql(work.CHECKED, (since,))[0][0]
        rate: float = (found - first) / (time.perf_counter() - began)
    broker.close()
    if found >= work.DUE_ORDERS or found == first:
        raise RuntimeError(f"{found} of {work.DUE_ORDERS} orders were asked about: nothing was measured")
    return rate
