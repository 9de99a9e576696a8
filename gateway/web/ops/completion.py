"""What may come next in the search field: the names of filters, then their values."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import falcon

from gateway.web.ops import filters, shapes
from gateway.web.ops.desk import Page
from models import suggesting
from models.db import database
from models.db.database import Use
from models.person import Role
from models.status import Attention, ExternalStatus

#: The filters, with what they are called in English.
NAMES = {
    "stage": "Stage",
    "needs": "Needs a person",
    "provider": "Provider",
    "product": "Product",
    "tenant": "Tenant",
    "player": "Player",
    "reference": "Reference",
    "since": "Since",
    "until": "Until",
}
#: Times that are suggested.
AGES = ("1h", "24h", "7d")
#: Suggestions at most.
MOST = 9


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A filter, or one of its values."""

    #: As it is written.
    written: str
    #: What it is, in English; None if that is what is written.
    word: str | None
    #: The whole search with it.
    search: str


class Completion(Page):
    """The list below the field, a part of a page."""

    least = Role.VIEWER

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        text = (req.get_param("q") or "")[: filters.MOST]
        with database.session(Use.LIST):
            found = list(suggested(text))
        self.desk.show(req, resp, "completion.html", suggestions=found[:MOST])


def suggested(text: str) -> Iterator[Suggestion]:
    """What the last word of a search may become. Needs an open session."""
    before, last = filters.last_word(text)
    name, colon, value = last.partition(":")
    if not colon:
        chosen = filters.in_search(before) if before.strip() else {}
        if chosen is None:
            return
        for each, english in NAMES.items():
            if each.startswith(name.lower()) and each not in chosen:
                yield Suggestion(f"{each}:", english, f"{before}{each}:")
        return
    for written, word in _values(name, value.strip('"')):
        yield Suggestion(written, word, f"{before}{filters.as_written(name, written)} ")


def _values(name: str, beginning: str) -> Iterator[tuple[str, str | None]]:
    if name in VALUES:
        yield from ((each, None) for each in VALUES[name](beginning))
    elif name in ("since", "until"):
        yield from (
            (each, f"last {each}" if name == "since" else None) for each in AGES if each.startswith(beginning)
        )
    elif name == "stage":
        yield from ((each, shapes.stage(each).word) for each in ExternalStatus if each.startswith(beginning))
    elif name == "needs":
        yield from ((each, shapes.kind(each).word) for each in Attention if each.startswith(beginning))


#: By filter, the values that begin so.
VALUES: dict[str, Callable[[str], list[str]]] = {
    "provider": suggesting.providers,
    "product": suggesting.products,
    "tenant": suggesting.tenants,
}
