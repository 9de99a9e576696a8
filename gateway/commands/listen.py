"""`gateway listen`: prints what the storefront is told, as it happens, and forwards it."""

import base64
import os
import signal
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Generic, Protocol, TypeVar

import typer

from gateway import settings as settings_module
from gateway.commands import printing
from gateway.commands.context import POOL_SIZE, Problem, bound, explained
from gateway.fulfilment import messages
from gateway.inputs import http_url
from gateway.outbound import LocalFault, OutboundError
from gateway.posting import Poster
from gateway.settings import Settings
from models import order, outbox, telling
from models.codes import Code
from models.db import database
from models.stuck import Limits
from models.telling import Computed, Told

#: Seconds between two looks.
LOOK_SECONDS = 0.5
#: Seconds for which a row may become visible after one with a higher number.
LATE_SECONDS = 10.0
#: Rows of one look.
AT_ONCE = 500


class Numbered(Protocol):
    """A row with a number that grows."""

    @property
    def id(self) -> int:
        """Its number."""


Row = TypeVar("Row", bound=Numbered)


class Tail(Generic[Row]):
    """The rows that are added to a table, each once. Those of long transactions come after ones with higher numbers."""

    def __init__(self, load: Callable[[int, int], list[Row]], last_id: int) -> None:
        self._load = load
        self._floor = last_id
        #: When each row above the floor was seen.
        self._seen: dict[int, float] = {}

    def new(self) -> Iterator[Row]:
        """Those that were added since."""
        now = time.monotonic()
        for each in self._load(self._floor, AT_ONCE):
            if each.id not in self._seen:
                self._seen[each.id] = now
                yield each
        old = [number for number, at in self._seen.items() if at < now - LATE_SECONDS]
        self._floor = max([self._floor, *old])
        self._seen = {number: at for number, at in self._seen.items() if number > self._floor}


def listen(
    forward_to: str | None = typer.Option(
        None,
        "--forward-to",
        metavar="URL",
        help="Post each notification there, too, signed like every other.",
    ),
    json: bool = typer.Option(False, "--json", help="Print each as one line of JSON: what is sent."),
) -> None:
    """Print notifications as they happen; Ctrl-C ends it.

    Orders that have no receiver (no `notifyUrl`, and NOTIFY_URL is not set) are told of as well: a receiver can be
    developed on one's own machine, without being reachable. What is forwarded has the body and the headers that a
    receiver gets, is sent once, and is signed with NOTIFY_SECRET, or else with a secret that is printed.

    Example: gateway listen --forward-to http://localhost:3000/hooks
    """
    settings = settings_module.load_or_exit(require=settings_module.OF_COMMANDS)
    if forward_to:
        _check(forward_to)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with bound(settings, POOL_SIZE):
        try:
            _listen(settings, forward_to, json)
        except KeyboardInterrupt:
            return


def _check(url: str) -> None:
    try:
        http_url(url)
    except ValueError as error:
        raise Problem(f"--forward-to {error}") from None


def _listen(settings: Settings, forward_to: str | None, json: bool) -> None:
    forward = _Forward(settings, forward_to) if forward_to else None
    with explained(), database.session():
        tails: list[Tail[Told] | Computed] = [
            Tail(telling.notified, outbox.last_id()),
            Tail(telling.untold, telling.last_event_id()),
            Computed(Limits.of(settings)),
        ]
    if forward and forward.is_made_up:
        printing.note(f"NOTIFY_SECRET is not set; what is forwarded is signed with {forward.secrets[0]}")
    printing.note("Listening; Ctrl-C ends it.")
    while True:
        for each in _look(tails):
            content = messages.body(each.type, each.at, each.order, _codes(settings, forward_to, each))
            printing.say(content.decode() if json else _line(each, settings))
            if forward:
                tell = printing.note if json else printing.say
                tell(f"    {forward.send(each, content)}")
        time.sleep(LOOK_SECONDS)


def _look(tails: list[Tail[Told] | Computed]) -> list[Told]:
    """What is new, oldest first; while the database is away, what was found before that, which counts as seen."""
    found: list[Told] = []
    try:
        with database.session():
            for tail in tails:
                found += tail.new()
    except database.UNAVAILABLE as error:
        printing.note(f"The database does not answer: {type(error).__name__}; trying again.")
    return sorted(found, key=lambda told: told.at)


def _line(told: Told, settings: Settings) -> str:
    where = f"to {told.receiver}" if told.receiver else "no receiver"
    at = printing.at(told.at, settings.timezone)
    return f"{at}  {told.type}  order {told.order.id} ({told.order.external_status}), {where}"


def _codes(settings: Settings, url: str | None, told: Told) -> list[Code] | None:
    if url is None or not settings.notify_with_pin or not messages.may_carry_codes(url):
        return None
    with explained(), database.session():
        now = order.find(told.order.id)
        return order.codes_of(now) if now else None


class _Forward:
    def __init__(self, settings: Settings, url: str) -> None:
        self._url = url
        self._poster = Poster()
        self.is_made_up = not settings.notify_secret
        made_up = f"whsec_{base64.b64encode(os.urandom(24)).decode()}"
        self.secrets = [secret.get_secret_value() for secret in settings.notify_secret] or [made_up]

    def send(self, told: Told, content: bytes) -> str:
        """What came of it."""
        headers = messages.headers(self.secrets, told.webhook_id, datetime.now(UTC), content)
        began = time.monotonic()
        try:
            answer = self._poster.post(self._url, content, headers, any_address=True)
        except (OutboundError, LocalFault) as error:
            return f"not forwarded: {error}"
        return f"forwarded: HTTP {answer.status}, {1000 * (time.monotonic() - began):.0f} ms"
