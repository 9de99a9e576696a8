"""Values of the database, cached for a few seconds so that not every request reads them again."""

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from models.db import database
from models.db.database import Use

Value = TypeVar("Value")

#: Names in a cache at most; a full cache is emptied.
LIMIT = 1000


class Cache(Generic[Value]):
    """Values by name. That a name does not exist is not cached.

    Anybody can ask for names that do not exist, so only a name that is known is read with a connection for work.
    """

    def __init__(self, find: Callable[[str], Value | None], seconds: float) -> None:
        self._find = find
        self._seconds = seconds
        #: The value, and when it was read.
        self._known: dict[str, tuple[Value, float]] = {}
        self._refreshing = threading.Lock()

    def get(self, name: str, max_age_seconds: float | None = None) -> Value | None:
        """The value, at most `max_age_seconds` old, or None. Takes a connection only to read the database."""
        allowed = self._seconds if max_age_seconds is None else max_age_seconds
        if name not in self._known:
            return self._read(name, Use.REQUEST)
        if (value := self._fresh(name, allowed)) is not None:
            return value
        with self._refreshing:  # of several requests, one reads the database
            return self._fresh(name, allowed) or self._read(name, Use.WORK)

    def last(self, name: str) -> Value | None:
        """The value as it was last read, however long ago; None if it was not read."""
        known = self._known.get(name)
        return known[0] if known else None

    def _fresh(self, name: str, max_age_seconds: float) -> Value | None:
        known = self._known.get(name)
        return known[0] if known and time.monotonic() - known[1] <= max_age_seconds else None

    def _read(self, name: str, use: Use) -> Value | None:
        asked_at = time.monotonic()
        with database.session(use):
            found = self._find(name)
        if found is None:
            self._known.pop(name, None)
            return None
        if name not in self._known and len(self._known) >= LIMIT:
            self._known.clear()
        self._known[name] = (found, asked_at)
        return found
