"""A server that this process starts for itself: its data in a directory, its life no longer than ours."""

import atexit
import fcntl
import os
import signal
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Self

from gateway.dev.child import spawn
from gateway.dev.ports import free_port

#: Seconds a server has to accept connections; recovering after a crash takes some of them.
START_TIMEOUT_SECONDS = 60.0
#: Seconds a server has for an orderly shutdown before it is killed.
STOP_TIMEOUT_SECONDS = 20.0
#: Longest wait for the server of a process that was just killed to release the data, in seconds.
LOCK_TIMEOUT_SECONDS = 10.0
#: Lines of the server's log shown when it does not start.
LOG_TAIL_LINES = 15


class ServerError(RuntimeError):
    """An embedded server cannot run here; the message says why and where its log is."""


class EmbeddedServer(ABC):
    """A server with its data below `path`; it ends at the latest with the thread that started it.

    Its port stays the same from `start()` to `start()`. `durable=False` trades crash safety for speed.
    """

    NAME: ClassVar[str]
    #: The signal for an orderly shutdown, and the one that ends it as a crash does.
    FAREWELL: ClassVar[signal.Signals]
    CRASH: ClassVar[signal.Signals]

    def __init__(self, path: Path, *, durable: bool = True):
        self.path = path.resolve()
        self.durable = durable
        self.port = 0
        self._process: subprocess.Popen[str] | None = None

    @property
    @abstractmethod
    def url(self) -> str:
        """Where it listens; known once it has started."""

    @property
    def pid(self) -> int | None:
        """Its process id, None while it is not running."""
        process = self._process
        return process.pid if process and process.poll() is None else None

    def start(self) -> str:
        """Start it if it is not running, and return its url once it accepts connections.

        Raises ServerError where it cannot start, or another process serves the same data.
        """
        if self.pid is None:
            self._prepare()
            self.port = self.port or free_port(seed=str(self.path))
            self._launch()
            atexit.register(self.stop)
            self._await_ready()
        return self.url

    def stop(self) -> None:
        """Shut it down in an orderly way; nothing happens if it is not running."""
        self._end(self.FAREWELL)

    def kill(self) -> None:
        """End it as a crash does: connections cut, nothing flushed."""
        self._end(self.CRASH)

    def restart(self) -> str:
        """Stop and start it on the same port."""
        self.stop()
        return self.start()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @abstractmethod
    def _prepare(self) -> None: ...

    @abstractmethod
    def _argv(self) -> list[str]: ...

    @abstractmethod
    def _ping(self) -> bool: ...

    def _leftovers(self) -> list[Path]:
        """Files of a killed server, to be deleted once it is certain that no server uses the data."""
        return []

    @property
    def _log(self) -> Path:
        return self.path / "log"

    def _launch(self) -> None:
        with _locked(self.path / "lock", self.NAME) as lock, self._log.open("ab") as log:
            for leftover in self._leftovers():
                leftover.unlink(missing_ok=True)
            self._process = spawn(
                self._argv(),
                farewell=self.FAREWELL,
                cwd=self.path,
                stdout=log,
                stderr=log,
                pass_fds=[lock],
                **self._identity(),
            )
            os.pwrite(lock, f"{self._process.pid:<20}\n".encode(), 0)

    def _identity(self) -> dict[str, Any]:
        return {}

    def _await_ready(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        while not self._ping():
            if self.pid is None or time.monotonic() > deadline:
                self.kill()
                lines = self._log.read_text(errors="replace").splitlines()[-LOG_TAIL_LINES:]
                end = "\n".join(lines)
                raise ServerError(f"{self.NAME} did not start; its log {self._log} ends with:\n{end}")
            time.sleep(0.02)

    def _end(self, signum: signal.Signals) -> None:
        process, self._process = self._process, None
        atexit.unregister(self.stop)
        if process is None:
            return
        process.send_signal(signum)
        try:
            process.wait(STOP_TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def _locked(path: Path, name: str) -> Iterator[int]:
    """A lock that the server inherits: held for exactly as long as a server uses the data."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        _await_lock(descriptor, f"{path.parent} is already used by {name}")
        yield descriptor
    finally:
        os.close(descriptor)


def _await_lock(descriptor: int, complaint: str) -> None:
    deadline = time.monotonic() + LOCK_TIMEOUT_SECONDS
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                holder = os.pread(descriptor, 20, 0).decode().strip()
                raise ServerError(f"{complaint}, process {holder}; stop that one first") from None
            time.sleep(0.05)
        else:
            return
