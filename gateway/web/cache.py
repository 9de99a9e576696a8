"""What was looked up in the database, remembered for a moment, so that not every request asks again."""

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from models.db import database

Value = TypeVar("Value")

#: Names remembered at most; past that all are forgotten at once.
LIMIT = 1000


class Cache(Generic[Value]):
    """Values by name. What `find` does not find is asked for again each time."""

    def __init__(self, find: Callable[[str], Value | None], seconds: float) -> None:
        self._find = find
        self._seconds = seconds
        #: The value, and when it was read.
        self._known: dict[str, tuple[Value, float]] = {}
        self._refreshing = threading.Lock()

    def get(self, name: str, max_age_seconds: float | None = None) -> Value | None:
        """The value as it was up to `max_age_seconds` ago, or None; a connection is taken only to read it."""
        allowed = self._seconds if max_age_seconds is None else max_age_seconds
        if name not in self._known:
            return self._read(name)
        if (value := self._fresh(name, allowed)) is not None:
            return value
        with self._refreshing:  # of those who come at once, one asks
            return self._fresh(name, allowed) or self._read(name)

    def _fresh(self, name: str, max_age_seconds: float) -> Value | None:
        known = self._known.get(name)
        return known[0] if known and time.monotonic() - known[1] <= max_age_seconds else None

    def _read(self, name: str) -> Value | None:
        asked_at = time.monotonic()
        with database.session():
            found = self._find(name)
        if found is None:
            self._known.pop(name, None)
            return None
        if name not in self._known and len(self._known) >= LIMIT:
            self._known.clear()
        self._known[name] = (found, asked_at)
        return found
