"""Ends programs whose starter has died. A program of its own; `child.spawn` starts it, with a pipe as its input.

Each line of the pipe is `+PID SIGNAL` (a process group to end later, and the signal for its leader) or `-PID` (that
one has ended). The kernel closes the pipe however the starter dies, `kill -9` included, on every system.
"""

import os
import signal
import sys
import time
from collections.abc import Iterable
from contextlib import suppress

#: Default time from the signal to SIGKILL for what is left, in seconds; given as the program's argument.
GRACE_SECONDS = 25.0
#: Seconds between two looks at what is left.
PAUSE_SECONDS = 0.1


def main() -> None:
    """Read until the pipe closes, then end what is left."""
    os.setsid()  # out of reach of the terminal's Ctrl-C and of signals to the starter's group
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    _end(_left(sys.stdin), grace_seconds=float(sys.argv[1]))


def _left(lines: Iterable[str]) -> dict[int, int]:
    """The signal of each process group that was added and not removed."""
    watched: dict[int, int] = {}
    for line in lines:
        pid, _, signum = line[1:].partition(" ")
        if line.startswith("+"):
            watched[int(pid)] = int(signum)
        else:
            watched.pop(int(pid), None)
    return watched


def _end(watched: dict[int, int], grace_seconds: float) -> None:
    for pid, signum in watched.items():
        with suppress(OSError):
            os.kill(pid, signum)
    deadline = time.monotonic() + grace_seconds
    while any(map(_is_running, watched)) and time.monotonic() < deadline:
        time.sleep(PAUSE_SECONDS)
    for pid in watched:
        with suppress(OSError):
            os.killpg(pid, signal.SIGKILL)


def _is_running(pid: int) -> bool:
    with suppress(OSError):
        os.kill(pid, 0)
        return True
    return False


if __name__ == "__main__":
    main()
