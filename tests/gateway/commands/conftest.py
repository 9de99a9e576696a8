"""Running the command line within the test's own process."""

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pytest
import redis

from gateway.__main__ import main
from gateway.dev.simulator import Simulator
from models.db import binding, database
from tests import warm
from tests.conftest import IN_CLEAR

from .desk import Desk, Models


@dataclass(frozen=True)
class Finished:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def problem(self) -> str:
        """The one line on standard error that every expected problem is."""
        assert (self.code, self.out) == (1, ""), self
        assert self.err.startswith("error: ") and self.err.count("\n") == 1, self.err
        return self.err.removeprefix("error: ").strip()


class Run(Protocol):
    """Runs `gateway …` with this on its standard input, which is not a terminal."""

    def __call__(self, *arguments: str, stdin: str | bytes = "") -> Finished: ...


@pytest.fixture
def database_url(emptied_database_url: str) -> str:
    """A database with the tables in it and nothing in them."""
    return emptied_database_url


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs `gateway …` in an activated environment without any variable of ours."""
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    for name in (
        "DATABASE_URL",
        "DATABASE_SCHEMA",
        "REDIS_URL",
        "ENCRYPTION_KEYS",
        "RATE_LIMIT",
        "PUBLIC_URL",
        "PORT",
        "SWEEP_CRON",
        "TIMEZONE",
    ):
        monkeypatch.delenv(name, raising=False)
    for name, value in IN_CLEAR.items():
        monkeypatch.setenv(name, value)

    def run_(*arguments: str, stdin: str | bytes = "") -> Finished:
        content = stdin.encode() if isinstance(stdin, str) else stdin
        monkeypatch.setattr(sys, "argv", ["gateway", *arguments])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
        capsys.readouterr()
        code = _exit_code()
        return Finished(code, *capsys.readouterr())

    return run_


def _exit_code() -> int:
    try:
        main()
    except SystemExit as end:
        return int(end.code or 0)
    return 0


@pytest.fixture
def cli(run: Run, monkeypatch: pytest.MonkeyPatch, database_url: str) -> Run:
    """Runs `gateway …` with an empty database, and no queue."""
    monkeypatch.setenv("DATABASE_URL", database_url)
    return run


@pytest.fixture
def models(database_url: str) -> Models:
    """The models on the same database, for as long as a `with` block runs."""

    @contextmanager
    def bound() -> Iterator[None]:
        pool = warm.fill(binding.bind(database_url, [], pool_size=1, name="referans-test"))
        with database.session():
            yield
        warm.close(pool)

    return bound


@pytest.fixture
def panel() -> Iterator[Simulator]:
    """A provider that answers."""
    with Simulator(echo=None) as simulator:
        yield simulator


@pytest.fixture
def desk(models: Models) -> Desk:
    return Desk(models)


@pytest.fixture
def queue(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[redis.Redis]:
    monkeypatch.setenv("REDIS_URL", redis_url)
    with redis.Redis.from_url(redis_url) as client:
        yield client
