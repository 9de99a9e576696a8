"""PostgreSQL of a test's own, on a copy of data that was made once for the whole run.

To make the data and to migrate it takes a second of processor time; a copy takes a twentieth of that.
"""

import fcntl
import os
import shutil
import subprocess
from pathlib import Path

import psutil

from gateway.dev.servers import EmbeddedPostgres
from models.db.migrate import migrate

#: Names the directory of the run, which pytest makes and removes; without it data is made anew each time.
RUN = "REFERANS_TEST_DATA"
#: A crash of the server loses nothing without it, and no test cuts the power.
SETTINGS = "\nfsync = off\nfull_page_writes = off\nmax_wal_size = 128MB\n"
#: Where files lie in memory, on Linux.
MEMORY = Path("/dev/shm")  # noqa: S108
#: Bytes that must be free there, and twice as many in all of the machine's memory: the whole suite takes half of them.
ROOM = 4 * 2**30


def directory() -> str | None:
    """Where the servers' data is made, for `tempfile`: in memory, if there is room for it.

    A database of a test's own is 600 files: on a disk it takes ten times the processor time.
    """
    if not MEMORY.is_dir() or not os.access(MEMORY, os.W_OK):
        return None
    has_room = shutil.disk_usage(MEMORY).free >= ROOM and psutil.virtual_memory().available >= 2 * ROOM
    return str(MEMORY) if has_room else None


def postgres(path: Path, *, durable: bool = True) -> EmbeddedPostgres:
    """A server that has not been started, with every migration applied to its database if a run of pytest is on.

    With `durable`, what it has committed survives a crash of the server.
    """
    server = EmbeddedPostgres(path, durable=durable)
    if os.environ.get(RUN):
        server.path.mkdir(parents=True, exist_ok=True)
        subprocess.run(["cp", "-a", str(_template()), str(server.path / "data")], check=True)
    return server


def _template() -> Path:
    """The data to be copied; who comes first makes it."""
    directory = Path(os.environ[RUN])
    data = directory / "made"
    with (directory / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not data.exists():
            with EmbeddedPostgres(directory / "postgres", durable=False) as server:
                migrate(server.url, echo=lambda line: None)
            with (server.path / "data" / "postgresql.conf").open("a") as conf:
                conf.write(SETTINGS)
            shutil.move(server.path / "data", data)
    return data
