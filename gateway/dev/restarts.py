"""Starts again what has ended, as a platform does."""

import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass

from gateway.dev.processes import Process, Processes

#: Seconds a program has to live to count as running; one that ends sooner is started again after a pause.
STEADY_SECONDS = 10.0
#: Seconds of the first pause, which doubles each time, and of the longest.
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 1.0, 30.0
#: A program that ends this often in a row without ever having run, each time by itself, cannot run at all.
TRIES = 5


class ChildEnded(RuntimeError):
    """A process that should stay has ended, and starting it again does not help."""

    def __init__(self, process: Process, when: str) -> None:
        super().__init__(f"{process.name} ended with {process.end} {when}; its lines above say why")
        self.process = process


@dataclass(slots=True)
class _History:
    #: Ends in a row within STEADY_SECONDS of the start.
    early_ends: int = 0
    has_run: bool = False
    #: When it is started again, on the clock; None while it runs.
    due: float | None = None


class Restarts:
    """Looks after the programs of `processes`; `clock` counts seconds."""

    def __init__(self, processes: Processes, clock: Callable[[], float] = time.monotonic) -> None:
        self._processes = processes
        self._clock = clock
        self._histories: defaultdict[str, _History] = defaultdict(_History)

    def look(self) -> None:
        """Start again what has ended and is due. Raises ChildEnded, OSError."""
        for process in self._processes.ended():
            history = self._histories[process.name]
            if history.due is None:
                history.due = self._clock() + self._pause(process, history)
            if self._clock() >= history.due:
                history.due = None
                self._processes.restart(process)

    def _pause(self, process: Process, history: _History) -> float:
        """Seconds until it is started again. Raises ChildEnded."""
        if process.lived_seconds >= STEADY_SECONDS:
            history.early_ends, history.has_run = 0, True
            process.program.say("starting it again")
            return 0
        killed = (process.returncode or 0) < 0
        history.early_ends += 1
        history.has_run |= killed
        if history.early_ends >= TRIES and not history.has_run:
            raise ChildEnded(process, f"{TRIES} times in a row, soon after its start")
        pause: float = min(FIRST_PAUSE_SECONDS * 2 ** (history.early_ends - 1), LONGEST_PAUSE_SECONDS)
        process.program.say(f"starting it again in {pause:.15g} s")
        return pause
