"""Values of the database, cached for a few seconds so that not every request reads them again."""

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from gateway import log
from models.db import database

logger = log.get(__name__)

Value = TypeVar("Value")

#: Names in a cache at most; a full cache is emptied.
LIMIT = 1000


class Cache(Generic[Value]):
    """Values by name. That a name does not exist is not cached: ask a Snapshot of all names first."""

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
            return self._read(name)
        if (value := self._fresh(name, allowed)) is not None:
            return value
        with self._refreshing:  # of several requests, one reads the database
            return self._fresh(name, allowed) or self._read(name)

    def last(self, name: str) -> Value | None:
        """The value as it was last read, however long ago; None if it was not read."""
        known = self._known.get(name)
        return known[0] if known else None

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


class Snapshot(Generic[Value]):
    """One value, such as all rows of a small table: what it does not contain does not exist.

    Once half of `seconds` has passed it is read again in the background, so that under load no request waits for it.
    """

    def __init__(self, read: Callable[[], Value], seconds: float) -> None:
        self._read = read
        self._seconds = seconds
        self._known: tuple[Value, float] | None = None
        self._reading = threading.Lock()
        self._background = threading.Lock()
        #: Why it could not be read, and when that was known: of several requests that wait, one asks the database.
        self._failed: tuple[Exception, float] | None = None

    def get(self, max_age_seconds: float | None = None) -> Value:
        """The value, at most `max_age_seconds` old. Raises what the database raises."""
        allowed = self._seconds if max_age_seconds is None else max_age_seconds
        known = self._known
        if known and (age := time.monotonic() - known[1]) <= allowed:
            if age > self._seconds / 2 and self._background.acquire(blocking=False):
                threading.Thread(target=self._refresh, name="snapshot", daemon=True).start()
            return known[0]
        asked_at = time.monotonic()
        with self._reading:
            if self._known and self._known[1] >= asked_at - max(0.0, allowed):
                return self._known[0]
            if self._failed and self._failed[1] >= asked_at:
                raise self._failed[0]
            return self._read_now()

    def last(self) -> Value | None:
        """The value as it was last read, however long ago."""
        return self._known[0] if self._known else None

    def drain(self, timeout_seconds: float) -> bool:
        """Wait until nothing is read in the background; False if that takes longer."""
        if not self._background.acquire(timeout=timeout_seconds):
            return False
        self._background.release()
        return True

    def _refresh(self) -> None:
        try:
            with self._reading:
                self._read_now()
        except Exception as error:  # the next request that needs it reads it, and says so
            logger.debug("A snapshot could not be read.", action="snapshot_failed", error=str(error).strip())
        finally:
            self._background.release()

    def _read_now(self) -> Value:
        began_at = time.monotonic()
        try:
            with database.session():
                found = self._read()
        except Exception as error:
            self._failed = error, time.monotonic()
            raise
        self._known = found, began_at
        return found
