"""The worker and the sweep: finding what is due, asking for it, sending what was placed."""

import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import dramatiq
import psycopg2

from gateway.broker import QUEUES, make_broker
from gateway.settings import load as load_settings
from models.plan import DUE
from tests import factories
from tests.acceptance.system import WORKER, free_port
from tests.benchmarks.load import Load
from tests.benchmarks.panel import ANSWER_SECONDS
from tests.benchmarks.report import Report
from tests.benchmarks.stage import Stage
from tests.benchmarks.web import REFERANS
from tests.waiting import wait_until

THREADS = 8
DUE_ORDERS = 10_000
BATCH = 100
LOOKS = 50
ORDERS_A_SECOND = 50


def measure(stage: Stage, report: Report, *, seconds: int, rows: int) -> None:
    """`seconds` of orders for the way from placing to sending; `rows` for the large table."""
    with _provider(stage):
        _placed_to_sent(stage, report, seconds)
        _checks(stage, report)
    stage.sql('DELETE FROM product_orders WHERE "nextCheckAt" IS NOT NULL')
    _batches(stage, report, rows)


@contextmanager
def _provider(stage: Stage) -> Iterator[None]:
    """A provider that answers after 50 ms."""
    port = free_port()
    with (
        stage.process("panel", [sys.executable, "-m", "tests.benchmarks.panel", str(port)]),
        factories.bound(stage.postgres.url, pool_size=2),
    ):
        factories.add_provider(base_url=f"http://127.0.0.1:{port}", max_concurrency=64)
        yield


def _placed_to_sent(stage: Stage, report: Report, seconds: int) -> None:
    began = stage.sql("SELECT now()")[0][0]
    with stage.process("worker", WORKER), stage.web("web", REFERANS, WEB_CONCURRENCY="2") as port:
        load, count = Load(port, 8), ORDERS_A_SECOND * seconds
        load.open_loop(stage.orders(port, 20), 10)
        load.open_loop(stage.orders(port, count), ORDERS_A_SECOND)
        load.close()
        wait_until(lambda: stage.sql(NOT_SENT, (began,))[0][0] == 0, 60, what="every order sent")
        p50, p99 = stage.sql(WAITED_MS, (began, count))[0]
    report.add("created → sent, ms, 50 orders/s", "p50", p50)
    report.add("created → sent, ms, 50 orders/s", "p99", p99)


def _checks(stage: Stage, report: Report) -> None:
    """Due orders found by one sweep, which the same worker enqueues and checks."""
    stage.sql('UPDATE product_orders SET "nextCheckAt" = NULL WHERE "nextCheckAt" IS NOT NULL')
    stage.numbered_orders_sent(DUE_ORDERS)
    stage.sql('UPDATE product_orders SET "nextCheckAt" = now() WHERE "nextCheckAt" IS NOT NULL')
    since = stage.sql("SELECT now()")[0][0]
    given = {"DATABASE_URL": stage.postgres.url, "REDIS_URL": stage.valkey.url}
    broker = make_broker(load_settings(given), strict=True)
    broker.enqueue(
        dramatiq.Message(queue_name=QUEUES["sweep"], actor_name="sweep", args=(), kwargs={}, options={})
    )
    with stage.process("worker", WORKER):
        wait_until(lambda: stage.sql(SWEPT, (since,)), 120, what="the sweep")
        report.add("10,000 due orders found and enqueued, s", "one sweep", stage.sql(SWEPT, (since,))[0][0])
        first = stage.sql(CHECKED, (since,))[0][0]
        began = time.perf_counter()
        time.sleep(15)  # the span that is measured
        rate = (stage.sql(CHECKED, (since,))[0][0] - first) / (time.perf_counter() - began)
    broker.close()
    report.add("checks/s, one worker", "Referans", rate)
    report.add("checks/s, one worker", "what the provider's 50 ms allow", THREADS / ANSWER_SECONDS)


def _batches(stage: Stage, report: Report, rows: int) -> None:
    """The sweep's query for its first batch, on a small and on a large table."""
    for count in (100_000, rows):
        missing = count - stage.sql("SELECT count(*) FROM product_orders")[0][0]
        if missing > 0:
            print(f"  making {missing:,} old orders", flush=True)
            stage.sql(FINAL, (missing,))
        stage.sql('DELETE FROM product_orders WHERE "nextCheckAt" IS NOT NULL')
        stage.numbered_orders_sent(DUE_ORDERS)
        stage.sql('UPDATE product_orders SET "nextCheckAt" = now() WHERE "nextCheckAt" IS NOT NULL')
        stage.sql("VACUUM ANALYZE product_orders")
        median_ms, plan = _batch(stage)
        report.add("one batch of 100 of 10,000 due, ms", f"{count:,} rows", median_ms)
        report.add_plan(f"One batch of the sweep, {count:,} rows", plan)


def _batch(stage: Stage) -> tuple[float, str]:
    values = {"limit": BATCH, "at": None, "id": None}
    took: list[float] = []
    connection = psycopg2.connect(stage.postgres.url)
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(DUE.prepare)
        for _ in range(LOOKS):
            began = time.perf_counter()
            cursor.execute(DUE.execute, values)
            assert len(cursor.fetchall()) == BATCH
            took.append(1000 * (time.perf_counter() - began))
        cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, COSTS OFF) {DUE.execute}", values)
        plan = "\n".join(line for (line,) in cursor.fetchall())
    connection.close()
    return statistics.median(took), plan


NOT_SENT = 'SELECT count(*) FROM product_orders WHERE "createdAt" > %s AND "sentAt" IS NULL'
WAITED_MS = """
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY ms), percentile_cont(0.99) WITHIN GROUP (ORDER BY ms)
FROM (SELECT 1000 * EXTRACT(EPOCH FROM "sentAt" - "createdAt")::float8 AS ms FROM product_orders
      WHERE "createdAt" > %s ORDER BY "createdAt" DESC LIMIT %s) AS last
"""
SWEPT = """
SELECT EXTRACT(EPOCH FROM finished_at - started_at)::float8 FROM sweeps
WHERE started_at > %s AND (counts ->> 'enqueued')::int >= 10000
"""
CHECKED = 'SELECT count(*) FROM product_orders WHERE "lastSyncAt" > %s AND "checkCount" > 0'
FINAL = """
INSERT INTO product_orders ("productId", "packageId", "userIdentifier", "providerId", provider_referans, status,
    "externalStatus", "pinCode", "createdAt", "sentAt", "completedAt", "durationMs")
SELECT 'game', '60', 'player', 'sandbox', (6 * 10^17)::bigint + n, 'approved', 'completed', 'PIN', at, at, at, 60000
FROM generate_series(1, %s) AS n, LATERAL (SELECT now() - make_interval(secs => n) AS at) AS t
"""
