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
from gateway.callbacks.verifiers import StandardWebhooks
from gateway.dev.plan import Plan
from gateway.dev.ports import HOST, loopback
from gateway.dev.processes import Processes
from gateway.dev.restarts import ChildEnded
from gateway.dev.servers import EmbeddedPostgres, EmbeddedValkey
from gateway.dev.simulator import ZNET
from gateway.settings import Settings

#: The directory of the code, with the configuration of gunicorn.
ROOT = Path(gateway.__file__).parents[1]
#: The commands of the Procfile, word for word.
COMMANDS = {
    "web": "gunicorn gateway.app:app",
    "worker": "dramatiq actors --processes 1 --threads 8 --worker-shutdown-timeout 20000",
    "scheduler": "periodiq actors",
}
#: The example storefront, which a checkout has, and the client that it uses.
STOREFRONT, CLIENT = ROOT / "examples/storefront/shop.py", ROOT / "clients/python"
#: What the gateway's own processes get and the example storefront does not.
OURS_ALONE = ("DATABASE_URL", "REDIS_URL", "ENCRYPTION_KEYS")
#: Id of the provider that is the simulator.
PROVIDER = "sandbox"
#: FIRST_CHECK_DELAY beside a provider whose orders may only be found done by a check.
FIRST_CHECK_DELAY = "4"
#: Longest wait until the web process says that everything is ready, in seconds.
READY_TIMEOUT_SECONDS = 60.0
PAUSE_SECONDS = 0.2

Say = Callable[[str], None]


class NotReady(RuntimeError):
    """The processes run, but are not ready; the message says what is missing."""


def kept(path: Path, make: Callable[[], str]) -> str:
    """The text of a file that only this user can read; it is made the first time."""
    if not path.exists():
        write_private(path, make())
    return path.read_text().strip()


def write_private(path: Path, text: str) -> None:
    """Write a file that only this user can read."""
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text + "\n")


def start_servers(given: Mapping[str, str], plan: Plan, held: ExitStack, say: Say) -> dict[str, str]:
    """Start PostgreSQL and Valkey unless their variable is `given`; returns the variables of those it started.

    They end with `held`. Raises ServerError.
    """
    started: dict[str, str] = {}
    for variable, server in (
        ("DATABASE_URL", EmbeddedPostgres(plan.directory / "postgres")),
        ("REDIS_URL", EmbeddedValkey(plan.directory / "valkey")),
    ):
        if given.get(variable):
            say(f"Using {variable} from the environment.")
            continue
        say(f"Starting {server.NAME}; its data is in {server.path}")
        held.callback(server.stop)
        started[variable] = server.start()
    return started


def environment(given: Mapping[str, str], plan: Plan, protocol: str = ZNET) -> dict[str, str]:
    """The variables of every process: those `given`, completed for development with a provider of this protocol."""
    hosts = [f"[{host}]" if ":" in host else host for host in loopback()]
    made = {
        "LOG_FORMAT": "console",
        "PUBLIC_URL": plan.url,
        # Whoever develops a storefront has its receiver on this machine; nobody else reaches the order API.
        "NOTIFY_ALLOW_PRIVATE": "1",
        # Not 0.0.0.0, as in production: other machines have no business here.
        "GUNICORN_CMD_ARGS": " ".join(f"--bind {host}:{plan.port}" for host in hosts),
    }
    if not given.get("ENCRYPTION_KEYS"):
        made["ENCRYPTION_KEYS"] = kept(
            plan.directory / "encryption_keys", lambda: Fernet.generate_key().decode()
        )
    if STOREFRONT.exists():
        made["NOTIFY_URL"] = f"{plan.storefront_url}/notifications"
    if not given.get("NOTIFY_SECRET"):
        made["NOTIFY_SECRET"] = kept(plan.notify_secret_file, StandardWebhooks().new_secret)
    if protocol != ZNET:
        made["FIRST_CHECK_DELAY"] = FIRST_CHECK_DELAY
    # Dramatiq and periodiq write a few lines before our log takes over, in the zone TZ.
    zone = given.get("TIMEZONE") or Settings.model_fields["timezone"].default
    wanted = {name: value for name, value in given.items() if value}
    return {**made, **wanted, "PORT": str(plan.port), "TZ": zone}


def start_processes(
    processes: Processes,
    plan: Plan,
    environ: Mapping[str, str],
    callback_secret: str,
    storefront_key: str,
    protocol: str = ZNET,
) -> None:
    """Start the simulator, the processes of the Procfile and the example storefront. Raises FileNotFoundError."""
    simulator = [sys.executable, "-m", "gateway", "simulator", "--port", str(plan.simulator_port)]
    simulator += ["--protocol", protocol]
    simulator += ["--callback-url", f"http://{HOST}:{plan.port}/callbacks/{PROVIDER}"]
    processes.start(
        "simulator", simulator, {**environ, "SIMULATOR_CALLBACK_SECRET": callback_secret}, cwd=ROOT
    )
    for name, command in COMMANDS.items():
        program, *arguments = command.split()
        processes.start(name, [str(Path(sys.executable).parent / program), *arguments], environ, cwd=ROOT)
    if STOREFRONT.exists():
        env = {name: value for name, value in environ.items() if name not in OURS_ALONE}
        env |= {"GATEWAY_URL": plan.url, "GATEWAY_KEY": storefront_key, "PORT": str(plan.storefront_port)}
        processes.start(
            "storefront", [sys.executable, str(STOREFRONT)], {**env, "PYTHONPATH": str(CLIENT)}, cwd=ROOT
        )


def wait_until_ready(
    plan: Plan, processes: Processes, timeout_seconds: float = READY_TIMEOUT_SECONDS
) -> None:
    """Return once simulator and web are ready. Raises ChildEnded if a process ends before that; NotReady."""
    deadline = time.monotonic() + timeout_seconds
    ready = [f"{plan.simulator_url}/sim/health", f"{plan.url}/health/ready"]
    ready += [plan.storefront_url] if STOREFRONT.exists() else []
    while reason := "".join(map(_why_not_ready, ready)):
        for process in processes.ended():
            raise ChildEnded(process, "before everything was ready")
        if time.monotonic() > deadline:
            raise NotReady(f"not ready within {timeout_seconds:.15g} s: {reason}")
        time.sleep(PAUSE_SECONDS)


def _why_not_ready(url: str) -> str:
    try:
        answer = requests.get(url, timeout=5)
    except requests.RequestException:
        return f"nothing answers at {url}"
    return "" if answer.ok else answer.text[:300]
