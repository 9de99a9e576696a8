"""Ending in good order on Ctrl-C or SIGTERM, wherever the program is at that moment."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stopped(BaseException):
    """Somebody pressed Ctrl-C, sent SIGTERM or closed the terminal."""


@contextmanager
def stoppable() -> Iterator[None]:
    """The first signal ends the block with Stopped; those after it are ignored, so that the end is undisturbed."""

    def stop(number: int, _: FrameType | None) -> NoReturn:
        ignore_signals()
        raise Stopped

    before = {number: signal.signal(number, stop) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def ignore_signals() -> None:
    """From now on nothing disturbs the end."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
