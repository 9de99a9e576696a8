"""What the documents say of the tree."""

import re
from pathlib import Path

import pytest

from tests.test_guarantees import named_in

ROOT = Path(__file__).parents[1]
DOCUMENTS = [ROOT / "README.md", ROOT / "SECURITY.md", *sorted((ROOT / "docs").rglob("*.md"))]
THREATS = (ROOT / "docs/threat-model.md").read_text()
#: A threat, its guard and its tests; headings and rules of tables are none.
THREAT = re.compile(
    r"^\| (?!threat \|)(?P<threat>[^|]+) \| (?P<guard>[^|]+) \| (?P<tests>`[^|]+) \|$", re.MULTILINE
)
#: A file below tests/, and the name of a test in it in words.
TEST = re.compile(r"`(?P<file>[\w/]+\.py)` (?P<words>[a-z0-9 ]+)")
#: A path of this project between backticks, or the target of a link.
PATH = re.compile(r"`((?:gateway|actors|models|migrations|tests|docs)/[\w./-]*)`|\]\(((?:\.\./)*[\w./-]+)\)")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_file_that_a_document_names_exists(document: Path) -> None:
    """From the project's directory; the table of `make guards` names tests from theirs."""
    places = [
        (ROOT / in_code, ROOT / "tests" / in_code) if in_code else (document.parent / link,)
        for in_code, link in PATH.findall(document.read_text())
    ]
    missing = [str(place[0]) for place in places if not any(path.exists() for path in place)]
    assert not missing


@pytest.mark.parametrize("named", list(TEST.finditer(THREATS)), ids=lambda found: found["words"])
def test_the_test_of_a_threat_exists(named: re.Match[str]) -> None:
    assert named["words"].strip() in named_in(named["file"])


def test_each_boundary_has_threats_with_tests_and_says_what_is_not_covered() -> None:
    _, _, boundaries = THREATS.partition("## Boundaries")
    sections = re.split(r"^### ", boundaries.partition("\n## ")[0], flags=re.MULTILINE)[1:]
    assert len(sections) == 10
    for section in sections:
        assert all(TEST.search(found["tests"]) for found in THREAT.finditer(section))
        assert THREAT.search(section) and "Not covered:" in section, section.partition("\n")[0]


def test_every_item_of_owasps_top_ten_is_answered() -> None:
    """API Security Top 10, 2023."""
    assert re.findall(r"^\| API(\d+) ", THREATS, re.MULTILINE) == [str(number) for number in range(1, 11)]
