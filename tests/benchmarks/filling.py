"""Tables as full as after a year of a large shop: orders with their timelines, callbacks and notifications.

Every value follows from the number of its order (the functions in FUNCTIONS say how), so that the tables are filled
without looking at each other. They are filled by COPY from one server process to another, each in the transaction that
has emptied it, so that the log holds none of it and nothing is left for a vacuum; indexes are built afterwards. A kept
folder is used again if it was filled with as many orders.
"""

import json
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from gateway.dev.servers import EmbeddedPostgres, EmbeddedValkey
from models import api_key, provider, report
from models.api_key import Scope
from models.db import database, sealed
from models.db.migrate import migrate
from models.outcome import owner
from tests import factories
from tests.benchmarks.stage import Stage
from tests.conftest import KEY

#: Which tables a folder has; another number fills it anew.
VERSION = 1
#: Days over which the orders are spread, and the zone in which they are counted.
DAYS, ZONE = 365, "Asia/Damascus"
PACKAGES, PROVIDERS, PLAYERS = 1_000, 50, 300_000
#: Events of each order, and callbacks.
EVENTS, CALLBACKS = 6, 2
#: One in so many orders has its storefront's notifications kept, the newest ones; as NOTIFY_RETENTION would have it.
NOTIFIED = 10
#: The player with few orders, of whom somebody asks; and how many there are.
PLAYER, ORDERS_OF_PLAYER = "5123456789", 5
#: Days of events that are counted, as the charts of the first page show.
COUNTED_DAYS = 2
#: Providers that have few orders: one in 20,000, and none for most of a year.
RARE, GONE = "rare", "gone"
#: The mark of a folder that is full.
MARK = "filled.json"
#: Of the server while it is filled. Nothing of it is kept if it fails.
FILLING = {
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "autovacuum": "off",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "1h",
    "maintenance_work_mem": "1GB",
    "max_parallel_maintenance_workers": "0",
    "max_parallel_workers_per_gather": "0",
}


@dataclass(frozen=True, slots=True)
class Copied:
    """A table, and the rows that it is filled with."""

    table: str
    columns: str
    rows: str
    #: How many, of so many orders.
    count: float


@contextmanager
def filled(orders: int, kept: Path | None = None) -> Iterator[Stage]:
    """A stage with so many orders, in `kept` if that is given. Its web needs ENCRYPTION_KEYS: see KEYS."""
    with tempfile.TemporaryDirectory(prefix="referans-bench-") as name:
        directory = kept or Path(name)
        directory.mkdir(parents=True, exist_ok=True)
        directory.chmod(0o755)  # PostgreSQL runs as another user where this runs as root
        mark = directory / MARK
        wanted = {"version": VERSION, "orders": orders}
        is_full = mark.exists() and json.loads(mark.read_text()) == wanted
        with (
            EmbeddedPostgres(directory / "postgres", durable=is_full) as postgres,
            EmbeddedValkey(directory / "valkey") as valkey,
        ):
            migrate(postgres.url, echo=print)
            stage = Stage(postgres, valkey, directory, "")
            if not is_full:
                mark.unlink(missing_ok=True)
                fill(stage, orders)
                postgres.stop()
                postgres.durable = True
                postgres.start()
                mark.write_text(json.dumps(wanted))
            else:
                sum_up_missing(stage)
            with factories.bound(postgres.url, keys=[KEY]):
                if provider.outline(factories.SANDBOX) is None:
                    factories.add_provider()
                stage.key = api_key.create(f"benchmark {time.time_ns()}", list(Scope))
            yield stage


#: For the processes that run on a filled stage.
KEYS = {"ENCRYPTION_KEYS": KEY, "ALLOW_PLAINTEXT": "0", "TIMEZONE": ZONE}


def fill(stage: Stage, orders: int) -> None:
    """Fill the tables. Says how far it is, and how long the rest takes."""
    began = time.monotonic()
    for name, value in FILLING.items():
        stage.sql(f"ALTER SYSTEM SET {name} = '{value}'")
    stage.postgres.restart()
    [(now,)] = stage.sql("SELECT now()::text")
    stage.sql(FUNCTIONS.format(orders=orders, days=DAYS, now=now), None)
    with factories.bound(stage.postgres.url, keys=[KEY]):
        bodies = _bodies()
    indexes = _drop_indexes(stage)
    for table in _tables(orders, bodies):
        _copy(stage, table)
    for number, (name, statement) in enumerate(indexes):
        at = time.monotonic()
        stage.sql(statement, None)
        print(f"  index {number + 1} of {len(indexes)}, {name}: {time.monotonic() - at:,.0f} s", flush=True)
    for statement in FURTHER.format(orders=orders, player=PLAYER).split(";\n"):
        stage.sql(statement, None)
    stage.sql("ANALYZE")
    with factories.bound(stage.postgres.url, keys=[KEY]):
        _seal_what_is_looked_at()
    sum_up(stage, EVENTS * orders * COUNTED_DAYS // DAYS)
    stage.sql("ALTER SYSTEM RESET ALL")
    stage.sql("VACUUM ANALYZE referans.day_totals, referans.month_totals, referans.report_days")
    stage.sql("CHECKPOINT")
    print(f"  filled in {(time.monotonic() - began) / 60:,.1f} minutes", flush=True)


def sum_up(stage: Stage, events: int) -> None:
    """Let the reports know every day, and the counters the last so many events, as the sweep does."""
    began, days = time.monotonic(), 0
    with factories.bound(stage.postgres.url, keys=[KEY]):
        report.begin(ZONE)
        database.rows("UPDATE referans.report_progress SET event_id = event_id - %s", (events,))
        while report.note_changes(ZONE) == report.EVENTS:
            pass
        while report.sum_up_next(ZONE) is not None:
            days += 1
            if days % 50 == 0:
                print(f"  {days:,} days summed up in {time.monotonic() - began:,.0f} s", flush=True)
        while report.sum_up_next_month(ZONE) is not None:
            pass


def sum_up_missing(stage: Stage) -> None:
    """Add to a kept folder the sums that only a later version reads, from those that it has."""
    began, days = time.monotonic(), 0
    with factories.bound(stage.postgres.url, keys=[KEY]):
        while report.sum_up_next(ZONE) is not None:
            days += 1
        while report.sum_up_next_month(ZONE) is not None:
            days += 1
    if days:
        stage.sql("VACUUM ANALYZE referans.day_totals, referans.month_totals, referans.report_days")
        print(f"  {days:,} days and months summed up in {time.monotonic() - began:,.0f} s", flush=True)


def _drop_indexes(stage: Stage) -> list[tuple[str, str]]:
    """What is built once the tables are full: every index but those of numbers that only grow."""
    found = stage.sql(INDEXES, None)
    for name, statement, constraint, _ in found:
        if constraint:
            stage.sql(f"ALTER TABLE {statement.partition(' ')[0]} DROP CONSTRAINT {constraint}")
        else:
            stage.sql(f"DROP INDEX {name}")
    return [
        (name, f"ALTER TABLE {statement}" if constraint else statement)
        for name, statement, constraint, _ in found
    ]


def _copy(stage: Stage, table: Copied) -> None:
    """From one process of the server to another, whose transaction begins with emptying the table."""
    psql = [str(stage.postgres.binaries / "psql"), "--quiet", "--no-psqlrc", "-v", "ON_ERROR_STOP=1"]
    psql += ["-d", stage.postgres.url]
    taken = f"COPY {table.table} ({table.columns}) FROM STDIN WITH (FORMAT binary, FREEZE)"
    ended = threading.Event()
    watcher = threading.Thread(target=_tell, args=(stage, table, ended), daemon=True)
    watcher.start()
    given = subprocess.Popen(
        [*psql, "-c", f"COPY ({table.rows}) TO STDOUT WITH (FORMAT binary)"], stdout=subprocess.PIPE
    )
    taking = subprocess.run(
        [
            *psql,
            "--single-transaction",
            "-c",
            f"TRUNCATE {table.table} RESTART IDENTITY CASCADE",
            "-c",
            taken,
        ],
        stdin=given.stdout,
        check=False,
    )
    failed = given.wait() or taking.returncode
    ended.set()
    watcher.join()
    if failed:
        raise RuntimeError(f"{table.table} could not be filled")


def _tell(stage: Stage, table: Copied, ended: threading.Event) -> None:
    """Say how far a COPY is, every ten seconds."""
    began = time.monotonic()
    while not ended.wait(10):
        [(done,)] = stage.sql(
            "SELECT COALESCE(max(tuples_processed), 0) FROM pg_stat_progress_copy WHERE command = 'COPY FROM'"
        )
        seconds = time.monotonic() - began
        left = seconds * (table.count - done) / done / 60 if done else 0
        print(
            f"  {table.table}: {done:,} of {table.count:,.0f}, {done / seconds:,.0f} a second,"
            f" {left:.1f} minutes left",
            flush=True,
        )
    print(f"  {table.table}: {time.monotonic() - began:,.0f} s", flush=True)


def _bodies() -> dict[str, str]:
    """Sealed values, as long as real ones. They do not open as those of the rows that share them."""
    said = {"status": "completed", "referans": "100000000000000", "message": "Yukleme basarili"}
    whose = owner("provider-1", "100000000000000")
    return {
        "pin": sealed.seal("ABCD-EFGH-1234-5678", whose),
        "outcome": sealed.seal(json.dumps(said), whose),
        "raw": sealed.seal(_raw(said), whose),
    }


def _seal_what_is_looked_at() -> None:
    """Callbacks of the orders that pages open get bodies that open."""
    for row in database.rows(LOOKED_AT, (PLAYER,)):
        whose = owner(row["provider_id"], row["referans"])
        said = {"status": row["status"], "referans": row["referans"], "message": "Yukleme basarili"}
        values = (sealed.seal(json.dumps(said), whose), sealed.seal(_raw(said), whose), row["id"])
        database.rows("UPDATE referans.callback_events SET outcome = %s, raw = %s WHERE id = %s", values)


def _raw(said: dict[str, str]) -> str:
    """A callback as the inbox keeps it."""
    kept = {"method": "POST", "query": {}, "body": json.dumps(said), "content_type": "application/json"}
    return json.dumps(kept | {"id": "msg_2Lg9vDk3sVQm0000000000000"})


def _tables(orders: int, bodies: dict[str, str]) -> list[Copied]:
    return [
        Copied("product_orders", ORDER_COLUMNS, ORDERS.format(orders=orders, **bodies), orders),
        Copied(
            "referans.callback_events",
            CALLBACK_COLUMNS,
            CALLBACKS_OF_ORDERS.format(orders=orders, **bodies),
            CALLBACKS * orders,
        ),
        Copied(
            "referans.order_events", EVENT_COLUMNS, EVENTS_OF_ORDERS.format(orders=orders), EVENTS * orders
        ),
        Copied(
            "referans.notifications",
            NOTIFICATION_COLUMNS,
            NOTIFICATIONS.format(orders=orders, first=orders - orders // NOTIFIED),
            orders / NOTIFIED,
        ),
    ]


INDEXES = """
SELECT i.indexrelid::regclass::text, CASE WHEN c.conname IS NULL THEN pg_get_indexdef(i.indexrelid)
        ELSE i.indrelid::regclass::text || ' ADD CONSTRAINT ' || quote_ident(c.conname) || ' '
            || pg_get_constraintdef(c.oid) END,
    quote_ident(c.conname), pg_get_indexdef(i.indexrelid)
FROM pg_index AS i LEFT JOIN pg_constraint AS c ON c.conindid = i.indexrelid AND c.contype IN ('p', 'u')
WHERE i.indrelid IN ('product_orders'::regclass, 'referans.order_events'::regclass,
    'referans.callback_events'::regclass, 'referans.notifications'::regclass)
  AND pg_get_indexdef(i.indexrelid) NOT LIKE '%pkey ON referans.%'
ORDER BY 1
"""
#: Of the order with the number `n`, of which the oldest is 1: everything that several tables need. `u` is a number
#: between 0 and 1 that looks like chance.
FUNCTIONS = """
DROP SCHEMA IF EXISTS filling CASCADE;
CREATE SCHEMA filling;
CREATE FUNCTION filling.u(n bigint, salt integer) RETURNS float8 LANGUAGE sql IMMUTABLE AS
    'SELECT (hashint8extended(n, salt) & 1048575) / 1048576.0::float8';
CREATE FUNCTION filling.id(n bigint) RETURNS uuid LANGUAGE sql IMMUTABLE AS
    $$SELECT md5('order' || n)::uuid$$;
CREATE FUNCTION filling.at(n bigint) RETURNS timestamptz LANGUAGE sql STABLE AS
    $$SELECT timestamptz '{now}' - interval '{days} days' * (({orders} - n) / {orders}.0::float8)$$;
CREATE FUNCTION filling.took(n bigint) RETURNS interval LANGUAGE sql IMMUTABLE AS
    $$SELECT interval '1 second' * (2 + 8 * filling.u(n, 4) / (1.02 - filling.u(n, 5)))$$;
CREATE FUNCTION filling.referans(n bigint) RETURNS text LANGUAGE sql IMMUTABLE AS
    'SELECT (100000000000000 + n * 136117000003 % 899999999999989)::text';
CREATE FUNCTION filling.package(n bigint) RETURNS integer LANGUAGE sql IMMUTABLE AS
    'SELECT 1 + floor(1000 * power(filling.u(n, 1), 2.5))::integer';
CREATE FUNCTION filling.provider(n bigint, package integer) RETURNS text LANGUAGE sql IMMUTABLE AS
    $$SELECT CASE WHEN n % 20000 = 17 THEN 'rare' WHEN n % 100 = 3 AND n < {orders} * 0.45 THEN 'gone'
        WHEN n % 5 < 4 THEN 'provider-' || (package * 7) % 48 + 1 ELSE 'provider-' || (package * 13 + 5) % 48 + 1 END$$;
CREATE FUNCTION filling.is_open(n bigint) RETURNS boolean LANGUAGE sql IMMUTABLE AS
    'SELECT n > {orders} - LEAST({orders} / 20, 3000) AND n % 3 > 0 OR n % 10000 = 8007';
CREATE FUNCTION filling.attention(n bigint) RETURNS text LANGUAGE sql IMMUTABLE AS
    $$SELECT CASE WHEN n % 1000 = 7 THEN (ARRAY['conflict', 'no_code', 'no_code', 'cannot_ask', 'partial', 'conflict',
        'no_code', 'reversed', NULL, 'notification_dead'])[1 + (n / 1000) % 10] END$$;
CREATE FUNCTION filling.stage(n bigint) RETURNS text LANGUAGE sql IMMUTABLE AS
    $$SELECT CASE WHEN filling.is_open(n) OR n % 10000 = 3007
        THEN CASE WHEN n % 10000 IN (8007, 3007) THEN 'sent' ELSE (ARRAY['sent', 'processing', 'sent', 'pending',
            'not_sent'])[1 + n % 5] END
        WHEN n % 10000 = 7007 OR n % 2000 = 9 THEN 'reversed' WHEN n % 33 = 5 THEN 'failed' ELSE 'completed' END$$
"""
ORDER_COLUMNS = """id, "tenantId", "orderNo", "orderUuid", "productId", "packageId", quantity, status,
    "userIdentifier", "providerId", "externalOrderId", "externalStatus", "lastMessage", "pinCode", "sentAt",
    "lastSyncAt", "completedAt", "reversedAt", "durationMs", "createdAt", provider_referans, "routeParams",
    "claimedAt", "nextCheckAt", "checkCount", "lastCallbackAt", "failureReason", "placedByGateway", attention,
    "attentionAt", "priceAmount", "priceCurrency", "gatewayCostAmount", "gatewayCostCurrency\""""
ORDERS = """
SELECT filling.id(n),
    CASE WHEN t < 0.4 THEN NULL ELSE ('00000000-0000-4000-8000-00000000000' || CASE WHEN t < 0.7 THEN 1
        WHEN t < 0.85 THEN 2 WHEN t < 0.95 THEN 3 WHEN t < 0.99 THEN 4 ELSE 5 END)::uuid END,
    n::integer, 'CART-' || n, 'product-' || package / 10, 'package-' || package, 1,
    (CASE WHEN stage = 'completed' THEN 'approved' WHEN stage IN ('failed', 'reversed') THEN 'rejected'
        ELSE 'pending' END)::varchar,
    CASE WHEN n IN ({orders} - 40, {orders} - {orders} / 1000, {orders} - {orders} / 50, {orders} / 2, {orders} / 10)
        THEN '5123456789' ELSE (5200000000 + floor(300000 * power(filling.u(n, 3), 1.5))::bigint)::text END::varchar,
    provider::varchar, (7000000 + n)::text::varchar, stage::varchar, 'Yukleme basarili'::varchar,
    CASE WHEN stage = 'completed' AND attention IS DISTINCT FROM 'no_code' THEN '{pin}' END,
    CASE WHEN stage <> 'not_sent' THEN at + interval '1 second' END,
    at + took, CASE WHEN stage IN ('completed', 'reversed') THEN at + took END,
    CASE WHEN stage = 'reversed' THEN at + interval '1 day' END,
    CASE WHEN stage IN ('completed', 'reversed') THEN (1000 * EXTRACT(EPOCH FROM took))::integer END,
    at, filling.referans(n)::varchar, jsonb_build_object('oyun', package / 10, 'kupur', package),
    at + interval '1 second',
    CASE WHEN stage IN ('not_sent', 'pending', 'sent', 'processing') THEN now() + interval '2 hours' END,
    CASE WHEN n % 10000 IN (8007, 3007) THEN 25 WHEN n % 20 = 0 THEN 2 ELSE 0 END,
    CASE WHEN n % 20 > 0 THEN at + took END,
    (CASE WHEN stage = 'failed' THEN (ARRAY['customer', 'provider', 'timeout'])[1 + n % 3] END)::varchar,
    true, attention, CASE WHEN attention IS NOT NULL THEN at + took END,
    (1.25 * price)::numeric(10, 2), 'USD', CASE WHEN stage <> 'not_sent' THEN price::numeric(10, 4) END,
    CASE WHEN package % 4 = 0 THEN 'TRY' ELSE 'USD' END
FROM (
    SELECT n, filling.at(n) AS at, filling.took(n) AS took, filling.stage(n) AS stage, filling.u(n, 2) AS t,
        CASE WHEN n = {orders} - 40 THEN 'no_code' ELSE filling.attention(n) END AS attention, package,
        filling.provider(n, package) AS provider, 0.5 + package % 90 AS price
    FROM (SELECT n, filling.package(n) AS package FROM generate_series(1, {orders}::bigint) AS n OFFSET 0) AS one
    OFFSET 0
) AS made
"""
CALLBACK_COLUMNS = """id, provider_id, dedupe_key, received_at, settled_at, result, order_id, referans, status, message,
    outcome, raw, raw_of"""
CALLBACKS_OF_ORDERS = """
SELECT 2 * n - 2 + k, provider, 'id:msg_' || left(md5(n || 'k' || k), 24), at + k * took / 2, at + k * took / 2,
    CASE WHEN k = 1 THEN 'applied' WHEN n % 10000 = 13 THEN 'invalid' WHEN n % 20000 = 11 THEN 'unmatched'
        WHEN attention = 'conflict' THEN 'conflict' WHEN n % 25 = 0 THEN 'duplicate' ELSE 'applied' END,
    CASE WHEN k = 2 AND (n % 10000 = 13 OR n % 20000 = 11) THEN NULL ELSE filling.id(n) END, filling.referans(n),
    CASE WHEN k = 1 THEN 'processing' WHEN stage IN ('failed', 'reversed') THEN stage ELSE 'completed' END,
    'Yukleme basarili', '{outcome}', CASE WHEN k = 2 OR n % 10 = 0 THEN '{raw}' END,
    CASE WHEN k = 1 AND n % 10 > 0 THEN 'id:msg_' || left(md5(n / 10 * 10 || 'k' || k), 24) END
FROM (
    SELECT n, filling.at(n) AS at, filling.took(n) AS took, filling.stage(n) AS stage,
        filling.attention(n) AS attention, filling.provider(n, filling.package(n)) AS provider
    FROM generate_series(1, {orders}::bigint) AS n OFFSET 0
) AS made, generate_series(1, 2) AS k
"""
EVENT_COLUMNS = 'id, order_id, at, source, "from", "to", message, result, "by"'
EVENTS_OF_ORDERS = """
SELECT 6 * n - 6 + k, id, at + k * took / 5 - took / 5, s.source, s.came, CASE WHEN k >= 5 THEN stage ELSE s.went END,
    s.message, CASE WHEN k >= 3 AND k < 6 THEN 'applied' END, CASE WHEN k = 1 THEN 'shop' END
FROM (
    SELECT n, filling.id(n) AS id, filling.at(n) AS at, filling.took(n) AS took, filling.stage(n) AS stage
    FROM generate_series(1, {orders}::bigint) AS n OFFSET 0
) AS made, (VALUES
    (1, 'api', NULL, 'not_sent', 'placed'), (2, 'dispatch', 'not_sent', 'pending', 'claimed for its provider'),
    (3, 'dispatch', 'pending', 'sent', 'accepted'), (4, 'callback', 'sent', 'processing', 'processing'),
    (5, 'callback', 'processing', NULL, 'Yukleme basarili'), (6, 'notify', 'completed', NULL, 'told: 200')
) AS s (k, source, came, went, message)
"""
NOTIFICATION_COLUMNS = (
    """id, order_id, type, created_at, receiver, payload, state, tries, next_try_at, ended_at"""
)
NOTIFICATIONS = """
SELECT n - {first}, filling.id(n), CASE WHEN n % 33 = 5 THEN 'order.failed' ELSE 'order.completed' END, at,
    'NOTIFY_URL', jsonb_build_object('id', filling.id(n), 'order_no', n, 'status', 'approved', 'external_status',
        'completed', 'quantity', 1, 'product_id', 'product-1', 'package_id', 'package-1', 'user_identifier',
        '5200000000', 'provider_id', 'provider-01', 'created_at', at, 'last_message', 'Yukleme basarili'),
    CASE WHEN n % 1000 = 7 THEN 'dead' WHEN n > {orders} - 200 THEN 'waiting' ELSE 'delivered' END, 1,
    CASE WHEN n > {orders} - 200 THEN now() + interval '1 day' END,
    CASE WHEN n <= {orders} - 200 THEN at + interval '1 second' END
FROM (
    SELECT n, filling.at(n) + filling.took(n) AS at FROM generate_series({first} + 1, {orders}::bigint) AS n OFFSET 0
) AS made
"""
#: What is small: providers, routes, former references, tries at notifications, bulk actions, a statement.
FURTHER = """
SELECT setval('product_orders_order_no_seq', {orders});
SELECT setval(pg_get_serial_sequence('referans.' || name, 'id'), 10 * {orders})
FROM unnest(ARRAY['order_events', 'callback_events', 'notifications']) AS name;
INSERT INTO referans.providers (id, adapter, base_url, callback, credentials, currency, low_balance)
SELECT id, 'znet', 'http://127.0.0.1:1', 'token', '{{}}', 'USD', 100
FROM (SELECT 'provider-' || n AS id FROM generate_series(1, 48) AS n UNION SELECT 'rare' UNION SELECT 'gone') AS them
ON CONFLICT DO NOTHING;
INSERT INTO referans.provider_health (provider_id, balance, balance_currency, balance_at)
SELECT id, 5000, 'USD', now() FROM referans.providers ON CONFLICT DO NOTHING;
INSERT INTO referans.routes (product_id, package_id, provider_id, position, cost, currency)
SELECT 'product-' || package / 10, 'package-' || package, 'provider-' || provider, place, 1, 'USD'
FROM generate_series(1, 1000) AS package,
    LATERAL (VALUES ((package * 7) % 48 + 1, 0), ((package * 13 + 5) % 48 + 1, 1)) AS p (provider, place)
ON CONFLICT DO NOTHING;
INSERT INTO referans.former_references (referans, provider_id, external_order_id, order_id)
SELECT (10^15)::bigint + n, 'provider-1', 'former-' || n, filling.id(n) FROM generate_series(200, {orders}, 200) AS n
ON CONFLICT DO NOTHING;
INSERT INTO referans.deliveries (notification_id, at, status, duration_ms, answer)
SELECT id, created_at, CASE WHEN state = 'dead' THEN 500 ELSE 200 END, 40, 'ok' FROM referans.notifications
WHERE state <> 'waiting';
INSERT INTO referans.bulk_actions (action, options, about, reason, "by", total, state, ended_at)
SELECT 'check', '{{}}', '{{"needs": "no_answer"}}', 'a benchmark', 'filler', LEAST(10000, {orders} / 10), 'done', now()
FROM generate_series(1, 40);
INSERT INTO referans.bulk_orders (bulk_id, order_id, result, note)
SELECT b.id, filling.id(n), CASE WHEN n % 100 = 0 THEN 'refused' ELSE 'done' END, NULL
FROM referans.bulk_actions AS b, generate_series(1, LEAST(10000, {orders} / 10)) AS n WHERE b."by" = 'filler';
INSERT INTO referans.statements (provider_id, name, "by", state, lines, ended_at)
VALUES ('provider-1', 'may.csv', 'filler', 'done', 100000, now());
INSERT INTO referans.statement_lines (statement_id, line, referans, amount, currency, state, kind, at, order_id,
    finding)
SELECT (SELECT max(id) FROM referans.statements), n, filling.referans(n), 1, 'USD', 'completed', 'completed',
    filling.at(n), filling.id(n), (ARRAY['ok', 'ok', 'ok', 'cost', 'state', 'unknown'])[1 + n % 6]
FROM generate_series(1, LEAST(100000, {orders} / 2)) AS n;
INSERT INTO referans.heartbeats (process, beat_at) VALUES ('scheduler', now()) ON CONFLICT DO NOTHING;
INSERT INTO referans.sweeps (started_by, finished_at) VALUES ('benchmark', now())
"""
LOOKED_AT = """
SELECT c.id, c.provider_id, c.referans, c.status FROM product_orders AS o
JOIN referans.callback_events AS c ON c.order_id = o.id WHERE o."userIdentifier" = %s
"""
