"""What each side says of every order: the gateway's rows and timelines, the provider's book."""

from collections import defaultdict
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import psycopg2
import psycopg2.extras

from gateway.dev.simulator import Order, State
from gateway.dev.simulator.book import Book
from models.status import FailureReason
from tests.acceptance.storm.stage import Stage

FINAL = ("completed", "failed")
#: How the simulator writes that there is no PIN.
NO_PIN = ("", "-")


@dataclass(frozen=True, slots=True)
class Event:
    """A line of a timeline."""

    at: datetime
    source: str
    before: str | None
    after: str | None
    message: str | None
    result: str | None

    @property
    def moves(self) -> bool:
        """Whether the order's status changed."""
        return self.before != self.after

    def __str__(self) -> str:
        return f"{self.at:%H:%M:%S.%f} {self.source:9} {self.before} -> {self.after}: {self.message}"


@dataclass(frozen=True, slots=True)
class Case:
    """One order of the gateway, and what the providers say of it."""

    row: dict[str, Any]
    #: What each provider that was ever asked for it says, the first one first.
    entries: tuple[Order, ...]
    events: list[Event] = field(default_factory=list)
    #: Whether it was ever sent to the provider that its route names first.
    sent_to_first: bool = True

    @property
    def booked(self) -> Order | None:
        """The entry that counts: of the provider that took it, else of the last one that was asked."""
        taken = [order for order in self.entries if order.times_booked]
        return taken[0] if taken else self.entries[-1] if self.entries else None

    @property
    def status(self) -> str:
        return str(self.row["externalStatus"])

    @property
    def last_move(self) -> Event | None:
        """What brought it to where it is."""
        return next((event for event in reversed(self.events) if event.moves), None)

    def truth(self) -> tuple[str, str | None, str | None]:
        """How it must end, as the provider sees it: status, failure reason, PIN."""
        booked = self.booked
        if booked is not None and booked.state is State.COMPLETED:
            pin = booked.pin.strip()
            return "completed", None, None if pin in NO_PIN else pin
        if booked is not None and booked.state is State.PROCESSING:
            return "failed", FailureReason.TIMEOUT, None
        if booked is not None and (booked.state is State.FAILED or booked.behaviour.refuse_reason):
            return "failed", FailureReason.PROVIDER, None
        return "at the provider", None, None

    def ending(self) -> tuple[str, str | None, str | None]:
        """How it stands here, in the same words."""
        return self.status, self.row["failureReason"], self.row["pinCode"] or None

    def is_open(self) -> bool:
        """Whether something is still to come: here, or from a provider that is not done."""
        booked = self.booked
        deciding = booked is not None and booked.state is State.PROCESSING and booked.behaviour.settles
        late = self.row["failureReason"] == FailureReason.TIMEOUT and self.truth()[0] == "completed"
        asking = self.row["nextCheckAt"] is not None
        return self.status not in FINAL or deciding or late or asking


@dataclass(frozen=True, slots=True)
class Books:
    """Every order by its id."""

    cases: dict[str, Case]

    def open_orders(self) -> list[str]:
        """The ids of those of which something is still to come."""
        return [order_id for order_id, case in self.cases.items() if case.is_open()]


def read(stage: Stage) -> Books:
    """Both sides as they are now."""
    first, second = stage.simulator.book, stage.backup.book
    with (
        closing(psycopg2.connect(stage.postgres.url)) as connection,
        connection.cursor(cursor_factory=psycopg2.extras.RealDictCursor) as cursor,
    ):
        cursor.execute("SELECT id::text AS key, * FROM product_orders")
        rows = [dict(row) for row in cursor.fetchall()]
        cursor.execute(
            'SELECT order_id::text AS key, at, source, "from", "to", message, result FROM order_events ORDER BY id'
        )
        timelines: dict[str, list[Event]] = defaultdict(list)
        for row in cursor.fetchall():
            timelines[row.pop("key")].append(Event(*row.values()))
    return Books({row["key"]: _case(row, timelines[row["key"]], first, second) for row in rows})


def _case(row: dict[str, Any], events: list[Event], first: Book, second: Book) -> Case:
    found = [book.get(row["provider_referans"]) for book in (first, second)]
    return Case(row, tuple(filter(None, found)), events, sent_to_first=found[0] is not None)
