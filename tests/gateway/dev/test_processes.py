"""Programs side by side: their output, their unexpected ends, and the one end for all."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import psutil
import pytest

from gateway.dev.processes import Processes
from tests.waiting import wait_until

SLEEP = "import time; print('up'); time.sleep(600)"
DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up'); time.sleep(600)"
#: A program that starts another one in its process group, prints that one's id and waits.
PARENT = f"""
import subprocess, sys, time
print(subprocess.Popen([sys.executable, "-c", {SLEEP!r}], stdout=subprocess.DEVNULL).pid)
time.sleep(600)
"""
#: A supervisor in a process of its own, as `gateway dev` is; prints the ids of its child and grandchild.
SUPERVISOR = f"""
import time
from gateway.dev.processes import Processes
from gateway.dev.stopping import stoppable
with stoppable(), Processes(echo=lambda line: print(line.split()[-1], flush=True)) as processes:
    print(processes.start("parent", [{sys.executable!r}, "-c", {PARENT!r}]).pid, flush=True)
    time.sleep(600)
"""
#: Makes a program behave as on a system whose kernel does not tell children of their parent's death.
WITHOUT_PRCTL = "import sys; sys.platform = 'other'"


@pytest.fixture
def lines() -> list[str]:
    return []


@pytest.fixture
def processes(lines: list[str]) -> Iterator[Processes]:
    with Processes(echo=lines.append, colour=False) as running:
        yield running


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def first_pid(lines: list[str]) -> int:
    wait_until(lambda: lines)
    return int(lines[0].split()[-1])


def is_running(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_each_line_stands_under_its_programs_name(processes: Processes, lines: list[str]) -> None:
    program = processes.start("web", python("import sys; print('one'); print('two', file=sys.stderr)"))
    assert program.join(60)
    assert set(lines[:2]) == {"web        | one", "web        | two"}


def test_names_are_coloured_on_a_terminal(lines: list[str]) -> None:
    with Processes(echo=lines.append, colour=True) as processes:
        processes.start("web", python("print('one')")).join(60)
    assert lines[0] == "\x1b[36mweb        |\x1b[0m one"


def test_a_program_gets_the_environment_it_is_given(processes: Processes, lines: list[str]) -> None:
    code = "import os; print(os.environ['PORT'], 'HOME' in os.environ)"
    processes.start("web", python(code), {"PORT": "8123"}).join(60)
    assert lines[0].endswith("8123 False")


def test_output_that_is_not_text_does_not_stop_the_reader(processes: Processes, lines: list[str]) -> None:
    code = "import sys; sys.stdout.buffer.write(b'\\xff\\xfe\\nafter\\n')"
    processes.start("web", python(code)).join(60)
    assert lines[1].endswith("| after")


@pytest.mark.parametrize(
    ("code", "told"),
    [("raise SystemExit(3)", "exit code 3"), ("import os; os.kill(os.getpid(), 9)", "signal SIGKILL")],
)
def test_an_unexpected_end_is_reported(processes: Processes, lines: list[str], code: str, told: str) -> None:
    program = processes.start("worker", python(code))
    assert program.join(60)
    assert lines == [f"worker     | ended by itself with {told}"]
    assert processes.ended() == [program]


def test_a_program_that_dies_takes_what_it_started_with_it(processes: Processes, lines: list[str]) -> None:
    program = processes.start("worker", python(PARENT))
    grandchild = first_pid(lines)
    os.kill(program.pid, signal.SIGKILL)
    wait_until(lambda: not is_running(grandchild))


def test_stop_ends_whole_groups_and_reports_nothing(processes: Processes, lines: list[str]) -> None:
    program = processes.start("worker", python(PARENT))
    grandchild = first_pid(lines)
    processes.stop()
    assert program.returncode == -signal.SIGTERM
    wait_until(lambda: not is_running(grandchild))
    assert len(lines) == 1


def test_stop_kills_what_does_not_listen(processes: Processes, lines: list[str]) -> None:
    deaf = processes.start("deaf", python(DEAF))
    wait_until(lambda: lines)
    processes.stop(timeout_seconds=0.1)
    assert deaf.returncode == -signal.SIGKILL
    assert lines[1] == "deaf       | did not stop within 0.1 s; killing it"


def test_stop_may_run_twice(processes: Processes) -> None:
    processes.start("web", python(SLEEP))
    processes.stop()
    processes.stop()


def test_a_second_signal_does_not_cut_the_stop_short(processes: Processes, lines: list[str]) -> None:
    last_words = (
        "signal.signal(signal.SIGTERM, lambda *_: (os.kill(os.getppid(), 2), time.sleep(.2), sys.exit(7)))"
    )
    code = f"import os, signal, sys, time; {last_words}; print('up'); time.sleep(600)"
    program = processes.start("web", python(code))
    wait_until(lambda: lines)
    processes.stop()
    assert program.returncode == 7


def test_a_program_that_does_not_exist_is_an_error(processes: Processes) -> None:
    with pytest.raises(FileNotFoundError):
        processes.start("web", ["/nowhere/at/all"])


Supervise = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def supervise() -> Iterator[Supervise]:
    with ExitStack() as held:

        def start(setup: str = "", code: str = SUPERVISOR) -> subprocess.Popen[str]:
            running = subprocess.Popen(
                python(f"{setup}\n{code}"), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
            )
            held.enter_context(running)
            held.callback(running.kill)
            return running

        yield start


@pytest.fixture
def supervisor(supervise: Supervise) -> subprocess.Popen[str]:
    return supervise()


def next_pid(supervisor: subprocess.Popen[str]) -> int:
    assert supervisor.stdout
    return int(supervisor.stdout.readline())


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_no_orphan_is_left_when_the_supervisor_is_told_to_end(
    supervisor: subprocess.Popen[str], signum: signal.Signals
) -> None:
    child, grandchild = next_pid(supervisor), next_pid(supervisor)
    supervisor.send_signal(signum)
    supervisor.wait(60)
    wait_until(lambda: not is_running(child))
    wait_until(lambda: not is_running(grandchild))


@pytest.mark.parametrize("setup", ["", WITHOUT_PRCTL], ids=["", "without prctl"])
def test_no_orphan_is_left_when_the_supervisor_is_killed(supervise: Supervise, setup: str) -> None:
    supervisor = supervise(setup)
    child, grandchild = next_pid(supervisor), next_pid(supervisor)
    supervisor.kill()
    wait_until(lambda: not is_running(child))
    wait_until(lambda: not is_running(grandchild))


@pytest.mark.parametrize("setup", ["", WITHOUT_PRCTL], ids=["", "without prctl"])
def test_what_does_not_listen_is_killed_after_its_supervisor(supervise: Supervise, setup: str) -> None:
    impatient = "from gateway.dev import watchdog; watchdog.GRACE_SECONDS = 0.1"
    deaf = DEAF.replace("print('up')", "print(0, flush=True)")
    supervisor = supervise(f"{setup}\n{impatient}", SUPERVISOR.replace(repr(PARENT), repr(deaf)))
    child, _ = next_pid(supervisor), next_pid(supervisor)
    supervisor.kill()
    wait_until(lambda: not is_running(child))
