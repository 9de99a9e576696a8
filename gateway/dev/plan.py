"""The directory and the ports of one `gateway dev`."""

import fcntl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from gateway.dev.ports import HOST, explain, free_port, loopback, refusal

#: From the port that was asked for, how many further ones are tried to suggest a free one.
SUGGESTIONS = 100
#: Where the search for a suggestion begins if ports below 1024 are not permitted.
UNPRIVILEGED = 8000


class Taken(RuntimeError):
    """A port or the directory cannot be used; the message says why and how to choose another."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Directory and ports; what is kept in the directory outlives a run."""

    directory: Path
    port: int
    simulator_port: int
    storefront_port: int

    @property
    def url(self) -> str:
        """Of the order API."""
        return f"http://{HOST}:{self.port}"

    @property
    def simulator_url(self) -> str:
        """Of the provider simulator."""
        return f"http://{HOST}:{self.simulator_port}"

    @property
    def storefront_url(self) -> str:
        """Of the example storefront."""
        return f"http://{HOST}:{self.storefront_port}"

    def told_at(self, environ: Mapping[str, str]) -> str | None:
        """Where the example storefront shows what it was told; None if notifications go elsewhere."""
        where = f"{self.storefront_url}/notifications"
        return where if environ.get("NOTIFY_URL") == where else None

    @property
    def log(self) -> Path:
        """The output of a demo's processes."""
        return self.directory / "demo.log"

    @property
    def key_file(self) -> Path:
        """The development API key."""
        return self.directory / "api_key"

    @property
    def storefront_key_file(self) -> Path:
        """The API key of the example storefront."""
        return self.directory / "storefront_key"

    @property
    def notify_secret_file(self) -> Path:
        """The secret that signs notifications to the example storefront."""
        return self.directory / "notify_secret"

    @property
    def environment_file(self) -> Path:
        """Variables for a shell, so that other commands use the same servers."""
        return self.directory / "env"


@contextmanager
def only_one(directory: Path) -> Iterator[None]:
    """Lock the directory while the block runs; the lock ends with this process. Raises Taken."""
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / "lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            choose = "choose another directory with --data"
            raise Taken(f"another `gateway dev` uses {directory}; stop it, or {choose}") from None
        yield


@dataclass(frozen=True, slots=True)
class Choice:
    """What to do about a port that cannot be used."""

    #: Take a free one instead; otherwise it is an error.
    evade: bool
    #: How another port is given, with {variable}, {option} and {port} to fill in.
    advice: str
    say: Callable[[str], None]


def make(directory: Path, port: int, simulator_port: int, storefront_port: int, choice: Choice) -> Plan:
    """The plan with these ports, or with free ones instead, as `choice` says. Raises Taken.

    The example storefront moves to a free port by itself: nothing depends on where it is.
    """
    return Plan(
        directory,
        _usable(port, "PORT", f"{directory} web", choice),
        _usable(simulator_port, "SIMULATOR_PORT", f"{directory} simulator", choice),
        _usable(storefront_port, "STOREFRONT_PORT", f"{directory} storefront", replace(choice, evade=True)),
    )


def _usable(port: int, variable: str, seed: str, choice: Choice) -> int:
    why = why_not(port)
    if why is None:
        return port
    if choice.evade:
        other = free_port(seed, loopback())
        choice.say(f"{why[0].upper()}{why[1:]}; using {other} instead.")
        return other
    first = max(port + 1, UNPRIVILEGED)
    others = range(first, first + SUGGESTIONS)
    suggestion = next((other for other in others if why_not(other) is None), first)
    option = f"--{variable.lower().replace('_', '-')}"
    advice = choice.advice.format(variable=variable, option=option, port=suggestion)
    raise Taken(f"{why}; choose another: {advice}")


def why_not(port: int) -> str | None:
    """Why this port cannot be used on this machine's own addresses; None if it can.

    A program that listens on all addresses takes the port too, which not every system shows for a single address.
    """
    for host in ("", *loopback()):
        if error := refusal(host, port):
            return explain(error, host, port)
    return None
