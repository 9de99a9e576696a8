"""Several connections that do the same at the same instant."""

import threading
from collections.abc import Callable
from typing import Any

from models.db import database


def at_once(number: int, act: Callable[[], Any]) -> list[Any]:
    """What `number` connections get that all do the same at the same instant."""
    barrier = threading.Barrier(number)
    got: list[Any] = []

    def run() -> None:
        barrier.wait()
        with database.session():
            got.append(act())

    threads = [threading.Thread(target=run) for _ in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == number
    return got
