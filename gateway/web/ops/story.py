"""The timeline of an order as people read it: newest first, repetitions folded."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from gateway.web.ops import shapes
from models.status import Source
from models.timeline import Event

#: Events in a row that say the same and are all shown; of more, the last one is, and the others are folded.
REPEATS = 2
#: What differs between events that say the same: numbers, such as that of a check.
NUMBERS = re.compile(r"[0-9]+")
#: By source, what it is called.
SOURCES: dict[str, str] = {
    Source.API: "Storefront",
    Source.DISPATCH: "Sending",
    Source.CALLBACK: "Callback",
    Source.POLL: "Check",
    Source.SWEEP: "Sweep",
    Source.OPERATOR: "Person",
    Source.NOTIFY: "Notification",
}


@dataclass(frozen=True, slots=True)
class Chapter:
    """An event, and those before it that say the same."""

    event: Event
    same: Sequence[Event]

    @property
    def is_move(self) -> bool:
        """The order is at another stage since."""
        return self.event.went_to is not None and self.event.came_from != self.event.went_to

    @property
    def symbol(self) -> str | None:
        """What it looks like; None for what changed nothing."""
        if "conflict" in (self.event.message or "")[:8]:
            return "person"
        return shapes.stage(self.event.went_to or "").symbol if self.is_move else None

    @property
    def title(self) -> str:
        """In a word or two, in English."""
        if self.is_move:
            return shapes.stage(self.event.went_to or "").word
        return SOURCES.get(self.event.source, self.event.source)

    @property
    def source(self) -> str:
        """Where it came from, in English."""
        return SOURCES.get(self.event.source, self.event.source)


#: Of the timeline's own words, those that say which provider was chosen: at placing, if a strategy decided it, and
#: wherever the order went on to the next one.
CHOSEN = (
    re.compile(r"^placed with .*; (?P<provider>[a-z0-9][a-z0-9_-]*): (?P<why>(?:cheapest|share)\b.*)$"),
    re.compile(
        r"^(?P<before>.+); (?:routed|sending) to (?P<provider>[a-z0-9][a-z0-9_-]*)(?: \((?P<why>[^()]*)\))?$"
    ),
)
#: What a strategy has decided by, as `models.choosing` writes it; and the same in English for people.
WHYS = (
    (
        re.compile(r"cheapest at (?P<amount>\S+) (?P<currency>\S+) of (?P<count>\d+)"),
        "The cheapest of {count}",
    ),
    (
        re.compile(r"cheapest, but no cost is known of (?P<count>\d+)"),
        "No cost is known of the {count} of them",
    ),
    (re.compile(r"share (?P<part>\d+) of (?P<whole>\d+)"), "Its share is {part} of {whole}"),
)


@dataclass(frozen=True, slots=True)
class Choice:
    """A provider that was chosen for the order."""

    event: Event
    provider_id: str
    #: By what, in English, with what is to be put into it; None if it was the next one in order.
    why: str | None
    values: dict[str, str]
    #: What kept it from the one before, as the timeline has it.
    before: str | None


def choices(events: Sequence[Event]) -> list[Choice]:
    """Which providers were chosen, and why, oldest first; without a choice from several, none."""
    found = []
    for event in events:
        matches = (each.match(event.message or "") for each in CHOSEN)
        if (
            event.message
            and not event.message.startswith("claimed;")
            and (match := next(filter(None, matches), None))
        ):
            given = match.groupdict()
            why, values = _why(given["why"] or "")
            found.append(Choice(event, given["provider"], why, values, given.get("before")))
    return found


def _why(text: str) -> tuple[str | None, dict[str, str]]:
    for pattern, english in WHYS:
        if match := pattern.fullmatch(text):
            return english, match.groupdict()
    return None, {}


def told(events: Sequence[Event]) -> list[Chapter]:
    """The timeline, newest first."""
    chapters: list[Chapter] = []
    for _, group in groupby(reversed(events), _alike):
        run = list(group)
        if len(run) > REPEATS:
            chapters.append(Chapter(run[0], run[1:]))
        else:
            chapters += [Chapter(each, ()) for each in run]
    return chapters


def _alike(event: Event) -> tuple[str | None, ...]:
    message = NUMBERS.sub("", event.message or "")
    return (event.source, event.came_from, event.went_to, event.by, message)
