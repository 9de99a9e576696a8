"""A database of the version before, with its tables beside the orders table: moved, and nothing else is touched."""

import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from urllib.parse import urlsplit

import psycopg2
import pytest

from models.db import database, expected, migrate, script
from models.status import ExternalStatus
from tests import factories
from tests.models.db import before, psql
from tests.models.db.conftest import LEGACY, shape
from tests.models.db.test_migrate import connected, quiet
from tests.refusing import execute, limited_role

Way = Callable[[str, str], tuple[int, str]]


def kinds(url: str, schema: str = "public") -> dict[str, str]:
    """What has which name in a schema: r is a table, v a view."""
    with connected(url) as cursor:
        cursor.execute(
            "SELECT relname, relkind::text FROM pg_class"
            " WHERE relnamespace = to_regnamespace(%s) AND relkind IN ('r', 'v')",
            (schema,),
        )
        return dict(cursor.fetchall())


@pytest.mark.parametrize("last", ["0002_gateway_tables", "0010_people", before.LAST])
@pytest.mark.parametrize("schema", ["referans", "order"])
def test_it_has_afterwards_what_a_fresh_database_has(
    last: str, schema: str, empty_database_url: str, database_url: str
) -> None:
    before.migrate(empty_database_url, last)
    lines: list[str] = []

    migrate.migrate(empty_database_url, schema=schema, echo=lines.append)

    assert lines[0].startswith("moving ") and "applying 0002_gateway_tables" not in lines
    assert migrate.migrate(empty_database_url, schema=schema, echo=quiet) == []
    moved = set(kinds(empty_database_url, schema)) - {"schema_migration"}
    assert moved == {*expected.own_tables()}
    views = {name for name, kind in kinds(empty_database_url).items() if kind == "v"}
    execute(empty_database_url, "".join(f"DROP VIEW public.{name};" for name in views))
    execute(empty_database_url, "DROP TABLE public.schema_migration")
    if schema == "referans":
        assert shape(empty_database_url) == shape(database_url)


@pytest.mark.parametrize("way", psql.WAYS)
def test_a_script_moves_them_too(way: Way, empty_database_url: str, database_url: str) -> None:
    before.migrate(empty_database_url)
    assert way(empty_database_url, migrate.sql(empty_database_url)) == (0, "")
    assert migrate.migrate(empty_database_url, echo=quiet) == []
    assert migrate.sql(empty_database_url) == script.NOTHING
    assert kinds(empty_database_url, "referans").keys() == kinds(database_url, "referans").keys()
    assert kinds(empty_database_url)["order_events"] == "v"


def test_every_row_is_kept_and_numbers_go_on(empty_database_url: str) -> None:
    before.migrate(empty_database_url)
    with connected(empty_database_url) as cursor:
        cursor.execute("INSERT INTO api_keys (name, prefix, digest, scopes) VALUES ('a', 'p', 'd', '{}')")
        cursor.execute("INSERT INTO order_events (order_id, source) VALUES (gen_random_uuid(), 'api')")

    migrate.migrate(empty_database_url, echo=quiet)

    with connected(empty_database_url) as cursor:
        # As a process of the version before, and as one of this.
        for table in ("order_events", "referans.order_events"):
            cursor.execute(f"INSERT INTO {table} (order_id, source) VALUES (gen_random_uuid(), 'api')")
        cursor.execute("SELECT id FROM referans.order_events ORDER BY id")
        assert cursor.fetchall() == [(1,), (2,), (3,)]
        cursor.execute("SELECT name FROM api_keys")
        assert cursor.fetchall() == [("a",)]
    with factories.bound(empty_database_url):
        factories.add_provider()
        order = factories.sent()
        assert factories.settle(factories.arrival(order, ExternalStatus.COMPLETED, "PIN")) == ["applied"]


#: Tables of others with the names of ours; the history of another system that uses playhouse looks as ours does.
FOREIGN = """
CREATE TABLE schema_migration (id serial PRIMARY KEY, name varchar(255), applied timestamp);
INSERT INTO schema_migration (name, applied) VALUES ('0001_theirs', now());
CREATE TABLE providers (id uuid, title text);
CREATE TABLE heartbeats (process text, beat_at timestamptz);
CREATE TABLE routes (id int, product_id text, package_id text, provider_id text, position int, params jsonb,
    created_at timestamptz);
INSERT INTO heartbeats VALUES ('theirs', now());
"""


@pytest.mark.parametrize("way", [None, *psql.WAYS])
def test_tables_of_others_with_these_names_stay(way: Way | None, empty_database_url: str) -> None:
    execute(empty_database_url, LEGACY + FOREIGN)
    mine = [each for each in shape(empty_database_url) if "product_orders" not in each[1]]

    if way:
        assert way(empty_database_url, migrate.sql(empty_database_url)) == (0, "")
    else:
        migrate.migrate(empty_database_url, echo=quiet)

    assert migrate.migrate(empty_database_url, echo=quiet) == []
    assert set(mine) <= set(shape(empty_database_url))
    assert "v" not in kinds(empty_database_url).values()
    with connected(empty_database_url) as cursor:
        cursor.execute("SELECT name FROM schema_migration")
        assert cursor.fetchall() == [("0001_theirs",)]


def test_a_database_on_which_the_version_before_was_half_installed_is_completed(
    empty_database_url: str,
) -> None:
    """Its script went on after an error, and recorded what it had not made."""
    execute(empty_database_url, LEGACY)
    with connected(empty_database_url) as cursor:
        cursor.execute(before.HISTORY)
        for step in (each for each in expected.steps() if each.name < "0022"):
            for statement in expected.statements(step.sql):
                try:
                    cursor.execute(statement.replace("referans.", ""))
                except psycopg2.Error as error:
                    assert "created_at" in str(error)  # of the index on the other system's idempotency_keys
            cursor.execute("INSERT INTO schema_migration (name, applied) VALUES (%s, now())", (step.name,))
    lines: list[str] = []

    applied = migrate.migrate(empty_database_url, echo=lines.append)

    since = [each.name for each in expected.steps() if each.name >= "0022"]
    assert applied == ["0002_gateway_tables", *since]
    assert kinds(empty_database_url)["idempotency_keys"] == "r"
    assert migrate.migrate(empty_database_url, echo=quiet) == []
    with factories.bound(empty_database_url):
        assert database.rows("SELECT key FROM referans.idempotency_keys") == []


def test_roles_that_had_rights_have_them_in_both_places(empty_database_url: str) -> None:
    before.migrate(empty_database_url)
    execute(empty_database_url, "CREATE SCHEMA referans")  # which `limited_role` names
    with limited_role(empty_database_url) as url:
        execute(empty_database_url, f"REVOKE USAGE ON SCHEMA referans FROM {urlsplit(url).username}")
        migrate.migrate(empty_database_url, echo=quiet)
        with connected(url) as cursor:
            for table in ("heartbeats", "referans.heartbeats"):
                cursor.execute(f"INSERT INTO {table} VALUES (%s, now())", (table,))
                cursor.execute(f"DELETE FROM {table}")
                assert cursor.rowcount == 1


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(migrate, "LOCK_TIMEOUT_MS", 30)
    monkeypatch.setattr(migrate, "LOCK_TRIES", 2)
    monkeypatch.setattr(migrate, "PAUSE_SECONDS", 0.01)
    yield


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("held", ["providers", "sealing_progress", "order_events"])
def test_a_transaction_that_does_not_end_stops_it_and_it_goes_on_the_next_time(
    held: str, empty_database_url: str, database_url: str
) -> None:
    before.migrate(empty_database_url)
    with closing(psycopg2.connect(empty_database_url)) as reader:
        reader.cursor().execute(f"SELECT count(*) FROM {held}")
        with pytest.raises(migrate.MigrationBlocked):
            migrate.migrate(empty_database_url, echo=quiet)
        assert kinds(empty_database_url)[held] == "r"
        with connected(empty_database_url) as cursor:  # as the version before
            cursor.execute("INSERT INTO heartbeats VALUES ('worker', now())")
    migrate.migrate(empty_database_url, echo=quiet)
    assert migrate.sql(empty_database_url) == script.NOTHING
    assert kinds(empty_database_url, "referans") == kinds(database_url, "referans")


def test_a_table_in_both_places_is_named_and_nothing_is_moved(empty_database_url: str) -> None:
    before.migrate(empty_database_url)
    execute(empty_database_url, "CREATE SCHEMA referans; CREATE TABLE referans.providers (id int)")
    was = shape(empty_database_url)
    with pytest.raises(migrate.InTheWay, match="providers: in the schema public and in referans"):
        migrate.migrate(empty_database_url, echo=quiet)
    assert shape(empty_database_url) == was


def test_a_role_of_the_schemas_name_gets_the_orders_table_in_public(
    empty_database_url: str, postgres_url: str
) -> None:
    """Its search path begins with the schema."""
    role = f"referans_role_{uuid.uuid4().hex[:8]}"
    name = urlsplit(empty_database_url).path.removeprefix("/")
    execute(empty_database_url, f"CREATE ROLE {role} LOGIN SUPERUSER; ALTER DATABASE {name} OWNER TO {role}")
    url = urlsplit(empty_database_url)
    as_role = url._replace(netloc=f"{role}@{url.netloc.rpartition('@')[2]}").geturl()
    try:
        migrate.migrate(as_role, schema=role, echo=quiet)
        assert set(kinds(empty_database_url)) == {"product_orders"}
        with factories.bound(as_role, schema=role):
            factories.add_provider()
            factories.place()
    finally:
        execute(empty_database_url, f"REASSIGN OWNED BY {role} TO postgres; DROP OWNED BY {role}")
        execute(empty_database_url, f"ALTER DATABASE {name} OWNER TO postgres; DROP ROLE {role}")
