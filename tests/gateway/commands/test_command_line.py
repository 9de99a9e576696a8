"""What all commands have in common: help that teaches, and problems told in one line."""

import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from gateway.__main__ import app
from gateway.commands.invocation import as_typed, program
from tests.refusing import execute

from .conftest import Run


def commands(group: Any, path: tuple[str, ...] = ()) -> Iterator[list[str]]:
    """Every command, such as `["keys", "create"]`."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, (*path, name))
        else:
            yield [*path, name]


COMMANDS = list(commands(typer.main.get_command(app)))


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


def test_a_command_is_told_as_the_shell_finds_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    installed = Path(sys.executable).with_name("gateway")
    assert installed.exists()

    monkeypatch.setenv("PATH", str(installed.parent))
    assert as_typed("run: gateway migrate") == "run: gateway migrate"

    other = shutil.copy("/bin/sh", tmp_path / "gateway")
    monkeypatch.setenv("PATH", str(Path(other).parent))
    monkeypatch.chdir(installed.parents[2])
    assert as_typed("run: gateway migrate") == f"run: {installed.relative_to(installed.parents[2])} migrate"

    monkeypatch.chdir(installed.parent)
    assert program() == "./gateway"

    monkeypatch.chdir(tmp_path)
    assert program() == str(installed)
    monkeypatch.setattr(sys, "executable", "/no/where/python")
    assert program() == "/no/where/python -m gateway"


@pytest.mark.parametrize(
    "text", ["my-gateway doctor", "gateway.example", "the gateway answers", "x.gateway dev"]
)
def test_other_text_is_not_rewritten(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("PATH", "")
    assert as_typed(text) == text


def test_problems_are_told_with_the_command_to_paste(
    run: Run, monkeypatch: pytest.MonkeyPatch, empty_database_url: str
) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("DATABASE_URL", empty_database_url)
    assert f"run: {program()} migrate" in run("orders", "list").problem
    assert f"run: {program()} migrate" in run("doctor").out


def test_a_port_that_cannot_be_used_says_why(run: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = str(listener.getsockname()[1])
        assert f"port {port} is taken; choose another" in run("simulator", "--port", port).problem
    elsewhere = run("simulator", "--host", "192.0.2.1", "--port", "0").problem
    assert "192.0.2.1 is not an address of this machine" in elsewhere


def test_an_argument_that_is_not_text_is_told_in_one_line() -> None:
    command = [sys.executable.encode(), b"-m", b"gateway", b"orders", b"list", b"--user", b"a\xff"]
    told = subprocess.run(command, capture_output=True, check=False)
    assert (told.returncode, told.stdout, told.stderr) == (1, b"", b"error: argument 4 is not UTF-8 text\n")


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


def test_an_error_that_no_command_expects_shows_its_traceback_without_values(
    cli: Run, database_url: str
) -> None:
    execute(database_url, "ALTER TABLE referans.stock_codes ADD CONSTRAINT refuse CHECK (false) NOT VALID")

    try:
        refused = cli("stock", "load", "own", stdin="WXYZ-4821-KLMN-7735\n")
    finally:
        execute(database_url, "ALTER TABLE referans.stock_codes DROP CONSTRAINT refuse")

    assert refused.code == 1
    assert "Traceback" in refused.err and 'violates check constraint "refuse"' in refused.err
    assert "WXYZ" not in refused.err
