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


def explored(system: System, seconds: float, seed: int) -> Iterator[str]:
    """What schemathesis found, with a key for half of the time, and without one."""
    with factories.bound(system.database_url, pool_size=1):
        credentials = factories.CREDENTIALS | {"callback_secret": TOKEN}
        factories.add_provider(PANEL, callback="token", credentials=credentials)
    key = [f"{name}: {value}" for name, value in system.authorization.items()]
    for name, headers in (("with a key", ["--header", *key]), ("without a key", [])):
        command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(SETTINGS), "run", *headers]
        command += [f"{system.url}/openapi.json", "--checks", "all", "--seed", str(seed)]
        command += ["--max-time", str(max(1, round(seconds / 2)))]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        print(f"--- {name}\n{done.stdout[-SHOWN:]}{done.stderr[-SHOWN:]}", flush=True)
        if done.returncode:
            yield f"{name}:\n{done.stdout[-SHOWN:]}"
