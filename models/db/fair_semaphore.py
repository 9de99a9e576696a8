"""A fair semaphore: first come, first served. With `threading.Semaphore`, newcomers overtake waiting threads."""

import threading
from collections import deque


class FairSemaphore:
    """Admits up to `places` threads; a released place goes to the thread that has waited longest."""

    def __init__(self, places: int) -> None:
        self._lock = threading.Lock()
        self._free = places
        self._waiting: deque[threading.Lock] = deque()

    def acquire(self, timeout_seconds: float) -> bool:
        """Take a place. False if none was released in time."""
        with self._lock:
            if self._free:
                self._free -= 1
                return True
            turn = threading.Lock()
            turn.acquire()
            self._waiting.append(turn)
        return turn.acquire(timeout=timeout_seconds) or not self._gives_up(turn)

    def release(self) -> None:
        """Give a place back."""
        with self._lock:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._free += 1

    def _gives_up(self, turn: threading.Lock) -> bool:
        """False if a place was released to it at the last moment."""
        with self._lock:
            if turn not in self._waiting:
                return False
            self._waiting.remove(turn)
            return True
