"""What the documents say of the tree."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
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
