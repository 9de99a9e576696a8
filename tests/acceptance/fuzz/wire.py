"""What a running web answers to raw bytes: changed requests, and smuggled ones."""

import re
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass, field

import psutil

from tests.acceptance.fuzz import smuggled
from tests.acceptance.fuzz.mutating import inputs
from tests.acceptance.fuzz.running import MOST_MIB, SHOWN_BYTES, WARM_SHARE
from tests.acceptance.fuzz.samples import heads
from tests.acceptance.fuzz.smuggled import ENDLESS, Case

HOST = "127.0.0.1"
#: Connections at once; fewer than the connections to the database.
CONNECTIONS = 3
#: Seconds until an answer, or its end, is given up; longer than the web waits for a whole request.
PATIENCE_SECONDS = 45.0
#: Bytes of the largest input: more than the web reads of a request.
MOST_BYTES = 300_000
#: The first line of an answer, at the beginning or behind the body of the one before.
ANSWER = re.compile(rb"(?:\A|(?<=[\n}>K]))HTTP/1\.[01] (\d{3}) ")
HEAD = (
    f"{'over the wire':<34}{'inputs':>8}{'answers':>8}{'silent':>8}{'faults':>8}"
    f"{'slowest s':>11}{'growth MiB':>11}{'s':>6}"
)


@dataclass(frozen=True)
class Exchange:
    """What came back on one connection."""

    statuses: tuple[int, ...]
    #: Whether the web has closed the connection by itself, and how long it took.
    is_closed: bool
    seconds: float


def talk(port: int, data: bytes, right: tuple[int, ...] | None = None) -> Exchange:
    """Send the bytes, and read until the web closes the connection.

    Once the answers are `right`, or at once where it is None, it is told that nothing more will come.
    """
    began = time.monotonic()
    with closing(socket.create_connection((HOST, port), PATIENCE_SECONDS)) as connection:
        sending = threading.Thread(target=_send, args=(connection, data, right is None))
        sending.start()
        came, is_closed = b"", True
        statuses: tuple[int, ...] = ()
        try:
            while received := connection.recv(65536):
                came += received
                statuses = tuple(map(int, ANSWER.findall(came)))
                if right and statuses == right:
                    sending.join()
                    is_closed = False
                    connection.shutdown(socket.SHUT_WR)
        except ConnectionError:
            pass
        except TimeoutError:
            is_closed = False
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
        sending.join()
    return Exchange(statuses, is_closed, time.monotonic() - began)


def _send(connection: socket.socket, data: bytes, is_all: bool) -> None:
    with suppress(OSError):
        connection.sendall(data)
        if is_all:
            connection.shutdown(socket.SHUT_WR)


def smuggling(port: int, key: str, cases: Iterable[Case] | None = None) -> Iterator[str]:
    """Faults of the corpus."""
    chosen = list(smuggled.corpus(key) if cases is None else cases)
    with ThreadPoolExecutor(8) as threads:
        for case, found in zip(
            chosen, threads.map(lambda each: talk(port, each.data, each.right), chosen), strict=True
        ):
            if fault := _fault(case, found):
                yield f"{case.name}: {fault}"


def _fault(case: Case, found: Exchange) -> str | None:
    is_refused = len(found.statuses) == 1 and 400 <= found.statuses[0] < 500 and found.is_closed
    is_let_go = case.right == ENDLESS and not found.statuses and found.is_closed
    if case.right and case.right != ENDLESS:
        return (
            None
            if found.statuses == case.right
            else f"answered {found.statuses[:5]} instead of {case.right[:5]}"
        )
    if is_refused or is_let_go:
        return None
    return f"answered {found.statuses[:5]}, and {'closed' if found.is_closed else 'left open'}"


@dataclass
class WireReport:
    """What came of changed requests."""

    inputs: int = 0
    silent: int = 0
    slowest_seconds: float = 0.0
    growth_mib: float = 0.0
    seconds: float = 0.0
    statuses: Counter[int] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    def faults(self) -> Iterator[str]:
        """What must not be."""
        yield from self.wrong
        if self.growth_mib > MOST_MIB:
            yield f"a process of the web grew by {self.growth_mib:.0f} MiB"

    def row(self) -> str:
        """A line of the table."""
        return (
            f"{'requests':<34}{self.inputs:>8}{self.statuses.total():>8}{self.silent:>8}{len(self.wrong):>8}"
            f"{self.slowest_seconds:>11.1f}{self.growth_mib:>11.1f}{self.seconds:>6.0f}"
        )


def fuzz(port: int, web_pid: int, key: str, token: str, seed: object, count: int) -> WireReport:
    """Send `count` changed requests, each on a connection of its own."""
    report, begun = WireReport(), time.monotonic()
    made = inputs(heads(key, token), f"{seed} wire", count, MOST_BYTES)
    processes = psutil.Process(web_pid).children()
    _send_all(port, (next(made) for _ in range(int(count * WARM_SHARE))), report)
    before = [_mib(each) for each in processes]
    _send_all(port, made, report)
    if psutil.Process(web_pid).children() != processes:
        report.wrong.append("a process of the web was replaced")
    else:
        report.growth_mib = max(0.0, *(_mib(each) - old for each, old in zip(processes, before, strict=True)))
    report.seconds = time.monotonic() - begun
    return report


def _send_all(port: int, made: Iterable[bytes], report: WireReport) -> None:
    """By threads that take the next one each, since `map` would first make them all."""
    lock, waiting = threading.Lock(), iter(made)

    def work() -> None:
        while True:
            with lock:
                data = next(waiting, None)
            if data is None:
                return
            found = talk(port, data)
            with lock:
                _note(report, data, found)

    threads = [threading.Thread(target=work) for _ in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _note(report: WireReport, data: bytes, found: Exchange) -> None:
    report.inputs += 1
    report.silent += not found.statuses
    report.statuses.update(found.statuses)
    report.slowest_seconds = max(report.slowest_seconds, found.seconds)
    if any(status >= 500 for status in found.statuses):
        report.wrong.append(f"answered {found.statuses[:5]} to {data[:SHOWN_BYTES]!r}")
    if not found.is_closed:
        report.wrong.append(f"left open after {found.statuses[:5]}: {data[:SHOWN_BYTES]!r}")


def _mib(process: psutil.Process) -> float:
    return float(process.memory_info().rss) / 2**20
