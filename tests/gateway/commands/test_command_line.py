"""What all commands have in common: help that teaches, and problems told in one line."""

import subprocess
import sys

import pytest

from .conftest import Run

COMMANDS = [
    ["migrate"],
    ["dev"],
    ["simulator"],
    ["doctor"],
    ["keys", "create"],
    ["keys", "list"],
    ["keys", "revoke"],
    ["providers", "add"],
    ["providers", "list"],
    ["providers", "test"],
    ["routes", "add"],
    ["routes", "list"],
    ["orders", "list"],
    ["orders", "show"],
    ["orders", "check"],
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_the_help_of_every_command_has_an_example(run: Run, command: list[str]) -> None:
    shown = run(*command, "--help")
    assert shown.code == 0
    assert f"Example: gateway {' '.join(command)}" in shown.out


@pytest.mark.parametrize(
    "command", [["keys", "list"], ["providers", "list"], ["routes", "list"], ["migrate"]]
)
def test_without_a_database_a_command_names_the_variable(run: Run, command: list[str]) -> None:
    refused = run(*command)
    assert refused.code == 2
    assert refused.err.count("\n") == 1
    assert "DATABASE_URL" in refused.err


def test_a_database_that_is_away_is_one_line(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://someone:hidden@127.0.0.1:9/nowhere")
    problem = run("keys", "list").problem
    assert "the database does not answer" in problem
    assert "hidden" not in problem


def test_a_database_without_tables_is_told_to_migrate(
    run: Run, monkeypatch: pytest.MonkeyPatch, empty_database_url: str
) -> None:
    monkeypatch.setenv("DATABASE_URL", empty_database_url)
    assert "run: gateway migrate" in run("orders", "list").problem


def test_it_runs_as_a_module() -> None:
    finished = subprocess.run(
        [sys.executable, "-m", "gateway", "--version"], capture_output=True, text=True, check=True
    )
    assert finished.stdout.startswith("gateway ")


def test_the_table_of_behaviours_is_in_the_simulators_help(run: Run) -> None:
    assert "    check-500[=N]   ... with status 500\n" in run("simulator", "--help").out


def test_the_simulator_says_what_is_wrong_with_its_options(run: Run) -> None:
    assert (
        "does not know the word" in run("simulator", "--port", "0", "--default-behaviour", "nonsense").problem
    )
    assert "--balance" in run("simulator", "--port", "0", "--balance", "much").problem
