"""Computing beside the event loop, so that no other request of the process waits for it."""

import threading
from collections.abc import Callable
from typing import TypeVar

import gevent

Value = TypeVar("Value")

#: One at a time: each takes a core, and a password 19 MiB.
_turn = threading.BoundedSemaphore(1)


def run(compute: Callable[[], Value]) -> Value:
    """What `compute` returns, from a thread of its own. It must not use a database connection."""
    with _turn:
        found: Value = gevent.get_hub().threadpool.apply(compute)
        return found
