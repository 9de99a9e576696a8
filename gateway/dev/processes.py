"""Several programs side by side: their output on one screen, started again if they end, stopped together."""

import itertools
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from gateway.dev.child import spawn

#: Seconds from SIGTERM, for all programs together, until those still there are killed.
STOP_TIMEOUT_SECONDS = 25.0
#: Longest wait for the output that a killed program's group left in its pipe, in seconds.
DRAIN_TIMEOUT_SECONDS = 2.0
#: Width of the names in front of the lines, in characters.
NAME_WIDTH = 10
#: ANSI colours of the names, in turn: cyan, yellow, green, magenta, blue.
COLOURS = (36, 33, 32, 35, 34)

Echo = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Program:
    """What is started, and where each line of its output goes."""

    name: str
    argv: Sequence[str]
    env: Mapping[str, str]
    cwd: Path | None
    say: Echo


class Process:
    """One running program together with all that it starts. Raises OSError if it cannot be started."""

    def __init__(self, program: Program, on_exit: Callable[["Process"], None]):
        self.program = program
        self.started_at = self.ended_at = time.monotonic()
        self._popen = spawn(
            program.argv,
            env=program.env,
            cwd=program.cwd,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
        )
        self._on_exit = on_exit
        self._reader = threading.Thread(target=self._read, name=f"{self.name} output", daemon=True)
        self._watcher = threading.Thread(target=self._watch, name=f"{self.name} exit", daemon=True)
        self._reader.start()
        self._watcher.start()

    @property
    def name(self) -> str:
        """What stands in front of its lines."""
        return self.program.name

    @property
    def pid(self) -> int:
        """Its process id, which is also its process group's."""
        return self._popen.pid

    @property
    def returncode(self) -> int | None:
        """None while it runs; negative if a signal ended it."""
        return self._popen.returncode

    @property
    def lived_seconds(self) -> float:
        """From its start to its end; only of one that has ended."""
        return self.ended_at - self.started_at

    @property
    def end(self) -> str:
        """How it ended, in words."""
        code = self.returncode or 0
        return f"exit code {code}" if code >= 0 else f"signal {signal.Signals(-code).name}"

    def signal(self, signum: int) -> None:
        """Send `signum` to its process group; nothing happens if it has ended."""
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
            self.program.say(line.rstrip("\r\n"))

    def _watch(self) -> None:
        self._popen.wait()
        self.ended_at = time.monotonic()
        self._signal_group(signal.SIGKILL)  # what it started and left behind
        self._reader.join(DRAIN_TIMEOUT_SECONDS)
        self._on_exit(self)


class Processes:
    """Programs that run until `stop()`; one that ends by itself is reported, and started again by `restart()`."""

    def __init__(self, *, echo: Echo | None = None, colour: bool | None = None):
        self._echo = echo or _print
        in_colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
        self._colour = in_colour if colour is None else colour
        self._colours = itertools.cycle(COLOURS)
        self._processes: list[Process] = []
        self._stopping = False

    def start(
        self, name: str, argv: Sequence[str], env: Mapping[str, str] | None = None, *, cwd: Path | None = None
    ) -> Process:
        """Start `argv` with `env` (this process's own if None), each line of its output under `name`.

        Raises OSError if the program cannot be started.
        """
        environment = {"PYTHONUNBUFFERED": "1", **(os.environ if env is None else env)}
        prefix = f"{name:<{NAME_WIDTH}} |"
        if self._colour:
            prefix = f"\x1b[{next(self._colours)}m{prefix}\x1b[0m"
        program = Program(name, argv, environment, cwd, lambda line: self._echo(f"{prefix} {line}"))
        process = Process(program, self._ended)
        self._processes.append(process)
        return process

    def restart(self, ended: Process) -> Process:
        """Start the program of a process that has ended once more. Raises OSError."""
        process = Process(ended.program, self._ended)
        self._processes[self._processes.index(ended)] = process
        return process

    def ended(self) -> list[Process]:
        """Those that have ended and whose output is printed."""
        return [process for process in self._processes if process.join(0)]

    def stop(self, timeout_seconds: float = STOP_TIMEOUT_SECONDS) -> None:
        """SIGTERM to every process group at once, SIGKILL to those still there after the time."""
        self._stopping = True
        with _undisturbed():
            for process in self._processes:
                process.signal(signal.SIGTERM)
            deadline = time.monotonic() + timeout_seconds
            late = [process for process in self._processes if not process.join(deadline - time.monotonic())]
            for process in late:
                process.program.say(f"did not stop within {timeout_seconds:.15g} s; killing it")
                process.signal(signal.SIGKILL)
            for process in late:
                process.join(DRAIN_TIMEOUT_SECONDS + 1)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _ended(self, process: Process) -> None:
        if not self._stopping:
            process.program.say(f"ended by itself with {process.end}")


def _print(line: str) -> None:
    with suppress(BrokenPipeError):  # the reader of our output has gone
        sys.stdout.write(line + "\n")
        sys.stdout.flush()


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Ignore a second Ctrl-C or SIGTERM, which would cut the clean-up short."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {signum: signal.signal(signum, signal.SIG_IGN) for signum in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)
