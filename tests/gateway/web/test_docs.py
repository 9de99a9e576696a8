"""`/docs`: the document for people, from this host alone."""

import base64
import hashlib
import itertools
import re
from html.parser import HTMLParser

import pytest

from gateway.web import problems
from gateway.web.operations import OPERATIONS
from tests.gateway.web import calls
from tests.gateway.web.conftest import Client

#: Elements without an end.
VOID = {"meta", "br", "link", "img"}
#: What makes a browser load something.
LOADS = {"src", "srcset", "data", "poster", "action", "background"}


class Reading(HTMLParser):
    """Ids, targets of links and headings of a page. Raises AssertionError for what does not belong in one."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.headings: list[int] = []
        self.style = ""
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        assert tag not in ("script", "link", "img", "iframe", "object", "form")
        assert not LOADS & given.keys() and not any(
            name.startswith("on") or name == "style" for name in given
        )
        self.ids += [str(given["id"])] if "id" in given else []
        self.links += [str(given["href"])] if "href" in given else []
        if re.fullmatch(r"h\d", tag):
            self.headings.append(int(tag[1]))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.style += data if self._open and self._open[-1] == "style" else ""


def read(client: Client, path: str) -> Reading:
    answer = client.simulate_get(path)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    found = Reading(answer.text)
    policy = dict(part.strip().split(" ", 1) for part in answer.headers["content-security-policy"].split(";"))
    digest = base64.b64encode(hashlib.sha256(found.style.encode()).digest()).decode()
    assert policy.pop("style-src") == f"'sha256-{digest}'"
    assert set(policy.values()) == {"'none'"} and "default-src" in policy
    assert "url(" not in found.style and "@import" not in found.style
    return found


def test_the_page_has_every_call_and_leads_nowhere_else(anonymous: Client) -> None:
    found = read(anonymous, "/docs")
    assert {one.id for one in OPERATIONS} <= set(found.ids)
    assert len(found.ids) == len(set(found.ids))
    for link in found.links:
        if link.startswith("#"):
            assert link[1:] in found.ids, link
        else:
            assert anonymous.simulate_get(f"/{link}").status_code == 200


def test_headings_skip_no_level(anonymous: Client) -> None:
    """So that a screen reader's list of them makes sense."""
    for path in ("/docs", "/docs/problems/no-route"):
        levels = read(anonymous, path).headings
        assert levels[0] == 1 and levels.count(1) == 1
        assert all(after <= before + 1 for before, after in itertools.pairwise(levels))


@pytest.mark.parametrize("slug", problems.CATALOGUE)
def test_each_type_of_problem_has_a_page(anonymous: Client, slug: str) -> None:
    kind = problems.CATALOGUE[slug]
    read(anonymous, kind.type)
    text = anonymous.simulate_get(kind.type).text
    assert f"<h1>{kind.title}</h1>" in text and str(kind.status) in text


def test_an_unknown_type_is_a_404(anonymous: Client) -> None:
    calls.problem(anonymous.simulate_get("/docs/problems/no-such"), 404)
