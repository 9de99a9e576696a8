"""The parts of `gateway dev` that need no other process."""

import shlex
import socket
from contextlib import ExitStack
from pathlib import Path

import pytest

from gateway.dev import plan, sandbox, stack
from gateway.dev.plan import Plan, Taken
from models import api_key, provider, route
from models.api_key import Scope
from models.route import Route

from .conftest import Models, Run


@pytest.fixture
def here(tmp_path: Path) -> Plan:
    return Plan(tmp_path, 8000, 8900)


def test_it_starts_what_the_procfile_starts() -> None:
    lines = (stack.ROOT / "Procfile").read_text().splitlines()
    procfile = dict(line.split(": ", 1) for line in lines)
    assert procfile == {**stack.COMMANDS, "release": "gateway migrate"}


def test_what_is_in_the_environment_wins(here: Plan) -> None:
    given = {"LOG_FORMAT": "json", "ENCRYPTION_KEYS": "mine", "PUBLIC_URL": "https://g.example", "PORT": "1"}
    assert stack.environment(given, here) == {**given, "PORT": "8000"}


def test_encryption_keys_are_kept_between_runs_for_this_user_only(here: Plan) -> None:
    first = stack.environment({}, here)
    assert stack.environment({}, here) == first
    (kept,) = here.directory.iterdir()
    assert kept.stat().st_mode & 0o077 == 0
    assert first["LOG_FORMAT"] == "console"


def test_servers_of_the_environment_are_used_and_none_is_started(here: Plan) -> None:
    said: list[str] = []
    given = {"DATABASE_URL": "postgresql://here", "REDIS_URL": "redis://there"}
    with ExitStack() as held:
        assert stack.start_servers(given, here, held, said.append) == {}
    assert said == ["Using DATABASE_URL of the environment.", "Using REDIS_URL of the environment."]


def test_a_directory_is_used_by_one_at_a_time(tmp_path: Path, run: Run) -> None:
    with plan.only_one(tmp_path):
        refused = run("dev", "--demo", "--data", str(tmp_path))
    assert "another `gateway dev` runs" in refused.problem
    with plan.only_one(tmp_path):
        pass


def test_the_simulators_port_is_looked_at_as_well(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(Taken, match=f"SIMULATOR_PORT={port + 1}"):
            plan.make(tmp_path, 0, port, evade=False, say=print)
        assert plan.make(tmp_path, 0, port, evade=True, say=print).simulator_port != port


def test_the_sandbox_keeps_its_secret_when_it_moves(models: Models) -> None:
    with models():
        secret = sandbox.add_provider("http://127.0.0.1:1")
        assert sandbox.add_provider("http://127.0.0.1:2") == secret
        found = provider.find("sandbox")
        routed = route.next_for("anything", "at all", [])
    assert found is not None and found.base_url == "http://127.0.0.1:2"
    assert found.secrets() == [secret]
    assert routed == Route("sandbox", {"oyun": "1", "kupur": "60"})


def test_the_development_key_is_kept_until_it_is_revoked(models: Models, tmp_path: Path) -> None:
    path = tmp_path / "api_key"
    with models():
        first = sandbox.development_key(path)
        assert sandbox.development_key(path) == first
        found = api_key.find(first)
        assert found is not None and found.scopes == frozenset(Scope)

        api_key.revoke(found.id)

        second = sandbox.development_key(path)
        assert second != first and api_key.find(second) is not None
    assert path.stat().st_mode & 0o077 == 0


def test_the_environment_file_can_be_read_by_a_shell(tmp_path: Path) -> None:
    path = tmp_path / "env"
    stack.write_private(path, f"DATABASE_URL={shlex.quote('postgresql://a b$c')}")
    assert shlex.split(path.read_text()) == ["DATABASE_URL=postgresql://a b$c"]
