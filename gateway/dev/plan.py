"""Where everything of `gateway dev` is to be: its directory and its ports."""

import fcntl
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from gateway.dev.embedded import free_port

HOST = "127.0.0.1"


class Taken(RuntimeError):
    """Somebody uses a port or the directory already; the message says how to choose another."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Directory and ports; what is kept in the directory outlives a run."""

    directory: Path
    port: int
    simulator_port: int

    @property
    def url(self) -> str:
        """Of the order API."""
        return f"http://{HOST}:{self.port}"

    @property
    def simulator_url(self) -> str:
        """Of the provider simulator."""
        return f"http://{HOST}:{self.simulator_port}"

    @property
    def log(self) -> Path:
        """Where a demo keeps what its processes print."""
        return self.directory / "demo.log"

    @property
    def key_file(self) -> Path:
        """Where the development API key is kept."""
        return self.directory / "api_key"

    @property
    def environment_file(self) -> Path:
        """What a shell reads to run other commands against the same servers."""
        return self.directory / "env"


@contextmanager
def only_one(directory: Path) -> Iterator[None]:
    """The directory for as long as the block runs; its lock goes with this process. Raises Taken."""
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / "lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            choose = "choose another directory with --data"
            raise Taken(f"another `gateway dev` runs with {directory}; stop it, or {choose}") from None
        yield


def make(directory: Path, port: int, simulator_port: int, *, evade: bool, say: Callable[[str], None]) -> Plan:
    """The plan with these ports; with `evade`, free ones in place of those that are taken. Raises Taken."""
    return Plan(
        directory,
        _available(port, "PORT", f"{directory} web", evade, say),
        _available(simulator_port, "SIMULATOR_PORT", f"{directory} simulator", evade, say),
    )


def _available(port: int, variable: str, seed: str, evade: bool, say: Callable[[str], None]) -> int:
    if not is_taken(port):
        return port
    if not evade:
        choose = f"make run {variable}={port + 1}"
        raise Taken(f"port {port} is taken; stop what listens there, or choose another: {choose}")
    other = free_port(seed)
    say(f"Port {port} is taken; using {other} in its place.")
    return other


def is_taken(port: int) -> bool:
    """Whether somebody listens on this TCP port already, on any address."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("", port))
        except OSError:
            return True
    return False
