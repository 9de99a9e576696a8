"""`make floods`: crowds of badly behaved clients, while a storefront and a provider go on with their work.

    python -m tests.acceptance.floods [--seconds 30] [--only NAME …]

The real web with the project's own configuration: two processes. Ends with exit status 1 where one of the others was
refused, or waited longer than LONGEST_SECONDS, or half of them longer than HALF_SECONDS, where a process died or grew
too large, or where a slow client was not hung up on in time.
"""

import argparse
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import psutil

from gateway.dev.child import spawn
from tests.acceptance.flood import limits
from tests.acceptance.flood.crowd import FLOODS
from tests.acceptance.flood.others import Others, Waits
from tests.acceptance.system import ROOT, SECRET, System, execute, new_directory, web_alone

#: Longest that any of the others waits for an answer, and that half of them do, in seconds.
LONGEST_SECONDS, HALF_SECONDS = 5.0, 1.0
#: Most memory of one web process, in MiB.
MOST_MIB = 300
#: Orders that there are, and the length of their message in characters: what lists are made of.
ORDERS, MESSAGE = 300, 250
#: Seconds between two looks at the memory.
LOOK_SECONDS = 0.25
#: Seconds until a crowd is there, before the others begin; and of calm when it has gone.
ARRIVAL_SECONDS, CALM_SECONDS = 1.0, 2.0
HEAD = (
    f"{'flood':<30}{'size':>6} {'orders':>7}{'p50 s':>7}{'max s':>7}{'wrong':>6} "
    f"{'callb.':>7}{'p50 s':>7}{'max s':>7}{'wrong':>6} {'answers':>8}{'hung up':>8} {'MiB':>5}{'most':>5}"
)


@dataclass
class Flood:
    """What a crowd, by kind and count, did to the others."""

    kinds: Mapping[str, int]
    orders: Waits = field(default_factory=Waits)
    callbacks: Waits = field(default_factory=Waits)
    #: Of the largest web process, in MiB, before and at most.
    before_mib: int = 0
    most_mib: int = 0
    #: Answers that the crowd got, and how often it was hung up on.
    answers: int = 0
    hung_up: int = 0
    has_killed: bool = False

    def faults(self) -> Iterator[str]:
        """What must not be."""
        for name, waits in (("orders", self.orders), ("callbacks", self.callbacks)):
            if waits.wrong:
                yield f"{name}: {len(waits.wrong)} were refused or lost: {waits.wrong[:3]}"
            if waits.longest > LONGEST_SECONDS:
                yield f"{name}: an answer took {waits.longest:.1f} s"
            if waits.percentile(0.5) > HALF_SECONDS:
                yield f"{name}: half of the answers took {waits.percentile(0.5):.1f} s or more"
        if self.most_mib > MOST_MIB:
            yield f"a web process grew to {self.most_mib} MiB"
        if self.has_killed:
            yield "a process of the web was killed"

    def row(self) -> str:
        """A line of the table."""
        name, size = " + ".join(self.kinds)[:29], sum(self.kinds.values())
        cells = [f"{name:<30}{size:>6}"]
        for waits in (self.orders, self.callbacks):
            cells.append(
                f" {len(waits.seconds):>7}{waits.percentile(0.5):>7.2f}{waits.longest:>7.2f}{len(waits.wrong):>6}"
            )
        cells.append(f" {self.answers:>8}{self.hung_up:>8} {self.before_mib:>5}{self.most_mib:>5}")
        return "".join(cells)


def prepare(system: System) -> None:
    """Something to list."""
    system.place_without_web(*(f"player{number}" for number in range(ORDERS)))
    execute(system.database_url, 'UPDATE product_orders SET "lastMessage" = repeat(%s, %s)', "x", MESSAGE)


def run(system: System, kinds: Mapping[str, int], seconds: float) -> Flood:
    """Let a crowd come over the web, beside the others."""
    processes = _web_processes(system)
    flood = Flood(kinds, before_mib=_largest_mib(processes))
    with _crowd(system, flood), _watched(processes, flood):
        time.sleep(ARRIVAL_SECONDS)
        others = Others(system.url, system.authorization)
        time.sleep(seconds)
        others.stop()
    flood.orders, flood.callbacks = others.orders, others.callbacks
    flood.has_killed = set(_web_processes(system)) != set(processes)
    return flood


def key_of(system: System) -> str:
    """The API key."""
    return system.authorization["Authorization"].removeprefix("Bearer ")


@contextmanager
def _crowd(system: System, flood: Flood) -> Iterator[None]:
    command = [sys.executable, "-m", "tests.acceptance.flood.crowd", str(system.port), key_of(system), SECRET]
    command += [f"{kind}:{count}" for kind, count in flood.kinds.items()]
    process = spawn(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        yield
    finally:
        said, _ = process.communicate(timeout=30)
    flood.answers, flood.hung_up = map(int, said.split())


@contextmanager
def _watched(processes: Iterable[psutil.Process], flood: Flood) -> Iterator[None]:
    over = threading.Event()

    def watch() -> None:
        while not over.wait(LOOK_SECONDS):
            flood.most_mib = max(flood.most_mib, _largest_mib(processes))

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        yield
    finally:
        over.set()
        watching.join()


def _web_processes(system: System) -> list[psutil.Process]:
    return psutil.Process(system.running()["web"]).children()


def _largest_mib(processes: Iterable[psutil.Process]) -> int:
    """0 where one of them has ended."""
    with suppress(psutil.Error):
        return max(one.memory_info().rss >> 20 for one in processes)
    return 0


def main() -> int:
    """The exit status."""
    parser = argparse.ArgumentParser(description="Crowds of badly behaved clients, beside others.")
    parser.add_argument("--seconds", type=float, default=30, help="of each flood")
    parser.add_argument("--only", action="append", choices=list(FLOODS), help="only this one")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    directory = new_directory("floods")
    with web_alone(directory) as system:
        prepare(system)
        faults = list(_all(system, options.only or FLOODS, options.seconds))
    if faults:
        _say(f"{len(faults)} faults; the logs are in {directory}")
        return 1
    shutil.rmtree(directory, ignore_errors=True)
    return 0


def _all(system: System, kinds: Iterable[str], seconds: float) -> Iterator[str]:
    _say("one slow client of each kind")
    for fault in limits.broken(system.port, key_of(system)):
        _say(f"    {fault}")
        yield fault
    _say(HEAD)
    for kind in kinds:
        count, _ = FLOODS[kind]
        flood = run(system, {kind: count}, seconds)
        _say(flood.row())
        for fault in flood.faults():
            _say(f"    {fault}")
            yield fault
        time.sleep(CALM_SECONDS)


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
