"""Finds the English that is left in an Arabic page."""

import re
from html.parser import HTMLParser

from falcon.testing import Result

#: Latin words that an Arabic page has: names, formats, what is typed, units.
NAMES = {
    *(
        "API",
        "CSV",
        "HTTP",
        "JSON",
        "PDF",
        "PIN",
        "SHA",
        "UUID",
        "XLSX",
        "HTML",
        "REDIS",
        "URL",
        "UTC",
        "TRY",
        "USD",
    ),
    *("Redis", "Referans", "English", "EN", "Damascus", "ops", "referans", "maxmemory", "webhook", "id", "x"),
    *("worker", "scheduler"),
}
#: Words by which English is known, whatever stands around them.
ENGLISH = re.compile(
    r"\b(the|is|are|was|were|be|been|not|no|of|to|with|from|by|and|or|it|its|has|have|had|for|this|that|an|at|on|in"
    r"|cannot|nothing|order|orders|provider|check|checked|code|codes|needs|failed|completed|sent|again|callback)\b"
)
WORD = re.compile(r"[A-Za-z]+")
#: Between isolates stand commands and words of protocols.
ISOLATED = re.compile("\u2066[^\u2069]*\u2069")
#: Names though they look like English: types of notifications, and the words and fields of callbacks and codes.
TYPES = re.compile(
    r"\border\.[a-z_]+|pending, sent, processing, completed, failed, reversed|code, pin, serial, expires_at"
)
#: Elements whose text is typed, or came over the wire.
CODE = {"pre", "code", "script", "style", "kbd", "textarea"}
#: Elements that have no end.
VOID = {"input", "br", "meta", "link", "progress", "use", "line", "rect", "polyline", "polygon", "hr", "img"}
SPOKEN = ("title", "aria-label", "placeholder", "alt")


class Words(HTMLParser):
    """The English that is left in a page."""

    def __init__(self, quotes: bool) -> None:
        super().__init__()
        self.left: list[str] = []
        self._quotes = quotes
        self._open: list[tuple[str, bool]] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = dict(attributes)
        for name in SPOKEN:
            if (
                given.get(name)
                and tag not in ("bdi", "time")
                and not re.fullmatch(r"2h, .*", given[name] or "")
            ):
                self._look(given[name] or "", is_ours=True)
        is_code = (
            tag in CODE or given.get("aria-hidden") == "true" or "code" in (given.get("class") or "").split()
        )
        is_other = tag in ("bdi", "option") or (tag == "a" and given.get("lang") == "en")
        kind = "code" if is_code else "other" if is_other else ""
        if tag not in VOID:
            self._open.append((tag, kind))  # type: ignore[arg-type]

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop()[0] != tag:
            pass

    def handle_data(self, data: str) -> None:
        kinds = {kind for _, kind in self._open}
        if "code" not in kinds and not any(tag == "title" for tag, _ in self._open):
            self._look(data, is_ours="other" not in kinds)

    def _look(self, text: str, *, is_ours: bool) -> None:
        text = TYPES.sub(" ", ISOLATED.sub(" ", text))
        words = set(WORD.findall(text)) - NAMES
        if (is_ours and words) or (not self._quotes and ENGLISH.search(text)):
            self.left.append(" ".join(text.split()))


def left_in(answer: Result, *, quotes: bool = False) -> list[str]:
    """What is left. A page that `quotes` what stands in the database, word for word, may do so in English."""
    assert 'dir="rtl"' in answer.text, answer.text
    words = Words(quotes)
    words.feed(answer.text)
    return words.left
