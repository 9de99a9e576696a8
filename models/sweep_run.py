"""Sweeps: one row each, for `doctor`; the lock that lets only one run; and signs of life of processes."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from models.db import database

#: The advisory lock of a sweep: an arbitrary number, the same in every version of the gateway.
LOCK_ID = 7_261_002
#: How late the scheduler's sweep may be, in seconds, before a worker sweeps by itself.
GRACE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Sweep:
    """A sweep that has begun."""

    started_at: datetime
    #: None while it runs, or if it was killed.
    finished_at: datetime | None
    started_by: str
    #: By step, how much was done.
    counts: dict[str, int]
    error: str | None
    #: Seconds since it began.
    age_seconds: float

    @property
    def took_seconds(self) -> float | None:
        """How long it took; None while it runs, or if it was killed."""
        return (self.finished_at - self.started_at).total_seconds() if self.finished_at else None

    @property
    def done(self) -> dict[str, int]:
        """The steps that had something to do."""
        return {step: count for step, count in self.counts.items() if count}


@contextmanager
def only_one() -> Iterator[bool]:
    """Whether no other sweep runs; needs an open session, whose connection holds the lock.

    The lock ends with the connection, so that a killed sweep does not block the next one.
    """
    mine = bool(database.rows("SELECT pg_try_advisory_lock(%s) AS mine", (LOCK_ID,))[0]["mine"])
    try:
        yield mine
    finally:
        if mine:
            database.rows("SELECT pg_advisory_unlock(%s)", (LOCK_ID,))


def begin(started_by: str) -> int:
    """Record that a sweep begins now; returns its id."""
    return int(database.rows(BEGIN, (started_by,))[0]["id"])


def end(sweep_id: int, counts: dict[str, int], error: str | None = None) -> None:
    """Record that the sweep has ended, and how it went."""
    database.rows(END, (database.as_json(counts), error, sweep_id))


def last() -> Sweep | None:
    """The last sweep, or None before the first."""
    return next(iter(newest(1)), None)


def newest(limit: int) -> list[Sweep]:
    """The last ones, newest first."""
    return database.load(Sweep, LAST, (limit,))


def overdue(older_than_seconds: float) -> bool:
    """Whether the last sweep began so long ago that the scheduler must be dead."""
    found = last()
    return found is None or found.age_seconds > older_than_seconds


def beat(process: str) -> None:
    """Record that `process` is alive now."""
    database.rows(BEAT, (process,))


def silence_seconds(process: str) -> float | None:
    """Seconds since `process` was last known to be alive; None if it never was."""
    found = database.row(SILENCE, (process,))
    return float(found["seconds"]) if found else None


BEGIN = "INSERT INTO referans.sweeps (started_by) VALUES (%s) RETURNING id"
END = "UPDATE referans.sweeps SET finished_at = now(), counts = %s, error = %s WHERE id = %s"
LAST = """
SELECT started_at, finished_at, started_by, counts, error,
       EXTRACT(EPOCH FROM now() - started_at)::float8 AS age_seconds
FROM referans.sweeps ORDER BY started_at DESC LIMIT %s
"""
BEAT = """
INSERT INTO referans.heartbeats (process, beat_at) VALUES (%s, now())
ON CONFLICT (process) DO UPDATE SET beat_at = excluded.beat_at
"""
SILENCE = "SELECT EXTRACT(EPOCH FROM now() - beat_at)::float8 AS seconds FROM referans.heartbeats WHERE process = %s"
