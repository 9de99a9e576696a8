"""An orderly end on Ctrl-C, SIGTERM or a closed terminal, wherever the program is at that moment."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stopped(BaseException):
    """Ctrl-C, SIGTERM or SIGHUP."""


@contextmanager
def stoppable() -> Iterator[None]:
    """The first signal ends the block with Stopped; later ones are ignored, so that they do not cut the end short.

    SIGHUP stays ignored if it was before, as under `nohup`.
    """

    def stop(number: int, _: FrameType | None) -> NoReturn:
        ignore_signals()
        raise Stopped

    unwanted = {signal.SIGHUP} if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN else set()
    before = {number: signal.signal(number, stop) for number in SIGNALS if number not in unwanted}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def ignore_signals() -> None:
    """Ignore further signals, so that the end takes its course."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
