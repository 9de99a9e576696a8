"""Starting child processes that do not outlive this one."""

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import Any

#: prctl(2): the signal a process gets when the thread that started it ends, kill -9 included.
PR_SET_PDEATHSIG = 1


def spawn(
    argv: Sequence[str], *, farewell: signal.Signals = signal.SIGTERM, **options: Any
) -> "subprocess.Popen[str]":
    """Start `argv` in a process group of its own, so that the terminal's Ctrl-C reaches only this process.

    On Linux the child gets `farewell` when the calling thread ends, however it ends: use one that stays.
    """
    options.setdefault("stdin", subprocess.DEVNULL)
    follow = _follow_parent(farewell)
    return subprocess.Popen(argv, process_group=0, preexec_fn=follow, text=True, **options)  # noqa: PLW1509


def _follow_parent(farewell: signal.Signals) -> Callable[[], None] | None:
    if sys.platform != "linux":
        return None
    prctl, parent = ctypes.CDLL(None).prctl, os.getpid()

    def follow() -> None:
        prctl(PR_SET_PDEATHSIG, int(farewell))
        if os.getppid() != parent:  # it died before we could ask
            os._exit(1)

    return follow
