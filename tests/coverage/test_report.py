"""What is counted as a line, and what is said of those that have not run."""

import textwrap
from pathlib import Path

import pytest

from tests.coverage.executable import executable
from tests.coverage.report import Accepted, Package, examine, outdated, read_accepted, render

SAMPLE = '''
    """A module.

    With a long docstring.
    """
    import typing
    from typing import TYPE_CHECKING, Protocol

    if TYPE_CHECKING:
        from models import one
        from models import two
    if typing.TYPE_CHECKING:
        from models import three


    class Spoken(Protocol):
        """Docstring only."""

        def speak(self) -> str:
            """Says it."""
            ...


    def first(number: int) -> int:
        """Has a docstring."""
        if number:
            return 1

        # A comment.
        return 2


    class Outer:
        def second(self) -> list[int]:
            found = [
                x for x in range(3)
            ]
            return 2
'''


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    """`models/sample.py` below a root."""
    path = tmp_path / "models" / "sample.py"
    path.parent.mkdir()
    path.write_text(textwrap.dedent(SAMPLE).lstrip())
    return path


def test_only_lines_with_instructions_are_counted_each_with_its_function(sample: Path) -> None:
    texts = sample.read_text().splitlines()
    assert [(texts[number - 1].strip(), within) for number, within in executable(sample).items()] == [
        ("import typing", ""),
        ("from typing import TYPE_CHECKING, Protocol", ""),
        ("if TYPE_CHECKING:", ""),
        ("if typing.TYPE_CHECKING:", ""),
        ("class Spoken(Protocol):", ""),
        ("def speak(self) -> str:", "Spoken"),
        ("def first(number: int) -> int:", ""),
        ("if number:", "first"),
        ("return 1", "first"),
        ("return 2", "first"),
        ("class Outer:", ""),
        ("def second(self) -> list[int]:", "Outer"),
        ("found = [", "Outer.second"),
        ("x for x in range(3)", "Outer.second"),
        ("return 2", "Outer.second"),
    ]


def test_missing_lines_are_shown_as_ranges_with_their_text(sample: Path) -> None:
    package = _examine(sample, without=["if number:", "return 1", "return 2"])
    assert list(render([package])) == [
        "models/sample.py",
        "      25-29  if number:",
        "             return 1",
        "             return 2",
        "         37  return 2",
        "",
        "models                73.33 %   4 of 15 lines have not run",
    ]


def test_of_a_long_range_the_first_line_is_shown(sample: Path) -> None:
    package = examine(sample.parents[1], "models", {}, [])
    assert list(render([package]))[:3] == [
        "models/sample.py (never imported)",
        "       5-37  import typing",
        "             … 14 more",
    ]


def test_an_accepted_line_is_known_by_its_text_and_function_and_is_not_counted(sample: Path) -> None:
    accepted = [Accepted("models/sample.py", "first", ("return 2",), "never needed")]
    package = _examine(sample, ["return 2"], accepted)
    assert (package.missing, package.counted) == (1, 14)
    assert list(render([package]))[-2:] == [
        "accepted: models/sample.py:29  return 2  (never needed)",
        "models                92.86 %   1 of 14 lines have not run, and 1 accepted",
    ]

    sample.write_text("\n\n" + sample.read_text())
    assert _examine(sample, ["return 2"], accepted).missing == 1


def test_an_accepted_line_that_runs_is_counted_as_one_that_runs(sample: Path) -> None:
    accepted = [Accepted("models/sample.py", "first", ("return 2",), "never needed")]
    package = _examine(sample, [], accepted)
    assert (package.missing, package.counted) == (0, 15)


@pytest.mark.parametrize(
    ("file", "within", "line"),
    [
        ("models/sample.py", "first", "return 3"),
        ("models/sample.py", "", "return 1"),
        ("models/sample.py", "first", "# A comment."),
        ("models/gone.py", "first", "return 1"),
    ],
)
def test_an_accepted_line_that_is_not_in_the_code_is_reported(
    sample: Path, file: str, within: str, line: str
) -> None:
    good = Accepted("models/sample.py", "first", ("return 1",), "never needed")
    found = list(outdated(sample.parents[1], [good, Accepted(file, within, (line,), "")]))
    assert found == [f"accepted.toml: {file} has no line {line!r} in {within!r} that can run."]


def test_the_entries_of_the_file_are_read(tmp_path: Path) -> None:
    path = tmp_path / "accepted.toml"
    path.write_text(
        '[[accepted]]\nfile = "models/a.py"\nwithin = "A.b"\nlines = ["c", "d"]\nreason = "why"\n'
    )
    assert read_accepted(path) == [Accepted("models/a.py", "A.b", ("c", "d"), "why")]


@pytest.mark.parametrize(("not_run", "is_enough"), [(1, True), (2, False)])
def test_one_line_in_a_hundred_may_be_missing(tmp_path: Path, not_run: int, is_enough: bool) -> None:
    path = tmp_path / "models" / "long.py"
    path.parent.mkdir()
    path.write_text("x = 1\n" * 100)
    ran = set(range(1, 101 - not_run))
    assert examine(tmp_path, "models", {"models/long.py": ran}, []).is_enough is is_enough


def test_a_package_that_is_not_there_is_not_enough(tmp_path: Path) -> None:
    assert not examine(tmp_path, "gateway/gone", {}, []).is_enough


def _examine(sample: Path, without: list[str], accepted: list[Accepted] | None = None) -> Package:
    """The report if every line had run but those of these texts."""
    lines = enumerate(sample.read_text().splitlines(), start=1)
    ran = {number for number, text in lines if text.strip() not in without}
    return examine(sample.parents[1], "models", {"models/sample.py": ran}, accepted or [])
