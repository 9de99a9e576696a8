"""The embedded servers: they keep data and port, survive crashes, and leave nothing behind."""

import shutil
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, cast

import psutil
import psycopg2
import pytest
import redis

from gateway.dev import embedded
from gateway.dev.embedded import EmbeddedServer, ServerError
from gateway.dev.servers import EmbeddedPostgres, EmbeddedValkey
from tests import long, servers
from tests.waiting import wait_until

KINDS = [EmbeddedPostgres, EmbeddedValkey]
#: A program that starts a server, says which process it is, and ends in one of several ways.
PROGRAM = """
import signal, sys, time
from pathlib import Path
from typing import Any, cast
from gateway.dev.servers import EmbeddedPostgres, EmbeddedValkey
signal.signal(signal.SIGINT, signal.default_int_handler)
{before}
server = {kind}(Path({path!r}), durable=False)
server.start()
print(server.pid, flush=True)
{after}
"""


@pytest.fixture
def directory(open_directory: Path) -> Iterator[Path]:
    path = open_directory / uuid.uuid4().hex[:8]
    path.mkdir()
    yield path
    shutil.rmtree(path)


@pytest.fixture(params=KINDS, ids=["postgres", "valkey"])
def server(request: pytest.FixtureRequest, directory: Path) -> Iterator[EmbeddedServer]:
    make = servers.postgres if request.param is EmbeddedPostgres else request.param
    with make(directory / "server") as running:
        yield running


def write(server: EmbeddedServer, value: str) -> None:
    if isinstance(server, EmbeddedValkey):
        with closing(redis.Redis.from_url(server.url)) as client:
            client.set("value", value)
        return
    with closing(psycopg2.connect(server.url)) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE IF NOT EXISTS kept (value text)")
        cursor.execute("INSERT INTO kept VALUES (%s)", (value,))
        connection.commit()


def read(server: EmbeddedServer) -> str | None:
    if isinstance(server, EmbeddedValkey):
        with closing(redis.Redis.from_url(server.url, decode_responses=True)) as client:
            return cast(str | None, client.get("value"))
    with closing(psycopg2.connect(server.url)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT value FROM kept")
        row = cursor.fetchone()
        return str(row[0]) if row else None


def is_gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def program(kind: type[EmbeddedServer], path: Path, after: str, before: str = "") -> subprocess.Popen[str]:
    if kind is EmbeddedPostgres:
        servers.postgres(path)
    code = PROGRAM.format(kind=kind.__name__, path=str(path), before=before, after=after)
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)


def server_of(running: subprocess.Popen[str]) -> int:
    assert running.stdout
    return int(running.stdout.readline())


def test_data_and_address_survive_a_restart(server: EmbeddedServer) -> None:
    url, pid = server.url, server.pid
    write(server, "kept")
    assert server.restart() == url
    assert server.pid != pid
    assert read(server) == "kept"


def test_another_process_finds_what_was_stored(server: EmbeddedServer) -> None:
    write(server, "kept")
    server.stop()
    with type(server)(server.path) as again:
        assert read(again) == "kept"


def test_committed_data_survives_a_crash(server: EmbeddedServer) -> None:
    write(server, "kept")
    if isinstance(server, EmbeddedValkey):
        wait_until(lambda: synced(server))
    server.kill()
    server.start()
    assert read(server) == "kept"


def synced(server: EmbeddedServer) -> bool:
    with closing(redis.Redis.from_url(server.url, decode_responses=True)) as client:
        persistence: dict[str, Any] = client.info("persistence")
        return bool(persistence["aof_pending_bio_fsync"] == 0)


def test_starting_and_stopping_twice_changes_nothing(server: EmbeddedServer) -> None:
    pid = server.pid
    server.start()
    assert server.pid == pid
    server.stop()
    server.stop()
    assert server.pid is None


def test_it_listens_to_this_machine_only(server: EmbeddedServer) -> None:
    assert server.pid
    listening = [c.laddr.ip for c in psutil.Process(server.pid).net_connections() if c.status == "LISTEN"]
    assert listening == ["127.0.0.1"]


def test_data_that_is_being_served_is_not_served_again(
    server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "LOCK_TIMEOUT_SECONDS", 0.1)
    told = f"{server.path} is already used by {server.NAME}, process {server.pid}; stop that one first"
    with pytest.raises(ServerError, match=told):
        type(server)(server.path).start()
    write(server, "unharmed")


def test_a_process_id_left_behind_by_a_crash_does_not_matter(server: EmbeddedServer) -> None:
    write(server, "kept")
    server.kill()
    living = psutil.Process().pid
    (server.path / "data").mkdir(exist_ok=True)
    (server.path / "data" / "postmaster.pid").write_text(
        f"{living}\n{server.path / 'data'}\n1\n5432\n\n*\n1 1\n"
    )
    server.start()
    assert read(server) == "kept"


def test_a_server_that_does_not_start_shows_its_log(directory: Path) -> None:
    server = servers.postgres(directory / "server")
    (server.path / "data" / "PG_VERSION").write_text("9.6\n")
    with pytest.raises(ServerError, match=r"PostgreSQL did not start; .* ends with:(.|\n)*incompatible"):
        server.start()


def test_postgres_takes_two_hundred_connections(directory: Path) -> None:
    with EmbeddedPostgres(directory / "server", durable=False) as server:
        with closing(psycopg2.connect(server.url)) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT current_setting('max_connections'), current_setting('fsync')")
            assert cursor.fetchone() == ("200", "off")
        psql = [str(server.binaries / "psql"), "--no-psqlrc", "-Atc", "SELECT 1", server.url]
        assert subprocess.run(psql, capture_output=True, text=True, check=True).stdout == "1\n"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "after", [pytest.param("", marks=long.only), "raise RuntimeError", "time.sleep(600)"]
)
def test_nothing_is_left_when_the_program_ends(
    kind: type[EmbeddedServer], after: str, directory: Path
) -> None:
    running = program(
        kind,
        directory / "server",
        "sys.stderr.close()\n" + after,
        before="signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))",
    )
    pid = server_of(running)
    if after.startswith("time"):
        running.terminate()
    running.communicate(timeout=30)
    assert is_gone(pid)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells children of their parent's death")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "signum", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=long.only), signal.SIGKILL]
)
def test_nothing_is_left_when_the_program_is_killed(
    kind: type[EmbeddedServer], signum: signal.Signals, directory: Path
) -> None:
    running = program(kind, directory / "server", "sys.stderr.close()\ntime.sleep(600)")
    pid = server_of(running)
    running.send_signal(signum)
    running.communicate(timeout=30)
    wait_until(lambda: is_gone(pid))
    with kind(directory / "server", durable=False) as successor:
        assert successor.pid
