"""Waiting for things that happen in other threads and processes."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

#: Seconds between two looks.
PAUSE_SECONDS = 0.01
#: The connections to a database that wait for a lock.
LOCK_WAITS = (
    "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
)


def wait_until(
    condition: Callable[[], T],
    timeout_seconds: float = 30.0,
    *,
    what: str | Callable[[], str] = "",
    pause_seconds: float = PAUSE_SECONDS,
) -> T:
    """Return the first true value of `condition`.

    Fails the test after `timeout_seconds`, which lets a busy machine finish too, naming `what` was awaited and the
    value last seen; an AssertionError out of `condition` counts as not yet, and its message is shown.
    """
    deadline = time.monotonic() + timeout_seconds
    while True:
        seen = _look(condition)
        if seen and not isinstance(seen, AssertionError):
            return seen
        if time.monotonic() > deadline:
            raise AssertionError(
                f"{_name(condition, what)}: not within {timeout_seconds:g} s, last seen: {seen!r}"
            )
        time.sleep(pause_seconds)


def _look(condition: Callable[[], T]) -> T | AssertionError:
    try:
        return condition()
    except AssertionError as error:
        return error


def _name(condition: Callable[[], object], what: str | Callable[[], str]) -> str:
    if what:
        return what if isinstance(what, str) else what()
    code = getattr(condition, "__code__", None)
    return f"{code.co_filename}:{code.co_firstlineno}" if code else repr(condition)
