"""Ending together with the process that started this one, such as `make`."""

import os
import signal
import threading
import time
from pathlib import Path

#: Seconds between two looks at the parent.
PAUSE_SECONDS = 0.3
#: Signals that end a program; in a mask of signals each has the bit of its number less one.
ENDING = sum(1 << (number - 1) for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM))


def follow(pid: int) -> None:
    """From now on, send this process SIGTERM once its parent `pid` ends or wants to.

    GNU make that gets SIGHUP stops catching it and waits for its children, which it does not tell. Linux shows which
    signals a process catches; on other systems only the parent's death is noticed.
    """
    threading.Thread(target=_watch, args=(pid, _caught(pid)), name="parent", daemon=True).start()


def _watch(pid: int, caught: int) -> None:
    while os.getppid() == pid and _caught(pid) & caught == caught:
        time.sleep(PAUSE_SECONDS)
    os.kill(os.getpid(), signal.SIGTERM)


def _caught(pid: int) -> int:
    """The mask of the ending signals that this process catches; 0 where the system does not say."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    return int(status.partition("SigCgt:")[2].split()[0], 16) & ENDING
