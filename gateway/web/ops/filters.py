"""What narrows a list of orders: read from the address of a page, and written into one."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlencode
from uuid import UUID
from zoneinfo import ZoneInfo

import falcon

from gateway.inputs import is_storable
from models.bulk import About
from models.listing import Filter
from models.status import Attention, ExternalStatus
from models.tenants import View

#: The names of filters in addresses; `needs` is a kind of attention.
NAMES = ("stage", "provider", "product", "tenant", "player", "reference", "since", "until", "needs")
#: How long ago, such as `15m`, `2h`, `3d`.
AGE = re.compile(r"([0-9]{1,5})(m|h|d|w)")
#: A filter of a search: its name, and its value, which may stand in quotation marks.
WORD = re.compile(r'(?<!\s)\s*(?<![a-z])([a-z]+):(?:"([^"]+)"|([^\s"]+))(?=\s|$)')
#: What is written last in a search, also within quotation marks that are still open.
LAST = re.compile(r'(?:[a-z]+:"[^"]*"?|\S*)$')
UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
#: Characters of a value at most.
MOST = 200


@dataclass(frozen=True, slots=True)
class Chosen:
    """The filters of a page, as they were written; what cannot be read is named in `wrong` and narrows nothing."""

    values: dict[str, str]
    wrong: tuple[str, ...]
    wanted: Filter
    view: View

    @property
    def kind(self) -> str | None:
        """The kind of attention that is meant; None if the list is of all orders."""
        return self.values.get("needs")

    @property
    def about(self) -> About:
        """The same for an action on all that match."""
        return About(self.kind, self.wanted, self.view)

    def query(self, **changes: str | None) -> str:
        """The query of an address with these filters, and with other values."""
        found = {name: value for name, value in {**self.values, **changes}.items() if value}
        return f"?{urlencode(found)}" if found else ""


def read(given: Mapping[str, str], timezone: str) -> Chosen:
    """The filters among `given`."""
    values, wrong, read_values = {}, [], {}
    for name in NAMES:
        text = given.get(name, "").strip()[:MOST]
        if not text or not is_storable(text):
            continue
        try:
            read_values[name] = READERS[name](text, timezone) if name in READERS else text
            values[name] = text
        except ValueError:
            wrong.append(name)
    wanted = Filter(
        external_status=read_values.get("stage"),  # type: ignore[arg-type]  # as READERS has it
        provider_id=values.get("provider"),
        user_identifier=values.get("player"),
        product_id=values.get("product"),
        reference=values.get("reference"),
        created_after=read_values.get("since"),  # type: ignore[arg-type]
        created_before=read_values.get("until"),  # type: ignore[arg-type]
    )
    return Chosen(values, tuple(wrong), wanted, View(values.get("tenant")))


def given(req: falcon.Request) -> dict[str, str]:
    """What a page's address says, each name once."""
    return {name: value for name, value in req.params.items() if isinstance(value, str)}


def without_each(chosen: Mapping[str, str]) -> dict[str, str]:
    """The query of an address without one of these filters, by its name."""
    return {name: urlencode({k: v for k, v in chosen.items() if k != name}) for name in chosen}


def of_request(req: falcon.Request, timezone: str) -> Chosen:
    """Those of a page's address."""
    return read(given(req), timezone)


def standing_still(chosen: Chosen, timezone: str, now: datetime) -> Chosen:
    """The same with ages as times, and no order that is placed from now on: what is counted does not grow by itself."""
    read_until = chosen.wanted.created_before
    times = {"since": chosen.wanted.created_after, "until": read_until}
    if read_until is None and chosen.kind is None:
        times["until"] = now
    found = dict(chosen.values)
    for name, at in times.items():
        if at is not None:
            moment = now - at if isinstance(at, timedelta) else at
            found[name] = moment.astimezone(ZoneInfo(timezone)).isoformat(timespec="milliseconds")
    return read(found, timezone)


def in_search(text: str) -> dict[str, str] | None:
    """The filters that a search is written with, such as `provider:kuzey since:2h`; None if it is no such thing."""
    found, end = dict[str, str](), 0
    while each := WORD.match(text, end):
        found[each[1]], end = each[2] or each[3], each.end()
    return found if found and found.keys() <= set(NAMES) and not text[end:].strip() else None


def last_word(text: str) -> tuple[str, str]:
    """A search in two parts: what is written last, and what stands before it."""
    found = LAST.search(text)
    place = found.start() if found else len(text)
    return text[:place], text[place:]


def as_written(name: str, value: str) -> str:
    """A filter as a search has it."""
    return f'{name}:"{value}"' if " " in value else f"{name}:{value}"


def _time(text: str, timezone: str) -> datetime | timedelta:
    if age := AGE.fullmatch(text):
        return timedelta(**{UNITS[age[2]]: int(age[1])})
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=ZoneInfo(timezone))


def _kind(text: str, timezone: str) -> str:
    return Attention(text).value


#: Of the filters that are not just texts; each raises ValueError.
READERS = {
    "stage": lambda text, timezone: ExternalStatus(text),
    "tenant": lambda text, timezone: str(UUID(text)),
    "since": _time,
    "until": _time,
    "needs": _kind,
}
