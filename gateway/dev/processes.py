"""Several programs side by side: their output on one screen, and one end for all."""

import itertools
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from gateway.dev.child import spawn

#: Seconds that programs have after SIGTERM, all together, before they are killed.
STOP_TIMEOUT_SECONDS = 25.0
#: Seconds to read what a killed program's group left in its pipe.
DRAIN_TIMEOUT_SECONDS = 2.0
#: Characters that the names in front of the lines are padded to.
NAME_WIDTH = 10
#: ANSI colours the names take in turn: cyan, yellow, green, magenta, blue.
COLOURS = (36, 33, 32, 35, 34)

Echo = Callable[[str], None]


class Process:
    """One running program together with all that it starts."""

    def __init__(
        self, name: str, popen: "subprocess.Popen[str]", on_line: Echo, on_exit: Callable[[int], None]
    ):
        self.name = name
        self._popen = popen
        self._on_line, self._on_exit = on_line, on_exit
        self._reader = threading.Thread(target=self._read, name=f"{name} output", daemon=True)
        self._watcher = threading.Thread(target=self._watch, name=f"{name} exit", daemon=True)
        self._reader.start()
        self._watcher.start()

    @property
    def pid(self) -> int:
        """Its process id, which is also its process group's."""
        return self._popen.pid

    @property
    def returncode(self) -> int | None:
        """None while it runs; negative where a signal ended it."""
        return self._popen.returncode

    def signal(self, signum: int) -> None:
        """Send `signum` to its whole process group; nothing happens if it has ended."""
        if self.returncode is None:
            self._signal_group(signum)

    def join(self, timeout_seconds: float) -> bool:
        """Wait until it has ended and its output is printed; False if it has not within the time."""
        self._watcher.join(max(timeout_seconds, 0))
        return not self._watcher.is_alive()

    def _signal_group(self, signum: int) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signum)

    def _read(self) -> None:
        assert self._popen.stdout is not None
        for line in self._popen.stdout:
            self._on_line(line.rstrip("\r\n"))

    def _watch(self) -> None:
        code = self._popen.wait()
        self._signal_group(signal.SIGKILL)  # whatever it started and left behind
        self._reader.join(DRAIN_TIMEOUT_SECONDS)
        self._on_exit(code)


class Processes:
    """Programs that run until `stop()`; one that ends by itself is reported and not started again."""

    def __init__(self, *, echo: Echo | None = None, colour: bool | None = None):
        self._echo = echo or _print
        self._colour = _wants_colour() if colour is None else colour
        self._colours = itertools.cycle(COLOURS)
        self._processes: list[Process] = []
        self._stopping = False

    def start(
        self, name: str, argv: Sequence[str], env: Mapping[str, str] | None = None, *, cwd: Path | None = None
    ) -> Process:
        """Start `argv` with `env` (this process's own if None), each line of its output under `name`.

        Raises OSError where the program cannot be started.
        """
        environment = {"PYTHONUNBUFFERED": "1", **(os.environ if env is None else env)}
        popen = spawn(
            argv,
            env=environment,
            cwd=cwd,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
        )
        say = self._voice(name)
        process = Process(name, popen, say, lambda code: self._ended(say, code))
        self._processes.append(process)
        return process

    def ended(self) -> list[Process]:
        """Those that are no longer running."""
        return [process for process in self._processes if process.returncode is not None]

    def stop(self, timeout_seconds: float = STOP_TIMEOUT_SECONDS) -> None:
        """SIGTERM to every process group at once, SIGKILL to those still there after the time."""
        self._stopping = True
        with _undisturbed():
            for process in self._processes:
                process.signal(signal.SIGTERM)
            deadline = time.monotonic() + timeout_seconds
            late = [process for process in self._processes if not process.join(deadline - time.monotonic())]
            for process in late:
                self._voice(process.name)(f"did not stop within {timeout_seconds:g} s; killing it")
                process.signal(signal.SIGKILL)
            for process in late:
                process.join(DRAIN_TIMEOUT_SECONDS + 1)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _ended(self, say: Echo, code: int) -> None:
        if not self._stopping:
            say(f"ended by itself with {_describe(code)}")

    def _voice(self, name: str) -> Echo:
        prefix = f"{name:<{NAME_WIDTH}} |"
        if self._colour:
            prefix = f"\x1b[{next(self._colours)}m{prefix}\x1b[0m"
        return lambda line: self._echo(f"{prefix} {line}")


def _describe(code: int) -> str:
    return f"exit code {code}" if code >= 0 else f"signal {signal.Signals(-code).name}"


def _wants_colour() -> bool:
    return sys.stdout.isatty() and "NO_COLOR" not in os.environ


def _print(line: str) -> None:
    with suppress(BrokenPipeError):  # whoever read our output has gone
        sys.stdout.write(line + "\n")
        sys.stdout.flush()


@contextmanager
def _undisturbed() -> Iterator[None]:
    """A second Ctrl-C or SIGTERM must not cut the clean-up short."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {signum: signal.signal(signum, signal.SIG_IGN) for signum in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)
