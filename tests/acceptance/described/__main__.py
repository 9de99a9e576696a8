"""schemathesis against a running web: with all its checks it finds no answer that `/openapi.json` does not describe.

    python -m tests.acceptance.described [--seconds 1200] [--seed 1]

Half of the time with a key of every scope, half without one.
"""

import argparse
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.acceptance.system import System, new_directory, web_alone

#: What schemathesis is told.
SETTINGS = Path(__file__).with_name("schemathesis.toml")
SECONDS = 1200


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    directory = new_directory("described")
    with web_alone(directory) as system:
        wrong = [name for name, fault in explored(system, options.seconds, options.seed) if fault]
        if "Traceback" in (directory / "web.log").read_text():
            wrong.append("the log of the web")
    print(f"faults: {', '.join(wrong)}; the logs are in {directory}" if wrong else "no faults", flush=True)
    if not wrong:
        shutil.rmtree(directory, ignore_errors=True)
    return 1 if wrong else 0


def explored(system: System, seconds: float, seed: int, **more: str) -> Iterator[tuple[str, str]]:
    """With a key and without one: a name, and what schemathesis said if it found a fault."""
    headers = [f"{name}: {value}" for name, value in system.authorization.items()]
    for name, given in (("with a key", ["--header", *headers]), ("without a key", [])):
        command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(SETTINGS), "run"]
        command += [
            f"{system.url}/openapi.json",
            "--max-time",
            f"{max(1, round(seconds / 2))}",
            "--seed",
            str(seed),
        ]
        done = subprocess.run([*command, *given], capture_output=True, text=True, check=False)
        print(f"--- {name}\n{done.stdout[-20_000:]}{done.stderr[-2000:]}", flush=True)
        yield name, done.stdout if done.returncode else ""


if __name__ == "__main__":
    sys.exit(main())
