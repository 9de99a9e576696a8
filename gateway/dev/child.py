"""Starting child processes that do not outlive this one."""

import ctypes
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache
from typing import Any

from gateway.dev import watchdog

#: prctl(2): the signal that a process gets when the thread that started it ends, kill -9 included.
PR_SET_PDEATHSIG = 1

#: So that two threads do not start two watchdogs.
_one_at_a_time = threading.Lock()


class Child(subprocess.Popen[str]):
    """A program that the watchdog ends if this process dies first."""

    def __init__(self, argv: Sequence[str], farewell: signal.Signals, **options: Any) -> None:
        super().__init__(argv, process_group=0, preexec_fn=_follow_parent(farewell), text=True, **options)
        _tell_watchdog(f"+{self.pid} {int(farewell)}")

    def poll(self) -> int | None:
        """Its exit code, None while it runs."""
        return self._seen(super().poll())

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code. Raises TimeoutExpired."""
        code = super().wait(timeout)
        self._seen(code)
        return code

    def _seen(self, code: int | None) -> int | None:
        """Its id is free for other processes from now on: the watchdog must not end those."""
        if code is not None:
            _tell_watchdog(f"-{self.pid}")
        return code


def spawn(argv: Sequence[str], *, farewell: signal.Signals = signal.SIGTERM, **options: Any) -> Child:
    """Start `argv` in a process group of its own, so that the terminal's Ctrl-C reaches only this process.

    The child gets `farewell` when this process ends, however it ends, and its group SIGKILL if that does not help. On
    Linux the kernel sends `farewell` too, and as soon as the calling thread ends: use one that stays.
    """
    options.setdefault("stdin", subprocess.DEVNULL)
    return Child(argv, farewell, **options)


def _tell_watchdog(line: str) -> None:
    # A broken pipe: it was killed; on Linux the kernel still ends the children.
    with _one_at_a_time, suppress(BrokenPipeError):
        os.write(_watchdog(), f"{line}\n".encode())


@cache
def _watchdog() -> int:
    """Start it, once; our end of its pipe, which closes when this process ends."""
    theirs, ours = os.pipe()
    command = [sys.executable, "-I", "-S", watchdog.__file__, str(watchdog.GRACE_SECONDS)]
    silent = [(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_WRONLY, 0) for number in (1, 2)]
    os.posix_spawn(command[0], command, os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, theirs, 0), *silent])
    os.close(theirs)
    return ours


def _follow_parent(farewell: signal.Signals) -> Callable[[], None] | None:
    if sys.platform != "linux":
        return None
    prctl, parent = ctypes.CDLL(None).prctl, os.getpid()

    def follow() -> None:
        prctl(PR_SET_PDEATHSIG, int(farewell))
        if os.getppid() != parent:  # it died before we could ask
            os._exit(1)

    return follow
