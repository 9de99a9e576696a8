"""docs/guarantees.md names every guard, with a test that exists; each guard's text stands once in its file."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from tests.acceptance.guards import GUARDS, Guard

ROOT = Path(__file__).parents[1]
#: A row of the table of guards: the guard, a file below tests/, the name of a test in words.
ROW = re.compile(r"^\| (?P<guard>.+?) \| `(?P<file>\S+\.py)` (?P<test>.+) \|$", re.MULTILINE)
_, _, SECTION = (ROOT / "docs/guarantees.md").read_text().partition("## The guards")
ROWS = list(ROW.finditer(SECTION))


@cache
def named_in(file: str) -> set[str]:
    """The names of the tests of a file, in words."""
    tree = ast.parse((ROOT / "tests" / file).read_text())
    names = [node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    return {name.removeprefix("test_").replace("_", " ") for name in names if name.startswith("test_")}


def test_the_document_names_every_guard() -> None:
    assert sorted(row["guard"] for row in ROWS) == sorted(guard.name for guard in GUARDS)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["guard"])
def test_the_test_of_a_guard_exists(row: re.Match[str]) -> None:
    assert row["test"] in named_in(row["file"])


@pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: guard.name)
def test_a_guard_can_be_taken_out(guard: Guard) -> None:
    assert (ROOT / guard.file).read_text().count(guard.text) == 1
    assert all((ROOT / test.partition("::")[0]).exists() for test in guard.tests.split())
