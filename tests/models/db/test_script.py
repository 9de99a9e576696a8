"""`gateway migrate --sql`: what is missing, as a script that an administrator runs."""

from collections.abc import Callable
from urllib.parse import urlsplit

import pytest

from models.db import database, migrate, script
from models.db.expected import statements
from models.status import ExternalStatus
from tests import factories
from tests.models.db import psql
from tests.models.db.conftest import shape
from tests.models.db.test_migrate import connected, quiet, run_legacy_queries
from tests.refusing import execute

Way = Callable[[str, str], tuple[int, str]]


@pytest.mark.parametrize("way", psql.WAYS)
def test_it_leaves_what_migrate_leaves(way: Way, empty_database_url: str, database_url: str) -> None:
    text = migrate.sql(empty_database_url)
    assert way(empty_database_url, text) == (0, "")

    assert shape(empty_database_url) == shape(database_url)
    assert migrate.migrate(empty_database_url, echo=quiet) == []
    assert migrate.sql(empty_database_url) == script.NOTHING
    run_legacy_queries(empty_database_url)


@pytest.mark.parametrize("way", psql.WAYS)
@pytest.mark.parametrize("schema", ["referans", "order"])
def test_a_role_without_rights_prints_it_and_runs_the_gateway_afterwards(
    way: Way, schema: str, legacy_database_url: str, stranger_url: str
) -> None:
    role = urlsplit(stranger_url).username
    text = migrate.sql(stranger_url, schema=schema, role=role)
    assert text.startswith("\\set ON_ERROR_STOP on\n")
    assert way(legacy_database_url, text) == (0, "")

    lines: list[str] = []
    assert migrate.migrate(stranger_url, schema=schema, echo=lines.append) == []
    assert lines == []
    with factories.bound(stranger_url, schema=schema):
        factories.add_provider()
        assert database.rows("SELECT seal_pins FROM referans.installation") == [{"seal_pins": False}]
        with connected(legacy_database_url) as cursor:
            cursor.execute(
                """INSERT INTO product_orders ("tenantId", "providerId", provider_referans, "externalStatus")
                SELECT id, 'sandbox', '4711', 'sent' FROM tenant RETURNING id"""
            )
        order = database.rows("SELECT id::text, provider_referans FROM product_orders")[0]
        assert factories.settle(factories.arrival(order, ExternalStatus.COMPLETED, "P" * 150)) == ["applied"]


@pytest.mark.parametrize("way", psql.WAYS)
def test_it_stops_at_the_first_error_and_leaves_nothing_of_its_transaction(
    way: Way, empty_database_url: str
) -> None:
    execute(empty_database_url, "CREATE TABLE product_orders (id text PRIMARY KEY, quantity text)")
    execute(empty_database_url, "CREATE SCHEMA referans; CREATE VIEW referans.sweeps AS SELECT 1 AS id")
    before = shape(empty_database_url)

    code, said = way(empty_database_url, migrate.sql(empty_database_url))

    assert code == psql.STOPPED and "sweeps" in said
    assert shape(empty_database_url) == before


@pytest.mark.parametrize("way", psql.WAYS)
def test_a_script_that_stopped_at_an_index_is_printed_again_from_there(
    way: Way, empty_database_url: str
) -> None:
    text = migrate.sql(empty_database_url)
    cut = text.index("CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_orders_created")
    assert way(empty_database_url, text[:cut])[0] == 0
    with connected(empty_database_url) as cursor:
        cursor.execute(
            "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'idx_orders_provider_referans'::regclass"
        )

    rest = migrate.sql(empty_database_url)

    assert "CREATE TABLE" not in rest.replace("CREATE TABLE IF NOT EXISTS referans.schema_migration", "")
    assert "DROP INDEX CONCURRENTLY public.idx_orders_provider_referans;" in rest
    assert way(empty_database_url, rest) == (0, "")
    assert migrate.sql(empty_database_url) == script.NOTHING


@pytest.mark.parametrize("role", [None, "shop"])
def test_what_touches_the_orders_table_is_a_transaction_of_its_own(
    role: str | None, legacy_database_url: str
) -> None:
    """In one with other tables it waits for a statement that has read the orders table and waits for one of them."""
    sent = "\n".join(psql.statements(migrate.sql(legacy_database_url, role=role)))
    others, orders, after = (
        [*psql.statements(part.partition("BEGIN;\n")[2] or part)] for part in sent.split("\nCOMMIT;\n")
    )
    assert others and not any(script.ON_ORDERS.search(each) for each in others)
    written = ("--", "SET", "UPDATE", "INSERT INTO referans.schema_migration")
    assert orders and all(
        script.ON_ORDERS.search(each) or each.strip().startswith(written) for each in orders
    )
    assert all("INDEX CONCURRENTLY" in each or each.strip().startswith(written) for each in after)


def test_a_statement_ends_with_its_line() -> None:
    assert list(statements("-- a\nSELECT 1;\n\nDO $$\nBEGIN\n  x;\nEND\n$$;\nSELECT\n 2;")) == [
        "SELECT 1",
        "DO $$\nBEGIN\n  x;\nEND\n$$",
        "SELECT\n 2",
    ]


def test_the_rights_are_printed_also_where_nothing_is_missing(database_url: str) -> None:
    text = migrate.sql(database_url, role='odd "name"')
    assert 'GRANT USAGE ON SCHEMA "referans", "public" TO "odd ""name""";' in text
    assert "CREATE" not in text
