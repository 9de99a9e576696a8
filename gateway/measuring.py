"""Measuring: what is counted, and how long things take. Each process adds up in memory, and writes the sums in batches.

An observation is put down without a lock, and added up together with some hundred others: that makes a microsecond for
each. (A lock alone takes two where gevent has patched it.)
"""

import threading
from bisect import bisect_left
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from gateway import log
from models import measurements
from models.db import database
from models.db.database import Use
from models.measurements import Measured

logger = log.get(__name__)

#: Seconds between two writes of one process.
WRITE_SECONDS = 10.0
#: Observations that are put down before they are added up, which then takes about half a millisecond.
MOST_PUT_DOWN = 500
#: Upper bounds of the buckets of every histogram, in seconds; one more bucket has what took longer. What stands in the
#: database is by their places: with other bounds, a histogram needs another name.
BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


@dataclass(frozen=True, slots=True)
class Metric:
    """What is measured, as `/metrics` shows it."""

    name: str
    text: str
    labels: Sequence[str]
    is_counter: bool = False


#: Counters.
CALLBACKS = Metric(
    "referans_callbacks",
    "Callbacks, each entry of a list, by how they were answered.",
    ("provider", "result"),
    is_counter=True,
)
#: Histograms, all in seconds.
REQUESTS = Metric("referans_request_seconds", "Requests to the web.", ("method", "route", "status"))
SETTLING = Metric("referans_settle_seconds", "Statements that settle outcomes.", ("process",))
DISPATCHING = Metric("referans_dispatch_seconds", "Sends to providers.", ("provider", "result"))
CHECKING = Metric("referans_check_seconds", "Questions to providers about orders.", ("provider", "result"))
NOTIFYING = Metric("referans_notification_seconds", "Tries to deliver notifications.", ("result",))

COUNTERS = (CALLBACKS,)
HISTOGRAMS = (REQUESTS, SETTLING, DISPATCHING, CHECKING, NOTIFYING)

#: What was added up: of a counter its value and nothing, of a histogram its buckets and the sum of what was measured.
Sums = list[float]


class Measures:
    """Adds up in memory. `begin` has a thread write it every `write_seconds`, `end` writes the rest.

    What a killed process had not written is not counted.
    """

    def __init__(self, write_seconds: float = WRITE_SECONDS) -> None:
        self._write_seconds = write_seconds
        #: What was observed, oldest first; a deque needs no lock to be added to, or taken from.
        self._put_down: deque[tuple[Metric, tuple[str, ...], float]] = deque()
        #: Guards what was added up.
        self._lock = threading.Lock()
        self._sums: dict[tuple[str, tuple[str, ...]], Sums] = {}
        self._failing = False
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def count(self, metric: Metric, *labels: str, count: int = 1) -> None:
        """Count something. Never waits and never raises."""
        self._put_down.append((metric, labels, count))
        if len(self._put_down) > MOST_PUT_DOWN:
            self._make_room()

    def observe(self, metric: Metric, seconds: float, *labels: str) -> None:
        """Something took so long. Never waits and never raises."""
        self._put_down.append((metric, labels, seconds))
        if len(self._put_down) > MOST_PUT_DOWN:
            self._make_room()

    def begin(self) -> None:
        """Write in a thread of its own until `end`."""
        self._thread = threading.Thread(target=self._run, name="measures", daemon=True)
        self._thread.start()

    def end(self, timeout_seconds: float) -> None:
        """Write what is left, in `timeout_seconds` at most."""
        self._stopping.set()
        if self._thread:
            self._thread.join(timeout_seconds)

    def write(self) -> None:
        """Write what was added up since the last time: one statement. Never raises; what was not written is kept."""
        with self._lock:
            self._add_up()
            taken, self._sums = self._sums, {}
        if not taken:
            return
        try:
            with database.session(Use.REQUEST):
                measurements.add(
                    [
                        Measured(name, labels, [int(each) for each in sums[:-1]], sums[-1])
                        for (name, labels), sums in taken.items()
                    ]
                )
            self._failing = False
        except Exception as error:
            if not self._failing:  # once per outage
                logger.warning(
                    "What was measured could not be written; it will be tried again.",
                    action="measuring_failed",
                    error=str(error).strip(),
                )
            self._failing = True
            self._keep(taken)

    def _make_room(self) -> None:
        if self._lock.acquire(blocking=False):  # else another thread does it
            try:
                self._add_up()
            finally:
                self._lock.release()

    def _add_up(self) -> None:
        """Add up what was put down; needs the lock."""
        with suppress(IndexError):  # until nothing is left
            while True:
                metric, labels, value = self._put_down.popleft()
                key = (metric.name, labels)
                sums = self._sums.get(key)
                if sums is None:
                    sums = self._sums[key] = [0] * (1 if metric.is_counter else len(BOUNDS) + 1) + [0.0]
                if metric.is_counter:
                    sums[0] += value
                else:
                    sums[bisect_left(BOUNDS, value)] += 1
                    sums[-1] += value

    def _run(self) -> None:
        while not self._stopping.wait(self._write_seconds):
            self.write()
        self.write()

    def _keep(self, taken: dict[tuple[str, tuple[str, ...]], Sums]) -> None:
        with self._lock:
            for key, sums in taken.items():
                newer = self._sums.get(key)
                self._sums[key] = (
                    [one + more for one, more in zip(sums, newer, strict=True)] if newer else sums
                )
