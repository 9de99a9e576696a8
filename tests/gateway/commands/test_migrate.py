"""The schema brought up to date by the release step."""

from contextlib import closing
from urllib.parse import urlsplit

import psycopg2
import pytest

from gateway.commands import migrate
from tests.refusing import execute

from .conftest import Run


def test_it_applies_what_is_missing_and_then_nothing(
    run: Run, monkeypatch: pytest.MonkeyPatch, empty_database_url: str
) -> None:
    monkeypatch.setenv("DATABASE_URL", empty_database_url)

    first = run("migrate")
    again = run("migrate")

    assert "applying 0001_product_orders" in first.out
    assert (again.code, again.out) == (0, "The database schema is up to date.\n")
    assert run("keys", "list").code == 0


def test_the_script_is_printed_and_not_applied(
    run: Run, monkeypatch: pytest.MonkeyPatch, empty_database_url: str
) -> None:
    monkeypatch.setenv("DATABASE_URL", empty_database_url)

    shown = run("migrate", "--sql")

    assert "CREATE TABLE IF NOT EXISTS product_orders" in shown.out
    assert "run: gateway migrate" in run("keys", "list").problem


def test_it_waits_for_a_database_and_gives_up_in_one_line(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://127.0.0.1:9/nowhere")
    monkeypatch.setattr(migrate, "PATIENCE_SECONDS", 0.2)
    monkeypatch.setattr(migrate, "PAUSE_SECONDS", 0.05)

    refused = run("migrate")

    waiting, last = refused.err.splitlines()
    assert (refused.code, waiting.partition(":")[0]) == (1, "waiting for the database")
    assert last.startswith("error: no connection to the database within 0.2 s")


def test_a_role_with_few_rights_is_told_what_an_administrator_runs(
    run: Run, monkeypatch: pytest.MonkeyPatch, stranger_url: str
) -> None:
    monkeypatch.setenv("DATABASE_URL", stranger_url)
    role = urlsplit(stranger_url).username

    problem = run("migrate").problem
    printed = run("migrate", "--sql", "--role", role or "")

    assert f'CREATE SCHEMA "referans" AUTHORIZATION {role}; ' in problem
    assert f"gateway migrate --sql --role {role} | psql" in problem and "run: gateway migrate" not in problem
    assert printed.code == 0 and printed.out.startswith("\\set ON_ERROR_STOP on\n")
    assert f'GRANT USAGE ON SCHEMA "referans", "public" TO "{role}";' in printed.out
    assert run("migrate", "--role", role or "").code == 2


def test_a_step_that_fails_is_told_in_one_line_and_does_not_say_to_migrate(
    run: Run, monkeypatch: pytest.MonkeyPatch, empty_database_url: str
) -> None:
    monkeypatch.setenv("DATABASE_URL", empty_database_url)
    execute(empty_database_url, "CREATE VIEW product_orders AS SELECT 1 AS id")

    failed = run("migrate")

    assert (failed.code, failed.err.count("\n")) == (1, 1)
    assert "product_orders" in failed.err and "gateway migrate --sql --role" in failed.err
    assert "run: gateway migrate" not in failed.err


def test_another_schema_is_made_and_used(
    run: Run, monkeypatch: pytest.MonkeyPatch, empty_database_url: str
) -> None:
    monkeypatch.setenv("DATABASE_URL", empty_database_url)
    monkeypatch.setenv("DATABASE_SCHEMA", "shop_gateway")

    assert run("migrate").code == 0
    assert run("keys", "create", "shop", "--scope", "ops").code == 0

    with closing(psycopg2.connect(empty_database_url)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT name FROM shop_gateway.api_keys")
        assert cursor.fetchall() == [("shop",)]
        cursor.execute("SELECT to_regnamespace('referans')")
        assert cursor.fetchone() == (None,)
