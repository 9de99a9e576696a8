"""Migrations: on nothing, on a table that another system made, by several at once, by hand."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import peewee
import psycopg2
import pytest

from models.db import migrate
from models.status import ExternalStatus
from tests import factories
from tests.conftest import TABLES

#: As TypeORM made it for the storefront; `users` and `products` stand for tables we do not own.
LEGACY_TABLE = """
CREATE TABLE products (id uuid PRIMARY KEY DEFAULT gen_random_uuid());
INSERT INTO products SELECT FROM generate_series(1, 10);
CREATE TABLE product_orders (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(), "tenantId" uuid, "orderNo" integer, "orderUuid" varchar(64),
    origin varchar(20) DEFAULT 'panel', "productId" uuid REFERENCES products (id), "packageId" uuid, "userId" uuid,
    quantity integer DEFAULT 1, "sellPriceCurrency" varchar(10) DEFAULT 'USD',
    "sellPriceAmount" numeric(10,2) DEFAULT 0, "costCurrency" varchar(10) DEFAULT 'USD',
    "costAmount" numeric(10,2) DEFAULT 0, "profitAmount" numeric(10,2) DEFAULT 0, price numeric(10,2) DEFAULT 0,
    status varchar DEFAULT 'pending', "userIdentifier" varchar, "extraField" varchar, "providerId" varchar,
    "externalOrderId" varchar, "externalStatus" varchar DEFAULT 'not_sent', attempts integer DEFAULT 0,
    "lastMessage" varchar(250), "manualNote" text, notes jsonb DEFAULT '[]', "notesCount" integer DEFAULT 0,
    "pinCode" varchar(120), "sentAt" timestamptz, "lastSyncAt" timestamptz, "completedAt" timestamptz,
    "approvedAt" timestamptz, "durationMs" integer, "fxLocked" boolean DEFAULT false,
    "createdAt" timestamptz DEFAULT now()
);
INSERT INTO product_orders ("orderNo", "productId", "packageId", "userIdentifier", "providerId", "externalStatus",
    status, "pinCode", "sentAt", "completedAt", "lastMessage", price)
SELECT n, (SELECT id FROM products LIMIT 1), gen_random_uuid(), 'player ' || n, 'znet',
    (ARRAY['not_sent','queued','pending','sent','processing','completed','done','failed','cancelled'])[1 + n % 9],
    'pending', CASE WHEN n % 9 = 5 THEN 'PIN-' || n END, now() - n * interval '1 minute', NULL, 'ş' || n, n
FROM generate_series(1, 5000) AS n;
"""
CHECKSUM = """
SELECT md5(string_agg(rest::text, '|' ORDER BY rest->>'id')) FROM (
    SELECT to_jsonb(o) - %s::text[] AS rest FROM product_orders AS o) AS each
"""
QUERIES = Path(__file__).with_name("legacy_queries.sql").read_text()


@contextmanager
def connected(url: str) -> Iterator[Any]:
    with closing(psycopg2.connect(url)) as connection:
        connection.autocommit = True
        yield connection.cursor()


def quiet(line: str) -> None:
    """Takes a line of progress."""


def columns(url: str) -> set[str]:
    with connected(url) as cursor:
        cursor.execute(
            "SELECT column_name FROM information_schema.columns WHERE table_name = 'product_orders'"
        )
        return {name for (name,) in cursor.fetchall()}


def run_legacy_queries(url: str) -> None:
    with connected(url) as cursor:
        cursor.execute(QUERIES)


def test_a_fresh_database_gets_everything_and_a_second_run_nothing(empty_database_url: str) -> None:
    assert len(migrate.migrate(empty_database_url, echo=quiet)) >= 3
    assert migrate.migrate(empty_database_url, echo=quiet) == []
    run_legacy_queries(empty_database_url)


def test_tests_empty_every_table(database_url: str) -> None:
    with connected(database_url) as cursor:
        cursor.execute(
            "SELECT schemaname, tablename FROM pg_tables WHERE schemaname IN ('public', 'referans')"
        )
        found = {name if schema == "public" else f"{schema}.{name}" for schema, name in cursor.fetchall()}
    tables = found - {"referans.schema_migration", "referans.installation"}  # which a migration fills
    assert tables == {name.strip() for name in TABLES.split(",")}, "see TABLES in tests/conftest.py"


def test_a_table_of_another_system_is_adopted_without_touching_a_row(empty_database_url: str) -> None:
    with connected(empty_database_url) as cursor:
        cursor.execute(LEGACY_TABLE)
    before = columns(empty_database_url)
    rows_before = _rows(empty_database_url, set())

    migrate.migrate(empty_database_url, echo=quiet)

    added = columns(empty_database_url) - before
    assert before <= columns(empty_database_url)
    assert _rows(empty_database_url, added) == rows_before
    run_legacy_queries(empty_database_url)


def _rows(url: str, without: set[str]) -> tuple[int, str]:
    with connected(url) as cursor:
        cursor.execute("SELECT count(*) FROM product_orders")
        (number,) = cursor.fetchone()
        cursor.execute(CHECKSUM, (list(without),))
        return number, cursor.fetchone()[0]


def test_orders_live_on_a_table_whose_products_are_uuids_and_whose_pins_were_short(
    empty_database_url: str,
) -> None:
    with connected(empty_database_url) as cursor:
        cursor.execute(LEGACY_TABLE)
        cursor.execute("SELECT id FROM products LIMIT 1")
        (product,) = cursor.fetchone()
    migrate.migrate(empty_database_url, echo=quiet)

    with factories.bound(empty_database_url):
        factories.add_provider()
        new = factories.placing.NewOrder(str(product), factories.NO_ORDER, "player")
        placed = factories.place_new(new)
        # The column was made for 120 characters.
        assert factories.settle(factories.arrival(placed, ExternalStatus.COMPLETED, "P" * 150)) == ["applied"]

    assert placed["product_id"] == str(product)


def test_several_at_once_apply_each_migration_once(empty_database_url: str) -> None:
    apply = f"migrate({empty_database_url!r}, echo=lambda line: None)"
    script = f"from models.db.migrate import migrate; print(len({apply}))"
    runs = [
        subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) for _ in range(4)
    ]
    applied = sorted(int(run.communicate()[0]) for run in runs)
    assert applied[:3] == [0, 0, 0]
    assert applied[3] >= 3


def test_a_long_transaction_delays_the_migration_and_not_the_storefront(empty_database_url: str) -> None:
    with connected(empty_database_url) as cursor:
        cursor.execute(LEGACY_TABLE)
    lines: list[str] = []
    locked = threading.Event()

    def echo(line: str) -> None:
        lines.append(line)
        if "locked" in line:
            locked.set()

    run = threading.Thread(target=lambda: migrate.migrate(empty_database_url, echo=echo))
    with closing(psycopg2.connect(empty_database_url)) as reader:
        reader.cursor().execute("SELECT count(*) FROM product_orders")
        run.start()
        assert locked.wait(30)
        with connected(empty_database_url) as storefront:
            storefront.execute("SET statement_timeout = '1s'")
            storefront.execute('UPDATE product_orders SET "manualNote" = \'x\' WHERE "orderNo" = 1')
    run.join()

    assert migrate.migrate(empty_database_url, echo=quiet) == []


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migrate, "LOCK_TIMEOUT_MS", 20)
    monkeypatch.setattr(migrate, "LOCK_TRIES", 2)
    monkeypatch.setattr(migrate, "PAUSE_SECONDS", 0.01)


@pytest.mark.usefixtures("impatient")
def test_a_transaction_that_does_not_end_blocks_the_migration_and_what_to_do_is_said(
    empty_database_url: str,
) -> None:
    with connected(empty_database_url) as cursor:
        cursor.execute("CREATE TABLE product_orders (id uuid PRIMARY KEY)")
    lines: list[str] = []
    with closing(psycopg2.connect(empty_database_url)) as reader:
        reader.cursor().execute("SELECT count(*) FROM product_orders")
        with pytest.raises(
            migrate.MigrationBlocked, match=r"0001_product_orders.*run `gateway migrate` again"
        ):
            migrate.migrate(empty_database_url, echo=lines.append)
    assert sum("trying again" in line for line in lines) == 2
    assert columns(empty_database_url) == {"id"}


@pytest.mark.usefixtures("impatient")
def test_a_lost_connection_is_not_taken_for_a_lock(empty_database_url: str) -> None:
    lines: list[str] = []

    def echo(line: str) -> None:
        lines.append(line)
        with connected(empty_database_url) as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE application_name = 'referans-migrate' AND datname = current_database()"
            )

    with pytest.raises((peewee.OperationalError, peewee.InterfaceError)):
        migrate.migrate(empty_database_url, echo=echo)
    assert lines == ["applying 0001_product_orders"]


def test_an_index_that_a_cut_short_build_left_is_built_again(database_url: str) -> None:
    with connected(database_url) as cursor:
        cursor.execute(
            "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'idx_orders_created'::regclass"
        )
        cursor.execute("DELETE FROM referans.schema_migration WHERE name = '0003_order_indexes'")

    migrate.migrate(database_url, echo=quiet)

    with connected(database_url) as cursor:
        cursor.execute("SELECT indisvalid FROM pg_index WHERE indexrelid = 'idx_orders_created'::regclass")
        assert cursor.fetchone() == (True,)
