"""The second of two signals to end is ignored: platforms signal every process, and Dramatiq's parent passes it on.

Imported before anything else of `actors`: a signal that comes while a worker still imports its modules counts as the
first one, too.
"""

import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any


def listen_once() -> None:
    """Let the handlers of SIGTERM and SIGHUP that Dramatiq has set run once."""
    if threading.current_thread() is not threading.main_thread():
        return  # only the main thread may; a worker imports its modules there
    for number in (signal.SIGTERM, signal.SIGHUP):
        if callable(handler := signal.getsignal(number)):
            signal.signal(number, _once(handler))


def _once(handler: Callable[[int, FrameType | None], Any]) -> Callable[[int, FrameType | None], None]:
    def handle(number: int, frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_IGN)
        handler(number, frame)

    return handle
