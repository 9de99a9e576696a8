"""Thousands of delayed jobs on one thread."""

import heapq
import itertools
import threading
import time
import traceback
from collections.abc import Callable

Job = Callable[[], None]


class Timers:
    """Runs short jobs when they are due. Waiting jobs survive `stop` and continue after `start`."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Job]] = []
        self._sequence = itertools.count()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._stopping = False

    def __len__(self) -> int:
        return len(self._heap)

    def after(self, delay_seconds: float, job: Job) -> None:
        """Run `job` once, `delay_seconds` from now."""
        with self._changed:
            heapq.heappush(self._heap, (time.monotonic() + delay_seconds, next(self._sequence), job))
            self._changed.notify()

    def clear(self) -> None:
        """Drop all waiting jobs."""
        with self._changed:
            self._heap.clear()

    def start(self) -> None:
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="simulator-timers", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        with self._changed:
            self._stopping = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while (job := self._next_due()) is not None:
            try:
                job()
            except Exception:
                traceback.print_exc()

    def _next_due(self) -> Job | None:
        with self._changed:
            while not self._stopping:
                wait_seconds = self._heap[0][0] - time.monotonic() if self._heap else None
                if wait_seconds is not None and wait_seconds <= 0:
                    return heapq.heappop(self._heap)[2]
                self._changed.wait(wait_seconds)
            return None
