"""Fuzzing: every parser within this process, then a running web over raw sockets.

    python -m tests.acceptance.fuzz [--inputs 100000] [--wire 20000] [--seed 1] [--only NAME …]

The same seed makes the same inputs. A fault is an error that is not the parser's own, an input that takes half a second
of processor time, growth of a process by more than 50 MiB; over the wire an answer of 5xx, a connection that is not
closed, and a smuggled request that is answered or acted upon. Ends with exit status 1 if there was any.
"""

import argparse
import random
import shutil
import signal
import sys
from collections.abc import Iterator

from tests import factories
from tests.acceptance.floods import key_of
from tests.acceptance.fuzz import parsers, running, smuggled, wire
from tests.acceptance.system import System, new_directory, web_alone

PANEL = "panel"


def main() -> int:
    """The exit status."""
    parser = argparse.ArgumentParser(description="Inputs that were changed at random.")
    parser.add_argument("--inputs", type=int, default=100_000, help="for each parser; 0 for none")
    parser.add_argument(
        "--wire", type=int, default=20_000, help="over the wire; 0 for none, nor smuggled ones"
    )
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument(
        "--only", action="append", metavar="NAME", help="only parsers whose name contains this"
    )
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    _say(f"seed {options.seed}")
    faults = list(_parsers(options.seed, options.inputs, options.only)) if options.inputs else []
    if options.wire and not options.only:
        faults += _over_the_wire(options.seed, options.wire)
    _say(f"{len(faults)} faults" if faults else "no faults")
    return 1 if faults else 0


def _parsers(seed: int, count: int, only: list[str] | None) -> Iterator[str]:
    _say(running.HEAD)
    for each in parsers.parsers():
        if only and not any(name in each.name for name in only):
            continue
        report = running.run(each, seed, count)
        _say(report.row())
        for fault in report.faults():
            _say(f"    {fault}")
            yield fault


def _over_the_wire(seed: int, count: int) -> list[str]:
    directory = new_directory("fuzz")
    with web_alone(directory) as system:
        faults = list(against(system, seed, count))
    if faults:
        _say(f"the logs are in {directory}")
    else:
        shutil.rmtree(directory, ignore_errors=True)
    return faults


def against(system: System, seed: int, count: int) -> Iterator[str]:
    """Faults of a running web: of changed requests, and of smuggled ones."""
    with factories.bound(system.database_url, pool_size=1):
        credentials = factories.CREDENTIALS | {"callback_secret": parsers.TOKEN}
        factories.add_provider(PANEL, callback="token", credentials=credentials)
    key = key_of(system)
    _say(wire.HEAD)
    report = wire.fuzz(system.port, system.running()["web"], key, parsers.TOKEN, seed, count)
    _say(f"{report.row()}\n    {dict(sorted(report.statuses.items()))}")
    yield from _told(report.faults())
    cases = list(smuggled.corpus(key))
    _say(f"{len(cases)} smuggled requests")
    yield from _told(wire.smuggling(system.port, key, cases))
    placed = sum(row["userIdentifier"] == smuggled.HIDDEN_USER for row in system.orders().values())
    yield from _told([f"{placed} smuggled orders were placed"] if placed else [])


def _told(faults: Iterator[str] | list[str]) -> Iterator[str]:
    for fault in faults:
        _say(f"    {fault}")
        yield fault


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
