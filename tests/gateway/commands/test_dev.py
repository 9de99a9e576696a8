"""The parts of `gateway dev` that need no other process."""

import os
import shlex
import socket
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from gateway.dev import plan, ports, sandbox, stack
from gateway.dev.plan import Choice, Plan, Taken
from models import api_key, choosing, provider
from models.api_key import Scope
from models.route import Route

from .conftest import Models, Run

#: How another port is given.
ADVICE = "{variable}={port}"
#: From this port on, every Linux user may listen.
UNPRIVILEGED = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start")


def _has_privileged_ports() -> bool:
    return UNPRIVILEGED.exists() and int(UNPRIVILEGED.read_text()) > 80


@pytest.fixture
def here(tmp_path: Path) -> Plan:
    return Plan(tmp_path, 8000, 8900, 8080)


def test_it_starts_what_the_procfile_starts() -> None:
    lines = (stack.ROOT / "Procfile").read_text().splitlines()
    procfile = dict(line.split(": ", 1) for line in lines)
    assert procfile == {**stack.COMMANDS, "release": "gateway migrate"}


def test_what_is_in_the_environment_wins(here: Plan) -> None:
    given = {
        "LOG_FORMAT": "json",
        "ENCRYPTION_KEYS": "mine",
        "PUBLIC_URL": "https://g.example",
        "GUNICORN_CMD_ARGS": "--bind 0.0.0.0:1",
        "TIMEZONE": "Asia/Kolkata",
        "NOTIFY_URL": "https://shop.example/notifications",
        "NOTIFY_SECRET": "whsec_dGhhdCBvZiB0aGUgc2hvcA==",
        "NOTIFY_ALLOW_PRIVATE": "0",
    }
    assert stack.environment(given | {"PORT": "1", "TZ": "UTC"}, here) == {
        **given,
        "PORT": "8000",
        "TZ": "Asia/Kolkata",
    }


def test_encryption_keys_are_kept_between_runs_for_this_user_only(here: Plan) -> None:
    first = stack.environment({}, here)
    assert stack.environment({}, here) == first
    assert {file.name for file in here.directory.iterdir()} == {"encryption_keys", "notify_secret"}
    assert all(file.stat().st_mode & 0o077 == 0 for file in here.directory.iterdir())
    assert (first["LOG_FORMAT"], first["NOTIFY_ALLOW_PRIVATE"]) == ("console", "1")


def test_servers_of_the_environment_are_used_and_none_is_started(here: Plan) -> None:
    said: list[str] = []
    given = {"DATABASE_URL": "postgresql://here", "REDIS_URL": "redis://there"}
    with ExitStack() as held:
        assert stack.start_servers(given, here, held, said.append) == {}
    assert said == ["Using DATABASE_URL from the environment.", "Using REDIS_URL from the environment."]


def test_a_directory_is_used_by_one_at_a_time(tmp_path: Path, run: Run) -> None:
    with plan.only_one(tmp_path):
        refused = run("dev", "--demo", "--data", str(tmp_path))
    assert "another `gateway dev` uses" in refused.problem
    with plan.only_one(tmp_path):
        pass


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "", "::"])
def test_a_port_is_taken_by_whatever_listens_on_it(tmp_path: Path, address: str) -> None:
    if ":" in address and "::1" not in ports.loopback():
        pytest.skip("this machine has no IPv6")
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.create_server((address, 0), family=family) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(Taken, match=f"^port {port} is taken; choose another: PORT=[0-9]+$") as refused:
            plan.make(tmp_path, port, 0, 0, Choice(False, ADVICE, print))
        other = int(str(refused.value).rpartition("=")[2])
        assert plan.make(tmp_path, other, 0, 0, Choice(False, ADVICE, print)).port == other


def test_the_simulators_port_is_looked_at_as_well(tmp_path: Path) -> None:
    said: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(Taken, match="SIMULATOR_PORT="):
            plan.make(tmp_path, 0, port, 0, Choice(False, ADVICE, print))
        made = plan.make(tmp_path, 0, port, 0, Choice(True, ADVICE, said.append))
    assert made.simulator_port != port
    assert said == [f"Port {port} is taken; using {made.simulator_port} instead."]


@pytest.mark.skipif(
    sys.platform != "linux" or not _has_privileged_ports() or os.geteuid() != 0,
    reason="needs a user for whom port 80 is not permitted",
)
def test_a_port_that_is_not_permitted_is_not_called_taken() -> None:
    code = "from gateway.dev.plan import why_not; print(why_not(80))"
    command = [
        sys.executable,
        "-c",
        f"import os; {code.partition(';')[0]}; os.setuid(65534);{code.partition(';')[2]}",
    ]
    told = subprocess.run(command, cwd=stack.ROOT, capture_output=True, text=True, check=True).stdout
    assert told.startswith("port 80 is not permitted for this user")


def test_web_listens_on_this_machine_only(here: Plan) -> None:
    arguments = stack.environment({}, here)["GUNICORN_CMD_ARGS"]
    bound = arguments.split()[1::2]
    assert bound[0] == "127.0.0.1:8000"
    assert bound[1:] == (["[::1]:8000"] if "::1" in ports.loopback() else [])


def test_the_sandbox_keeps_its_secret_when_it_moves(models: Models) -> None:
    with models():
        secret = sandbox.add_provider("http://127.0.0.1:1")
        assert sandbox.add_provider("http://127.0.0.1:2") == secret
        found = provider.find("sandbox")
        routed = choosing.next_for("anything", "at all", [], tenant_id=None)
    assert found is not None and found.base_url == "http://127.0.0.1:2"
    assert found.secrets() == [secret]
    assert routed == Route("sandbox", {"oyun": "1", "kupur": "60"})


def test_the_development_key_is_kept_until_it_is_revoked(models: Models, tmp_path: Path) -> None:
    path = tmp_path / "api_key"
    with models():
        first = sandbox.key(path, *sandbox.DEVELOPMENT)
        assert sandbox.key(path, *sandbox.DEVELOPMENT) == first
        found = api_key.find(first)
        assert found is not None and found.scopes == frozenset(Scope)

        api_key.revoke(found.id)

        second = sandbox.key(path, *sandbox.DEVELOPMENT)
        assert second != first and api_key.find(second) is not None
    assert path.stat().st_mode & 0o077 == 0


def test_the_environment_file_can_be_read_by_a_shell(tmp_path: Path) -> None:
    path = tmp_path / "env"
    stack.write_private(path, f"DATABASE_URL={shlex.quote('postgresql://a b$c')}")
    assert shlex.split(path.read_text()) == ["DATABASE_URL=postgresql://a b$c"]
