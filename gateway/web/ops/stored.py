"""Sentences of ours that are stored in English, read back as the template and the values that made them.

Timelines, refusals of bulk actions, incidents and the like are kept as people read them on the command line. Their
templates are those that are translated; a text that none of them has made is somebody else's, or of another version.
"""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from string import Formatter

from gateway.web.ops import sentences_ar
from models import texts

#: What stands at a place, by its name; at any other place, any text that is not empty.
PLACES: Mapping[str, str] = {
    **dict.fromkeys(("provider", "next"), "[A-Za-z0-9][A-Za-z0-9_-]*"),
    **dict.fromkeys(("status", "before"), "[a-z_]+(?: with attention [a-z_]+)?"),
    **dict.fromkeys(("kind", "role", "least", "filter"), "[a-z_]+"),
    "result": "(?:applied|duplicate|stale|conflict|unmatched|invalid)",
    "results": "[a-z]+(?:, [a-z]+)*",
    "type": r"order\.[a-z_]+",
    "order": "[0-9a-f-]{36}",
    "address": "https?://[^ ]+",
    **dict.fromkeys(
        ("orders", "codes", "lines", "gaps", "notifications", "receivers", "tries", "days", "count", "line"),
        "[0-9,]+",
    ),
    **dict.fromkeys(("number", "size", "minutes", "hours", "part", "whole"), "[0-9.,]+"),
    "seconds": "[0-9.,]+(?:e[+-][0-9]+)?",  # earlier versions wrote a million and more so
    **dict.fromkeys(("amount", "cost", "former"), r"-?[0-9.,]+(?: [A-Z]{2,5})?"),
    "currency": "[A-Za-z0-9]+",
}
#: What stands behind a person's reason where the same was done about several orders.
ONE_OF = re.compile(r"(?P<text>.*) \(one of (?P<count>[0-9]+) orders\)", re.DOTALL)
#: What the keys begin with that are no sentences.
SINGLE = ("word ", "step ", "column ")
#: Characters by whose beginning templates are told apart.
BEGINNING = 3
#: Characters of the longest text that is read: a sentence of ours on a timeline is shorter.
LONGEST = texts.TIMELINE


def read(text: str) -> tuple[str, Mapping[str, str]] | None:
    """The template of a stored sentence, and its values as text; None if it is no sentence of ours."""
    if len(text) > LONGEST:
        return None
    begun, others = _patterns()
    for template, pattern in (*begun.get(text[:BEGINNING], ()), *others):
        if found := pattern.fullmatch(text):
            return template, found.groupdict()
    return None


def whole_number(value: object) -> int | None:
    """The number that stands at a place, as it is or as text."""
    text = str(value).replace(",", "")
    return int(text) if text.isdecimal() else None


def without_number(reason: str) -> tuple[str, int | None]:
    """A person's reason, and of how many orders it was given at once; None if it was one."""
    found = ONE_OF.fullmatch(reason)
    return (found["text"], int(found["count"])) if found else (reason, None)


@cache
def _patterns() -> tuple[dict[str, list[tuple[str, re.Pattern[str]]]], list[tuple[str, re.Pattern[str]]]]:
    """The templates by their beginnings, and those that begin with a place; of either, the longest first."""
    begun: dict[str, list[tuple[str, re.Pattern[str]]]] = {}
    others: list[tuple[str, re.Pattern[str]]] = []
    for template in sorted(templates(), key=_literal_length, reverse=True):
        beginning = template[:BEGINNING]
        place = others if "{" in beginning else begun.setdefault(beginning, [])
        place.append((template, pattern_of(template)))
    return begun, others


def templates() -> Iterator[str]:
    """Those of sentences. A single word, such as `refused`, is as likely to be a provider's."""
    yield from (each for each in sentences_ar.TEXTS if " " in each and not each.startswith(SINGLE))


def pattern_of(template: str) -> re.Pattern[str]:
    """What a template makes, with its values as groups."""
    pieces = []
    for literal, name, _, _ in Formatter().parse(template):
        pieces.append(re.escape(literal))
        if name:
            pieces.append(f"(?P<{name}>{PLACES.get(name, '.+')})")
    return re.compile("".join(pieces), re.DOTALL)


def _literal_length(template: str) -> int:
    return sum(len(literal) for literal, _, _, _ in Formatter().parse(template))
