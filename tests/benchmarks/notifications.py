"""How long after an order has completed its receiver hears of it, and how fast a burst of notifications goes out."""

import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import redis

from tests.acceptance.system import WORKER
from tests.benchmarks.load import Load
from tests.benchmarks.report import OURS, Report
from tests.benchmarks.stage import SECRET, Stage
from tests.benchmarks.web import REFERANS
from tests.ports import free_port
from tests.waiting import wait_until

COMPLETIONS_A_SECOND = 200
BURST = 10_000
#: Receivers, of which one hangs.
RECEIVERS = 10
TOLD = f"completed → received, {COMPLETIONS_A_SECOND}/s, receiver at 5 ms, ms"
TOLD_BESIDE = f"the same, one receiver in {RECEIVERS} hangs for 20 s: the others, ms"
IN_BURST = "notifications/s in a burst, one worker, receiver at 5 ms"


@dataclass(frozen=True, slots=True)
class Storefront:
    """Running receivers, and what they have heard."""

    ports: list[int]
    log: Path

    def urls(self) -> list[str]:
        return [f"http://127.0.0.1:{port}/hook" for port in self.ports]

    def heard(self) -> dict[str, float]:
        """When each order was told first, in seconds since 1970."""
        found: dict[str, float] = {}
        for line in self.log.read_text().splitlines():
            at, order_id = line.split()
            found.setdefault(order_id, float(at))
        return found


def told(stage: Stage, report: Report, seconds: int, rounds: int) -> None:
    """The delay with one receiver and with one that hangs, and a burst."""
    for _ in range(rounds):
        with stage.between_vacuums():
            _delays(stage, report, TOLD, seconds, receivers=1)
            _delays(stage, report, TOLD_BESIDE, seconds, receivers=RECEIVERS)
            report.add(IN_BURST, OURS, _burst(stage))
    report.want(TOLD, "p99", at_most=250)
    report.want(TOLD_BESIDE, "p99", at_most=500)
    report.want(IN_BURST, OURS, at_least=800)


def _delays(stage: Stage, report: Report, what: str, seconds: int, receivers: int) -> None:
    """Of orders that were placed and sent before; if there are several receivers, the last one hangs."""
    with _storefront(stage, receivers, hangs=receivers > 1) as storefront:
        url = storefront.urls()[0] if receivers == 1 else None
        with _system(stage, url) as port:
            load, count = Load(port, 8), COMPLETIONS_A_SECOND * seconds
            _complete(stage, storefront, load, port, 2 * COMPLETIONS_A_SECOND)  # until all of it is warm
            completed = _complete(stage, storefront, load, port, count)
            load.close()
    if failed := stage.sql(FAILED, (storefront.urls()[-1] if receivers > 1 else "",)):
        raise RuntimeError(f"tries that failed would make the figures worthless: {failed}")
    heard = storefront.heard()
    delays = [1000 * (heard[order_id] - at) for order_id, at in completed.items()]
    cuts = statistics.quantiles(delays, n=100)
    report.add(what, "p50", cuts[49])
    report.add(what, "p99", cuts[98])


def _complete(stage: Stage, storefront: Storefront, load: Load, port: int, count: int) -> dict[str, float]:
    """Complete so many orders, and wait until the receivers have heard of all. When each completed, by id.

    If there are several receivers, the orders of the last one are left out.
    """
    references, urls = stage.orders_sent(count), storefront.urls()
    if len(urls) > 1:
        stage.sql(SPREAD, (urls, references))
    load.open_loop(stage.callbacks(port, references), COMPLETIONS_A_SECOND)
    completed = dict(stage.sql(COMPLETED, (references, urls[-1] if len(urls) > 1 else "")))
    wait_until(lambda: completed.keys() <= storefront.heard().keys(), 60, what="every notification")
    return completed


def _burst(stage: Stage) -> float:
    """Notifications a second that one worker delivers to one receiver, from when it is warm."""
    stage.sql("DELETE FROM referans.notifications WHERE state = 'waiting'")
    with _storefront(stage, 1) as storefront:
        [url] = storefront.urls()
        stage.sql(MANY, (BURST,))
        with stage.process("worker", WORKER, **_settings(url)):
            wait_until(lambda: _heard(storefront) > BURST / 10, 60, what="the worker")
            began, first = time.perf_counter(), _heard(storefront)
            wait_until(lambda: _heard(storefront) > BURST * 9 / 10, 120, what="nearly all of them")
            rate = (_heard(storefront) - first) / (time.perf_counter() - began)
            wait_until(lambda: stage.sql(WAITING)[0][0] == 0, 60, what="the last one")
    return rate


def _heard(storefront: Storefront) -> int:
    return storefront.log.read_bytes().count(b"\n")


@contextmanager
def _storefront(stage: Stage, count: int, *, hangs: bool = False) -> Iterator[Storefront]:
    ports = [free_port() for _ in range(count)]
    log = stage.directory / f"storefront-{ports[0]}.txt"
    words = [str(port) for port in ports]
    words[-1] += "!" if hangs else ""
    with stage.process("storefront", [sys.executable, "-m", "tests.benchmarks.storefront", str(log), *words]):
        wait_until(log.exists, 10, what="the storefront")
        yield Storefront(ports, log)


@contextmanager
def _system(stage: Stage, url: str | None) -> Iterator[int]:
    """A worker and a web that is warm; its port."""
    with closing(redis.Redis.from_url(stage.valkey.url)) as client:
        client.flushdb()
    settings = _settings(url)
    with (
        stage.process("worker", WORKER, **settings),
        stage.web("web", REFERANS, WEB_CONCURRENCY="2", **settings) as port,
    ):
        time.sleep(1)  # for the second process: only one has to answer to count as up
        yield port


def _settings(url: str | None) -> dict[str, str]:
    given = {"NOTIFY_SECRET": SECRET, "NOTIFY_ALLOW_PRIVATE": "1"}
    return given | ({"NOTIFY_URL": url} if url else {})


SPREAD = """
UPDATE product_orders AS o SET "notifyUrl" = given.urls[1 + (o."orderNo" %% cardinality(given.urls))]
FROM (SELECT %s::text[] AS urls) AS given WHERE o.provider_referans = ANY (%s)
"""
COMPLETED = """
SELECT id::text, EXTRACT(EPOCH FROM "completedAt")::float8 FROM product_orders
WHERE provider_referans = ANY (%s) AND "notifyUrl" IS DISTINCT FROM %s
"""
MANY = """
INSERT INTO referans.notifications (order_id, type, receiver, payload)
SELECT o.id, 'order.completed', 'NOTIFY_URL', jsonb_build_object(
    'id', o.id, 'product_id', o."productId", 'package_id', o."packageId", 'user_identifier', o."userIdentifier",
    'quantity', 1, 'status', 'approved', 'external_status', 'completed', 'provider_id', o."providerId",
    'provider_referans', o.provider_referans, 'last_message', 'Yukleme basarili', 'created_at', o."createdAt",
    'sent_at', o."sentAt", 'completed_at', o."completedAt", 'duration_ms', o."durationMs")
FROM product_orders AS o WHERE o."externalStatus" = 'completed' ORDER BY o.id LIMIT %s
"""
FAILED = """
SELECT d.error, count(*) FROM referans.deliveries AS d JOIN referans.notifications AS n ON n.id = d.notification_id
WHERE d.error IS NOT NULL AND n.url IS DISTINCT FROM %s GROUP BY 1
"""
WAITING = "SELECT count(*) FROM referans.notifications WHERE state = 'waiting'"
