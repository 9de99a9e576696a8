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
        if turn.acquire(timeout=timeout_seconds):
            return True
        with self._lock:
            if turn not in self._waiting:  # a place was released to it at the last moment
                return True
            self._waiting.remove(turn)
        return False

    def release(self) -> None:
        """Give a place back."""
        with self._lock:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._free += 1
