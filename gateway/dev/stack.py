"""Everything the product needs, on one machine with nothing installed but itself."""

import os
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path

import requests
from cryptography.fernet import Fernet

import gateway
from gateway.dev.plan import HOST, Plan
from gateway.dev.processes import Process, Processes
from gateway.dev.servers import EmbeddedPostgres, EmbeddedValkey

#: Where the code is; gunicorn finds its configuration there.
ROOT = Path(gateway.__file__).parents[1]
#: What the Procfile starts, word for word.
COMMANDS = {
    "web": "gunicorn gateway.app:app",
    "worker": "dramatiq actors --processes 1 --threads 8 --worker-shutdown-timeout 20000",
    "scheduler": "periodiq actors",
}
#: The provider that is the simulator.
PROVIDER = "sandbox"
#: Seconds that the processes have until the web process says that all is ready.
READY_TIMEOUT_SECONDS = 60.0
PAUSE_SECONDS = 0.2

Say = Callable[[str], None]


class ChildEnded(RuntimeError):
    """A process that should have stayed has ended."""

    def __init__(self, process: Process) -> None:
        super().__init__(f"{process.name} ended by itself")
        self.process = process


class NotReady(RuntimeError):
    """The processes run, but something they need is still missing."""


def kept(path: Path, make: Callable[[], str]) -> str:
    """The text of a file that only this user can read; made the first time."""
    if not path.exists():
        write_private(path, make())
    return path.read_text().strip()


def write_private(path: Path, text: str) -> None:
    """Write a file that only this user can read."""
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text + "\n")


def start_servers(given: Mapping[str, str], plan: Plan, held: ExitStack, say: Say) -> dict[str, str]:
    """Start PostgreSQL and Valkey, but those whose variable is in `given`; the variables of those started.

    They end with `held`. Raises ServerError.
    """
    started: dict[str, str] = {}
    for variable, server in (
        ("DATABASE_URL", EmbeddedPostgres(plan.directory / "postgres")),
        ("REDIS_URL", EmbeddedValkey(plan.directory / "valkey")),
    ):
        if given.get(variable):
            say(f"Using {variable} of the environment.")
            continue
        say(f"Starting {server.NAME}, its data in {server.path} …")
        held.callback(server.stop)
        started[variable] = server.start()
    return started


def environment(given: Mapping[str, str], plan: Plan) -> dict[str, str]:
    """The variables of every process: what is `given`, completed for development."""
    made = {"LOG_FORMAT": "console", "PUBLIC_URL": plan.url}
    if not given.get("ENCRYPTION_KEYS"):
        made["ENCRYPTION_KEYS"] = kept(
            plan.directory / "encryption_keys", lambda: Fernet.generate_key().decode()
        )
    return {**made, **{name: value for name, value in given.items() if value}, "PORT": str(plan.port)}


def start_processes(
    processes: Processes, plan: Plan, environ: Mapping[str, str], callback_secret: str
) -> None:
    """Start the simulator, and what the Procfile starts. Raises FileNotFoundError."""
    simulator = [sys.executable, "-m", "gateway", "simulator", "--port", str(plan.simulator_port)]
    simulator += ["--callback-url", f"http://{HOST}:{plan.port}/callbacks/{PROVIDER}"]
    processes.start(
        "simulator", simulator, {**environ, "SIMULATOR_CALLBACK_SECRET": callback_secret}, cwd=ROOT
    )
    for name, command in COMMANDS.items():
        program, *arguments = command.split()
        processes.start(name, [str(Path(sys.executable).parent / program), *arguments], environ, cwd=ROOT)


def watch(processes: Processes) -> None:
    """Raises ChildEnded where one of them is no longer running."""
    for process in processes.ended():
        raise ChildEnded(process)


def wait_until_ready(
    plan: Plan, processes: Processes, timeout_seconds: float = READY_TIMEOUT_SECONDS
) -> None:
    """Return once simulator and web say that all is ready. Raises ChildEnded, NotReady."""
    deadline = time.monotonic() + timeout_seconds
    ready = (f"{plan.simulator_url}/sim/health", f"{plan.url}/health/ready")
    while reason := "".join(map(_why_not_ready, ready)):
        watch(processes)
        if time.monotonic() > deadline:
            raise NotReady(f"not ready within {timeout_seconds:g} s: {reason}")
        time.sleep(PAUSE_SECONDS)


def _why_not_ready(url: str) -> str:
    try:
        answer = requests.get(url, timeout=5)
    except requests.RequestException:
        return f"nothing answers at {url}"
    return "" if answer.ok else answer.text[:300]
