"""What has ended is started again, after a pause that grows if it keeps ending soon after its start."""

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.dev import restarts
from gateway.dev.processes import Process, Processes
from gateway.dev.restarts import TRIES, ChildEnded, Restarts
from tests.waiting import wait_until

SLEEP = "import time; print('up'); time.sleep(600)"


class Clock:
    """Seconds that pass only when told."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def lines() -> list[str]:
    return []


@pytest.fixture
def processes(lines: list[str]) -> Iterator[Processes]:
    with Processes(echo=lambda line: lines.append(line.partition("| ")[2]), colour=False) as running:
        yield running


@pytest.fixture
def clock() -> Clock:
    return Clock()


def start(processes: Processes, code: str) -> Process:
    return processes.start("worker", [sys.executable, "-c", code])


def kill(processes: Processes, lines: list[str]) -> None:
    """Kill the program once it is up, and wait until that is noticed."""
    wait_until(lambda: lines and lines[-1] == "up")
    (process,) = processes._processes
    os.kill(process.pid, signal.SIGKILL)
    wait_until(processes.ended)


def test_what_runs_is_left_alone(processes: Processes, clock: Clock) -> None:
    process = start(processes, SLEEP)
    Restarts(processes, clock).look()
    assert process.returncode is None


def test_what_has_run_for_a_while_is_started_again_at_once(
    processes: Processes, clock: Clock, lines: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(restarts, "STEADY_SECONDS", 0.0)
    first = start(processes, SLEEP)
    kill(processes, lines)

    Restarts(processes, clock).look()

    wait_until(lambda: lines.count("up") == 2)
    assert first.returncode == -signal.SIGKILL
    assert lines[1:3] == ["ended by itself with signal SIGKILL", "starting it again"]


def test_the_pause_grows_up_to_a_limit(
    processes: Processes, clock: Clock, lines: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(restarts, "LONGEST_PAUSE_SECONDS", 3.0)
    start(processes, SLEEP)
    looking = Restarts(processes, clock)
    for pause in (1, 2, 3, 3, 3, 3):
        kill(processes, lines)
        looking.look()
        assert lines[-1] == f"starting it again in {pause} s"
        clock.seconds += pause - 0.1
        looking.look()
        assert processes.ended()
        clock.seconds += 0.2
        looking.look()
        assert not processes.ended()


def test_what_cannot_start_at_all_is_given_up_with_its_reason(
    processes: Processes, clock: Clock, lines: list[str]
) -> None:
    start(processes, "raise SystemExit('no such setting')")
    looking = Restarts(processes, clock)
    with pytest.raises(ChildEnded, match=f"worker ended with exit code 1 {TRIES} times in a row"):
        for _ in range(2 * TRIES):
            wait_until(processes.ended)
            looking.look()
            clock.seconds += 100
    assert lines.count("no such setting") == TRIES


def test_a_program_that_is_gone_is_an_error(
    processes: Processes, clock: Clock, lines: list[str], tmp_path: Path
) -> None:
    program = tmp_path / "program"
    program.write_text(f"#!{sys.executable}\n{SLEEP}\n")
    program.chmod(0o755)
    processes.start("worker", [str(program)])
    looking = Restarts(processes, clock)
    kill(processes, lines)
    program.unlink()
    looking.look()
    clock.seconds += 100
    with pytest.raises(FileNotFoundError):
        looking.look()
