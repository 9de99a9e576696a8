"""The record of sweeps: one row each, for the ops page and `doctor`; and the lock that lets only one run."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from models.db import database

#: Any number will do, as long as every version of the gateway takes the same one.
LOCK_ID = 7_261_002


@contextmanager
def only_one() -> Iterator[bool]:
    """Whether this is the one sweep; needs an open session, whose connection holds the lock.

    The lock goes with the connection, so a sweep that was killed holds up nobody.
    """
    mine = bool(database.rows("SELECT pg_try_advisory_lock(%s) AS mine", (LOCK_ID,))[0]["mine"])
    try:
        yield mine
    finally:
        if mine:
            database.rows("SELECT pg_advisory_unlock(%s)", (LOCK_ID,))


def begin(started_by: str) -> int:
    """A row for the sweep that begins now; its id."""
    return int(
        database.rows("INSERT INTO sweeps (started_by) VALUES (%s) RETURNING id", (started_by,))[0]["id"]
    )


def end(sweep_id: int, counts: dict[str, int], error: str | None = None) -> None:
    """How it went."""
    database.rows(END, (database.as_json(counts), error, sweep_id))


def last() -> dict[str, Any] | None:
    """The last sweep: `{started_at, finished_at, started_by, counts, error, age_seconds}`, or None."""
    return database.row(LAST)


def overdue(older_than_seconds: float) -> bool:
    """Whether the last sweep began so long ago that the scheduler must be dead."""
    found = last()
    return found is None or float(found["age_seconds"]) > older_than_seconds


def beat(process: str) -> None:
    """Note that `process` was alive just now."""
    database.rows(BEAT, (process,))


def silence_seconds(process: str) -> float | None:
    """Seconds since `process` was last known to be alive; None where it never was."""
    found = database.row(SILENCE, (process,))
    return float(found["seconds"]) if found else None


END = "UPDATE sweeps SET finished_at = now(), counts = %s, error = %s WHERE id = %s"
LAST = """
SELECT started_at, finished_at, started_by, counts, error,
       EXTRACT(EPOCH FROM now() - started_at)::float8 AS age_seconds
FROM sweeps ORDER BY started_at DESC LIMIT 1
"""
BEAT = """
INSERT INTO heartbeats (process, beat_at) VALUES (%s, now())
ON CONFLICT (process) DO UPDATE SET beat_at = excluded.beat_at
"""
SILENCE = "SELECT EXTRACT(EPOCH FROM now() - beat_at)::float8 AS seconds FROM heartbeats WHERE process = %s"
