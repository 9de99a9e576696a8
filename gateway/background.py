"""Work that is gathered in memory, and done by a thread that exists only while there is some."""

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

Gathered = TypeVar("Gathered")


class Rounds(Generic[Gathered]):
    """Takes what was gathered and works it off, round after round, until nothing is left.

    `take` returns what is waiting and leaves nothing behind; a falsy value ends the thread. It is called
    `delay_seconds` after the round before, and must not wait. `work` may put back what it could not do; what it raises
    ends the thread, and `begin` begins another.
    """

    def __init__(
        self,
        name: str,
        take: Callable[[], Gathered],
        work: Callable[[Gathered], object],
        *,
        delay_seconds: float = 0.0,
    ) -> None:
        self._name = name
        self._take = take
        self._work = work
        self._delay_seconds = delay_seconds
        self._lock = threading.Condition()
        self._is_running = False

    def begin(self) -> None:
        """Something was gathered. Never waits and never raises."""
        with self._lock:
            if self._is_running:
                return
            self._is_running = True
        threading.Thread(target=self._run, name=self._name, daemon=True).start()

    def drain(self, timeout_seconds: float) -> bool:
        """Wait until nothing is left; False if something is after `timeout_seconds`."""
        with self._lock:
            return self._lock.wait_for(lambda: not self._is_running, timeout_seconds)

    def _run(self) -> None:
        while True:
            time.sleep(self._delay_seconds)
            with self._lock:
                taken = self._take()
                self._is_running = bool(taken)
                self._lock.notify_all()
            if not taken:
                return
            try:
                self._work(taken)
            except BaseException:
                with self._lock:  # so that the next one begins again
                    self._is_running = False
                    self._lock.notify_all()
                raise
