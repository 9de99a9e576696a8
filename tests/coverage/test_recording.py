"""A line that has run is recorded, however the process runs it and however it ends."""

import signal
import subprocess
import sysconfig
import textwrap
import venv
from collections.abc import Callable, Iterator
from pathlib import Path

import gevent
import pytest

from tests.acceptance.system import with_sitecustomize
from tests.coverage.executable import executable
from tests.coverage.recording import Recording, recording

DYING = Path(__file__).parents[1] / "acceptance" / "dying"
#: Where gevent and greenlet are installed.
INSTALLED = str(Path(gevent.__file__).parents[1])


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty virtual environment."""
    directory = tmp_path_factory.mktemp("venv")
    venv.create(directory, symlinks=True)
    return directory


@pytest.fixture
def site_packages(environment: Path) -> Path:
    return Path(sysconfig.get_path("purelib", "venv", {"base": str(environment)}))


@pytest.fixture
def recorded(tmp_path: Path, site_packages: Path) -> Iterator[Recording]:
    with recording(tmp_path, tmp_path / "lines", site_packages) as recorded:
        yield recorded


#: Runs a module of this text, `models/sample.py` if no other is named, and returns the exit status.
Run = Callable[..., int]


@pytest.fixture
def run(tmp_path: Path, environment: Path, recorded: Recording) -> Run:
    def run_(source: str, file: str = "models/sample.py", **env: str) -> int:
        path = tmp_path / file
        path.parent.mkdir(exist_ok=True)
        path.write_text(textwrap.dedent(source).lstrip())
        module = file.removesuffix(".py").replace("/", ".")
        command = [environment / "bin" / "python", "-c", f"import {module}"]
        # In a session of its own, because DYING kills the process group.
        finished = subprocess.run(
            command,
            cwd=tmp_path,
            env=recorded.env | env,
            check=False,
            start_new_session=True,
            timeout=30,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert finished.stderr == ""
        return finished.returncode

    return run_


def ran(recorded: Recording) -> set[str]:
    """The text of each line of the sample that has run."""
    lines = (recorded.root / "models/sample.py").read_text().splitlines()
    return {lines[number - 1].strip() for number in recorded.has_run().get("models/sample.py", ())}


def test_a_killed_process_has_recorded_all_up_to_its_end(run: Run, recorded: Recording) -> None:
    code = run("""
        import os, signal
        def die():
            os.kill(os.getpid(), signal.SIGKILL)
            print("not reached")
        die()
    """)
    assert code == -signal.SIGKILL
    assert ran(recorded) == {
        "import os, signal",
        "def die():",
        "os.kill(os.getpid(), signal.SIGKILL)",
        "die()",
    }


def test_parent_and_forked_child_are_recorded_though_the_child_is_killed(
    run: Run, recorded: Recording
) -> None:
    code = run("""
        import os, signal
        def fork():
            if child := os.fork():
                _, status = os.waitpid(child, 0)
                assert os.WTERMSIG(status) == signal.SIGKILL
            else:
                child_only = os.getpid()
                os.kill(child_only, signal.SIGKILL)
        fork()
    """)
    assert code == 0
    assert {"_, status = os.waitpid(child, 0)", "child_only = os.getpid()"} <= ran(recorded)


def test_a_process_that_a_process_starts_is_recorded(run: Run, recorded: Recording) -> None:
    code = run("""
        import os, subprocess, sys
        if "CHILD" in os.environ:
            child = True
        else:
            command = [sys.executable, "-c", "import models.sample"]
            subprocess.run(command, env=os.environ | {"CHILD": "1"}, check=True)
    """)
    assert code == 0
    assert "child = True" in ran(recorded)


def test_threads_are_recorded(run: Run, recorded: Recording) -> None:
    code = run("""
        import threading
        def work():
            worked = True
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    """)
    assert code == 0
    assert "worked = True" in ran(recorded)


def test_greenlets_are_recorded_also_after_they_have_waited(run: Run, recorded: Recording) -> None:
    code = run(
        """
        from gevent import monkey
        monkey.patch_all()
        import gevent, threading
        def work():
            began = True
            gevent.sleep(0)
            switched = True
        gevent.joinall([gevent.spawn(work), gevent.spawn(work)], raise_error=True)
        def thread():
            gevent.sleep(0)
            patched = True
        one = threading.Thread(target=thread)
        one.start()
        one.join()
        """,
        PYTHONPATH=INSTALLED,
    )
    assert code == 0
    assert {"began = True", "switched = True", "patched = True"} <= ran(recorded)


def test_a_sitecustomize_of_the_tests_is_loaded_as_well(
    run: Run, recorded: Recording, tmp_path: Path
) -> None:
    mortal = with_sitecustomize(DYING, DIE_AT="models.sample:step:after", DIE_ONCE=str(tmp_path / "died"))
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "caller.py").write_text(
        "from models import sample\nsample.step()\nprint('not reached')\n"
    )
    (tmp_path / "models" / "sample.py").write_text("def step():\n    stepped = True\n")
    assert run("from models import caller\n", "entry.py", **mortal) == -signal.SIGKILL
    assert recorded.has_run() == {"models/caller.py": {1, 2}, "models/sample.py": {1, 2}}


def test_a_line_is_recorded_once_by_a_process(run: Run, recorded: Recording) -> None:
    code = run("""
        for number in range(100):
            repeated = True
    """)
    assert code == 0
    assert recorded.lines.read_text().splitlines().count("models/sample.py:2") == 1


def test_the_code_of_others_is_not_recorded(run: Run, recorded: Recording) -> None:
    assert run("import json\n", "other/sample.py") == 0
    assert recorded.has_run() == {}


def test_nothing_is_recorded_without_the_variables(
    run: Run, recorded: Recording, environment: Path, tmp_path: Path
) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "sample.py").write_text("ran = True\n")
    command = [environment / "bin" / "python", "-c", "import models.sample"]
    assert subprocess.run(command, cwd=tmp_path, env={}, check=False, timeout=30).returncode == 0
    assert not recorded.lines.exists()


def test_nothing_is_left_behind(tmp_path: Path, site_packages: Path) -> None:
    before = set(site_packages.iterdir())
    with recording(tmp_path, tmp_path / "lines", site_packages):
        assert set(site_packages.iterdir()) != before
    assert set(site_packages.iterdir()) == before


def test_two_recordings_at_once_are_apart(
    run: Run, recorded: Recording, tmp_path: Path, site_packages: Path
) -> None:
    with recording(tmp_path, tmp_path / "other lines", site_packages) as other:
        assert run("within = True\n") == 0
    assert run("after = True\nended = True\n") == 0
    assert recorded.has_run() == {"models/sample.py": {1, 2}}
    assert other.has_run() == {}


def test_a_line_that_was_cut_off_is_not_counted(tmp_path: Path) -> None:
    lines = tmp_path / "lines"
    lines.write_text("models/sample.py:1\nmodels/sample.py:2")
    assert Recording(tmp_path, lines).has_run() == {"models/sample.py": {1}}


def test_every_line_that_can_run_is_recorded_when_it_runs(run: Run, recorded: Recording) -> None:
    code = run('''
        """What the compiler makes of each kind of statement."""
        import asyncio
        import contextlib
        import functools
        from dataclasses import dataclass, field
        from enum import Enum
        from typing import TYPE_CHECKING, Protocol

        if TYPE_CHECKING:
            from collections.abc import (
                Iterator,
            )

        class Spoken(Protocol):
            """Docstring."""

            name: str

            def speak(
                self,
                loud: bool,
            ) -> str:
                """Says it."""
                ...

            def whisper(self) -> str: ...

        class Colour(Enum):
            RED = 1
            BLUE = 2

        @dataclass(frozen=True)
        class Row:
            """A row."""

            number: int
            names: list[str] = field(
                default_factory=list,
            )

            @property
            def first(self) -> str:
                """The first."""
                return self.names[0]

        @functools.lru_cache(
            maxsize=1,
        )
        def cached(
            one: int,
            two: int = 2,
        ) -> int:
            return (
                one
                + two
            )

        @contextlib.contextmanager
        def entered():
            try:
                yield (
                    1
                )
            finally:
                left = True

        def control(n):
            global counted
            with entered() as a, (
                entered()
            ) as b:
                counted = f"""{a}
                    {b}
                """
            while True:
                try:
                    if n == 1:
                        pass
                    elif n == 2:
                        n = 3
                        continue
                    else:
                        raise ValueError(
                            "text that is"
                            f" long {n}"
                        )
                except (
                    KeyError,
                    ValueError,
                ) as error:
                    n = 1
                else:
                    break
                finally:
                    done = n
            for i in range(2):
                if i:
                    continue
            else:
                ended = True
            match n:
                case 5:
                    wrong = n
                case 1 if a:
                    right = n
                case _:
                    wrong = n
            values = [
                x
                for x in range(3)
                if x
            ]
            made = {
                k: lambda: (
                    k
                )
                for k in values
            }
            made[1]()
            assert n == 1, (
                "text"
            )
            del made
            return (
                None
                if n
                else 1
            )

        control(1)
        control(2)
        control(5)

        async def waits():
            async with contextlib.AsyncExitStack() as stack:
                await asyncio.sleep(
                    0,
                )
            async for one in numbers():
                last = one
            return [one async for one in numbers()]

        async def numbers():
            yield 1
            yield 2

        asyncio.run(waits())
        Row(
            1,
            ["a"],
        ).first
        cached(
            1,
            two=3,
        )
    ''')
    assert code == 0
    path = recorded.root / "models/sample.py"
    not_run = set(executable(path)) - recorded.has_run()["models/sample.py"]
    lines = path.read_text().splitlines()
    assert [lines[number - 1].strip() for number in sorted(not_run)] == [
        "wrong = n",
        "case _:",
        "wrong = n",
        '"text"',
        "else 1",
    ]
