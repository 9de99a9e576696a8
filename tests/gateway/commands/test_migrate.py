"""The schema brought up to date by the release step."""

import pytest

from gateway.commands import migrate

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

    refused = run("migrate")

    waiting, last = refused.err.splitlines()
    assert (refused.code, waiting.partition(":")[0]) == (1, "waiting for the database")
    assert last.startswith("error: no answer from the database for 0.2 s")
