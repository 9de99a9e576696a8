"""An orderly end on a signal, and with the program that started this one."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.dev.stopping import SIGNALS, Stopped, stoppable
from tests.waiting import wait_until

#: Prints its process id, then waits for the end of its parent, whose id is its argument.
FOLLOWER = """
import os, signal, sys, time
from gateway.dev import parent
parent.PAUSE_SECONDS = 0.01
parent.follow(int(sys.argv[1]))
print(os.getpid(), flush=True)
signal.pause()
"""


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """The handlers of before, whatever a test does."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", SIGNALS)
def test_the_first_signal_ends_the_block_and_the_next_are_ignored(number: signal.Signals) -> None:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    cleaned = False
    with pytest.raises(Stopped), stoppable():
        try:
            signal.raise_signal(number)
        finally:
            signal.raise_signal(number)
            cleaned = True
    assert cleaned


def test_under_nohup_a_closed_terminal_does_not_end_it() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with stoppable():
        signal.raise_signal(signal.SIGHUP)


def is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


@pytest.mark.parametrize(
    "number",
    [
        signal.SIGKILL,
        pytest.param(
            signal.SIGHUP,
            marks=pytest.mark.skipif(
                sys.platform != "linux", reason="only Linux shows what a process catches"
            ),
        ),
    ],
)
def test_it_ends_with_make(tmp_path: Path, number: signal.Signals) -> None:
    (tmp_path / "follower.py").write_text(FOLLOWER)
    (tmp_path / "Makefile").write_text(f"run:\n\t@exec {sys.executable} follower.py $$PPID\n")
    with subprocess.Popen(
        ["make", "--no-print-directory", "run"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as make:
        assert make.stdout
        follower = int(make.stdout.readline())
        assert not is_gone(follower)
        make.send_signal(number)
        wait_until(lambda: is_gone(follower))
        assert make.wait(60) == -number
