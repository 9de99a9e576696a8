"""The worker and the sweep: finding what is due, asking for it, sending what was placed."""

import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

import dramatiq
import psutil
import psycopg2
import redis

from gateway.broker import NAMESPACE, QUEUES, PatientBroker, make_broker, message
from gateway.settings import load as load_settings
from models import idempotency, inbox, plans
from tests import factories
from tests.acceptance.system import WORKER
from tests.benchmarks.load import Load
from tests.benchmarks.panel import ANSWER_SECONDS
from tests.benchmarks.report import OURS, Report
from tests.benchmarks.stage import Stage
from tests.benchmarks.web import MEMORY, REFERANS
from tests.ports import free_port
from tests.waiting import wait_until

THREADS = 8
DUE_ORDERS = 10_000
BATCH = 100
LOOKS = 50
ORDERS_A_SECOND = 50
MILLION = 1_000_000
#: Messages of one round that find nothing to do.
NOTHING_TO_DO = 15_000
#: Messages after which memory is looked at first, and that wait in the queue at once.
EARLY, CHUNK = 10_000, 20_000
BARE = "bare Dramatiq, an empty actor"
MACHINERIES = {
    BARE: ("tests.benchmarks.peers.bare_dramatiq", "nothing"),
    OURS: ("tests.benchmarks.idle", "nothing"),
    "Referans, a hint that is wrong: looked up, and done": ("actors", "check_order_status"),
}

SENT = f"created → sent, {ORDERS_A_SECOND} orders/s, ms"
SWEEP, ONE_BATCH = (
    f"{DUE_ORDERS:,} due orders found and enqueued, s",
    f"a batch of {BATCH} out of {DUE_ORDERS:,} due, ms",
)
CHECKS, ALLOWED = "checks/s, one worker", "what eight threads and a provider at 50 ms allow"
MESSAGES = "messages/s through queue and worker"


def speed(stage: Stage, report: Report, seconds: int, rounds: int) -> None:
    """Sends for `seconds`, checks, the sweep that finds them, and messages that have nothing to do."""
    with _provider(stage):
        for _ in range(rounds):
            _placed_to_sent(stage, report, seconds)
            _checks(stage, report)
    for _ in range(rounds):
        for whose, (module, actor_name) in MACHINERIES.items():
            report.add(MESSAGES, whose, _messages(stage, module, actor_name))
    report.want(SENT, "p99", at_most=500)
    report.want(SWEEP, "one sweep", at_most=10)
    report.want_ratio(CHECKS, ALLOWED, at_least=0.8)
    report.want_ratio(MESSAGES, BARE, at_least=1)


def table_size(stage: Stage, report: Report, rows: int) -> None:
    """The sweep's queries on a small and on a large table."""
    stage.sql('DELETE FROM product_orders WHERE "nextCheckAt" IS NOT NULL')
    for count in (100_000, rows):
        _fill(stage, count)
        median_ms = _batch(stage, report, count)
        report.add(
            ONE_BATCH, f"{count:,} rows" if count != rows else f"{count:,} rows, the large table", median_ms
        )
    small, large = (report.median(ONE_BATCH, name) for name in report.names(ONE_BATCH))
    report.add(ONE_BATCH, "large / small", large / small)
    report.want(ONE_BATCH, "large / small", at_most=1.3)


def memory(stage: Stage, report: Report, messages: int) -> None:
    """What a worker weighs after ten thousand messages, and after many more; each looks its order up."""
    with stage.process("worker", WORKER) as worker:
        _work_off(stage, EARLY)
        before = _memory_mib(worker.pid)
        report.add(MEMORY, f"worker, MiB, after {EARLY:,}", before)
        for begin in range(EARLY, messages, CHUNK):
            _work_off(stage, min(CHUNK, messages - begin))
            if begin % (10 * CHUNK) == EARLY:
                print(f"  {begin:,} of {messages:,} messages", flush=True)
        after = _memory_mib(worker.pid)
    report.add(MEMORY, f"worker, MiB, after {messages:,}", after)
    report.add(MEMORY, "worker, the one / the other", after / before)
    report.want(MEMORY, "worker, the one / the other", at_most=1.1)


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
    _forget_hints(stage)
    began = stage.sql("SELECT now()")[0][0]
    with stage.process("worker", WORKER), stage.web("web", REFERANS, WEB_CONCURRENCY="2") as port:
        load, count = Load(port, 8), ORDERS_A_SECOND * seconds
        load.open_loop(stage.orders(port, 20), 10)
        load.open_loop(stage.orders(port, count), ORDERS_A_SECOND)
        load.close()
        wait_until(lambda: stage.sql(NOT_SENT, (began,))[0][0] == 0, 60, what="every order sent")
        p50, p99 = stage.sql(WAITED_MS, (began, count))[0]
    report.add(SENT, "p50", p50)
    report.add(SENT, "p99", p99)


def _checks(stage: Stage, report: Report) -> None:
    """Due orders found by one sweep, which the same worker enqueues and checks."""
    _forget_hints(stage)
    stage.sql('UPDATE product_orders SET "nextCheckAt" = NULL WHERE "nextCheckAt" IS NOT NULL')
    stage.numbered_orders_sent(DUE_ORDERS)
    stage.sql('UPDATE product_orders SET "nextCheckAt" = now() WHERE "nextCheckAt" IS NOT NULL')
    since = stage.sql("SELECT now()")[0][0]
    broker = _broker(stage)
    broker.enqueue(message("sweep"))
    with stage.process("worker", WORKER):
        wait_until(lambda: stage.sql(SWEPT, (since,)), 120, what="the sweep")
        report.add(SWEEP, "one sweep", stage.sql(SWEPT, (since,))[0][0])
        first = stage.sql(CHECKED, (since,))[0][0]
        began = time.perf_counter()
        time.sleep(15)  # the span that is measured
        rate = (stage.sql(CHECKED, (since,))[0][0] - first) / (time.perf_counter() - began)
    broker.close()
    report.add(CHECKS, OURS, rate)
    report.add(CHECKS, ALLOWED, THREADS / ANSWER_SECONDS)


def _messages(stage: Stage, module: str, actor_name: str) -> float:
    """Messages a second that a worker takes off a full queue, from when it is warm."""
    _forget_hints(stage)
    _enqueue(stage, NOTHING_TO_DO, actor_name)
    command = [sys.executable, "-m", "dramatiq", module, *WORKER[2:]]
    with stage.process(module, command):
        wait_until(lambda: _left(stage) < NOTHING_TO_DO - 1_000, 60, what="the worker")
        began, first = time.perf_counter(), _left(stage)
        wait_until(lambda: _left(stage) < 1_000, 120, what="the worker")
        rate = (first - _left(stage)) / (time.perf_counter() - began)
        wait_until(lambda: _left(stage) == 0, 60, what="the last message")
    return rate


def _forget_hints(stage: Stage) -> None:
    """What an earlier part has left; a sweep adds no more than there is room for."""
    with closing(redis.Redis.from_url(stage.valkey.url)) as client:
        client.flushdb()


def _work_off(stage: Stage, count: int) -> None:
    _enqueue(stage, count)
    wait_until(lambda: _left(stage) == 0, 300, what="every message", pause_seconds=0.2)


def _enqueue(stage: Stage, count: int, actor_name: str = "check_order_status") -> None:
    """Hints for an order that is final."""
    order_id = stage.sql(
        "SELECT id::text FROM product_orders WHERE \"externalStatus\" = 'completed' LIMIT 1"
    )[0][0]
    broker = _broker(stage)
    for begin in range(0, count, 1_000):
        broker.enqueue_all(_check_message(actor_name, order_id) for _ in range(min(1_000, count - begin)))
    broker.close()


def _left(stage: Stage) -> int:
    with closing(redis.Redis.from_url(stage.valkey.url)) as client:
        return client.hlen(f"{NAMESPACE}:{QUEUES['check_order_status']}.msgs")


def _broker(stage: Stage) -> PatientBroker:
    given = {"DATABASE_URL": stage.postgres.url, "REDIS_URL": stage.valkey.url}
    return make_broker(load_settings(given, require=()), strict=True)


def _check_message(actor_name: str, order_id: str) -> "dramatiq.Message[None]":
    """A message in the queue of checks, whatever its actor is called."""
    return message("check_order_status", order_id).copy(actor_name=actor_name)


def _memory_mib(pid: int) -> float:
    """Resident memory of a process and its children."""
    process = psutil.Process(pid)
    return sum(one.memory_info().rss for one in (process, *process.children(recursive=True))) / 2**20


def _fill(stage: Stage, count: int) -> None:
    missing = count - stage.sql("SELECT count(*) FROM product_orders")[0][0]
    for begin in range(0, missing, MILLION):
        print(f"  making {min(MILLION, missing - begin):,} old orders", flush=True)
        stage.sql(FINAL, (begin, min(begin + MILLION, missing)))
    stage.sql('DELETE FROM product_orders WHERE "nextCheckAt" IS NOT NULL')
    stage.numbered_orders_sent(DUE_ORDERS)
    stage.sql('UPDATE product_orders SET "nextCheckAt" = now() WHERE "nextCheckAt" IS NOT NULL')
    stage.sql("VACUUM ANALYZE")


def _batch(stage: Stage, report: Report, count: int) -> float:
    """Milliseconds that the first batch takes; and the plan of every query of the sweep."""
    took: list[float] = []
    with closing(psycopg2.connect(stage.postgres.url)) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        cursor.execute("SET plan_cache_mode = force_generic_plan")
        cursor.execute(plans.DUE.prepare)
        for _ in range(LOOKS):
            began = time.perf_counter()
            cursor.execute(plans.DUE.execute, FIRST_BATCH)
            assert len(cursor.fetchall()) == BATCH
            took.append(1000 * (time.perf_counter() - began))
        for name, statement in QUERIES.items():
            cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, COSTS OFF) {statement}", FIRST_BATCH)
            lines = "\n".join(line for (line,) in cursor.fetchall())
            report.add_plan(f"The sweep: {name}, {count:,} rows", lines)
    return statistics.median(took)


FIRST_BATCH = {
    "limit": BATCH,
    "at": None,
    "id": None,
    "after_id": 0,
    "first": 60,
    "retention": 2_592_000,
}
QUERIES = {
    "what is due": plans.DUE.execute,
    "orders that another system sent": plans.ADOPT,
    "callbacks whose order has appeared": inbox.REAPPEARED,
    "callbacks past their retention": inbox.PURGE,
    "idempotency keys past theirs": idempotency.FORGET,
}
NOT_SENT = 'SELECT count(*) FROM product_orders WHERE "createdAt" > %s AND "sentAt" IS NULL'
WAITED_MS = """
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY ms), percentile_cont(0.99) WITHIN GROUP (ORDER BY ms)
FROM (SELECT 1000 * EXTRACT(EPOCH FROM "sentAt" - "createdAt")::float8 AS ms FROM product_orders
      WHERE "createdAt" > %s ORDER BY "createdAt" DESC LIMIT %s) AS last
"""
SWEPT = """
SELECT EXTRACT(EPOCH FROM finished_at - started_at)::float8 FROM referans.sweeps
WHERE started_at > %s AND (counts ->> 'enqueued')::int >= 10000
"""
CHECKED = 'SELECT count(*) FROM product_orders WHERE "lastSyncAt" > %s AND "checkCount" > 0'
FINAL = """
INSERT INTO product_orders ("productId", "packageId", "userIdentifier", "providerId", provider_referans, status,
    "externalStatus", "pinCode", "createdAt", "sentAt", "completedAt", "durationMs")
SELECT 'game', '60', 'player', 'sandbox', (6 * 10^17)::bigint + n, 'approved', 'completed', 'PIN', at, at, at, 60000
FROM generate_series(%s + 1, %s) AS n, LATERAL (SELECT now() - make_interval(secs => n) AS at) AS t
"""
