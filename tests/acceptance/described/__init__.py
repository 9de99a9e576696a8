"""schemathesis against the web as it runs: every answer that it gets must be described by `/openapi.json`."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests import factories
from tests.acceptance.system import ROOT, System

#: What schemathesis is told, beside its command line; the provider in it, and its token.
SETTINGS = Path(__file__).with_name("schemathesis.toml")
PANEL, TOKEN = "panel", "token-of-the-panel"
#: Characters that are shown of what it prints.
SHOWN = 30_000


def add_panel(system: System) -> None:
    """A provider that calls back with a token."""
    with factories.bound(system.database_url, pool_size=1):
        credentials = factories.CREDENTIALS | {"callback_secret": TOKEN}
        factories.add_provider(PANEL, callback="token", credentials=credentials)


def explored(system: System, seconds: int, seed: int, *, with_key: bool) -> Iterator[str]:
    """What schemathesis found within so long, with a key of every scope or without one."""
    name = "with a key" if with_key else "without a key"
    key = [f"--header={name}: {value}" for name, value in system.authorization.items()] if with_key else []
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(SETTINGS), "run", *key]
    command += [f"{system.url}/openapi.json", "--checks", "all", "--seed", str(seed), f"--max-time={seconds}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    print(f"--- {name}\n{done.stdout[-SHOWN:]}{done.stderr[-SHOWN:]}", flush=True)
    if done.returncode:
        yield f"{name}:\n{done.stdout[-SHOWN:]}"
