"""What each side says of every order: the gateway's rows and timelines, the providers' books."""

from collections import defaultdict
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

import psycopg2
import psycopg2.extras

from gateway.dev.simulator import Order, State
from gateway.dev.simulator.book import Book
from gateway.providers.base import Traces
from models import claims, codes
from models.codes import Code
from models.outcome import ACCOUNT_MARK
from models.status import Attention, FailureReason
from tests.acceptance.storm.plan import CODE, TOP_UP
from tests.acceptance.storm.receivers import Heard
from tests.acceptance.storm.spoken import OF_CODE, TOP_UPS, Spoken
from tests.acceptance.storm.stage import PACE, Stage

FINAL = ("completed", "failed", "reversed")
#: How often an order that must have a code is asked for it.
ASKS_FOR_A_CODE = int(PACE["MAX_CHECKS"])
#: Asks that were claimed and not recorded, because the worker was killed between the two.
ASKS_CUT_OFF = 1
#: How the codes begin that an operator gives.
BY_HAND = "BY-HAND"
#: How the timeline says that an operator left an order as it is, and that asking for a code has ended.
DISMISSED, NO_CODE_CAME = "dismissed: ", "completed, but asking has not brought its code"
#: Why an order fails that was never taken: what the last provider's refusal was about.
REFUSALS = (FailureReason.PROVIDER, FailureReason.PRODUCT, FailureReason.ACCOUNT)
#: Why one fails that was taken: what the panel's words were about, if it gave any.
FAILURES = (FailureReason.PROVIDER, FailureReason.CUSTOMER)


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


class Notification(NamedTuple):
    """What the storefront was to be told."""

    webhook_id: str
    kind: str
    #: The order's, as it was then.
    status: str
    state: str


class Ending(NamedTuple):
    """How an order ends: its codes and how many of them have a serial."""

    status: str
    reason: str | None = None
    codes: tuple[str, ...] = ()
    serials: int = 0


class Said(NamedTuple):
    """A final state that a callback told, and the codes that it brought."""

    status: str
    codes: frozenset[str]


@dataclass(frozen=True, slots=True)
class Case:
    """One order of the gateway, and what the providers say of it."""

    row: dict[str, Any]
    #: What each provider that was ever asked for it says, by the provider's id.
    entries: Mapping[str, Order]
    events: list[Event] = field(default_factory=list)
    #: What the storefront was to be told, oldest first, and what it has heard, as it came.
    outbox: list[Notification] = field(default_factory=list)
    heard: list[Heard] = field(default_factory=list)
    #: What its providers speak; where that has no references of ours, each send is a purchase of its own.
    spoken: Spoken = OF_CODE
    purchases: tuple[Order, ...] = ()

    @property
    def present(self) -> Order | None:
        """The entry of the provider that has the order now, or had it last."""
        return self.entries.get(self.row["providerId"])

    @property
    def former(self) -> list[Order]:
        """The entries of the providers that had it before."""
        return [self.entries[name] for name in self.row["triedProviders"] if name in self.entries]

    @property
    def status(self) -> str:
        return str(self.row["externalStatus"])

    @property
    def is_left_to_person(self) -> bool:
        """Whether it is open, and its provider cannot be asked what became of it."""
        traits, row = self.spoken.traits, self.row
        if traits.can_always_ask or self.status in FINAL or row["nextCheckAt"] is not None:
            return False
        is_lost = row["externalOrderId"] is None or traits.traces is Traces.NOTHING
        return is_lost and row["attention"] in (Attention.CANNOT_ASK, Attention.CONFLICT)

    @property
    def last_move(self) -> Event | None:
        """What brought it to where it is."""
        return next((event for event in reversed(self.events) if event.moves), None)

    @property
    def is_denied(self) -> bool:
        """Whether its last provider denied our account when it was sent the order, of which it then has no entry."""
        denied = f"{self.row['providerId']} {ACCOUNT_MARK}: "
        return self.last_move is not None and (self.last_move.message or "").startswith(denied)

    @property
    def attended_at(self) -> int:
        """Where in the timeline the last look of an operator ends: how many events are before and with it."""
        looks = [
            place
            for place, event in enumerate(self.events, 1)
            if event.source == "operator" and event.result == "applied"
        ]
        return looks[-1] if looks else 0

    @property
    def decision(self) -> Event | None:
        """What an operator decided last."""
        decisions = [
            event
            for event in self.events
            if event.source == "operator"
            and event.result == "applied"
            and not (event.message or "").startswith(DISMISSED)
        ]
        return decisions[-1] if decisions else None

    @property
    def must_have_code(self) -> bool:
        """Whether the gateway knows that there is a code: the route says so, or one came that cannot be read."""
        return self.row["productId"] == CODE or self.row["expects"] == "code"

    def ending(self) -> Ending:
        """How it stands here."""
        kept = [
            codes.from_json(each["sealed"]) if "sealed" in each else Code(each["pin"])
            for each in self.row["codes"] or ()
        ]
        found = tuple(code.code for code in kept) or tuple(filter(None, [self.row["pinCode"]]))
        # A serial that came later stands beside the code that it belongs to.
        later = sum("addition" in each for each in self.row["codes"] or [])
        serials = later + sum(code.serial is not None for code in kept)
        return Ending(self.status, self.row["failureReason"], found, serials)

    def endings(self) -> set[Ending]:
        """How it may end, as the provider sees it; more than one where the moment of a check decides."""
        entry = self.present
        if entry is None:
            return {Ending("failed", FailureReason.ACCOUNT)} if self.is_denied else set()
        # One that was never booked, and whose provider never says that it does not know it, is like one that waits.
        never_denied = len(entry.behaviour.checks.failures) > entry.times_checked
        if entry.state is State.PROCESSING or (
            entry.state is State.UNBOOKED and never_denied and not entry.times_refused
        ):
            return {Ending("failed", FailureReason.TIMEOUT)}
        if entry.state is State.COMPLETED:
            refused = {Ending("failed", FailureReason.PROVIDER)} if entry.relented else set()
            return self._completed(entry) | refused
        if entry.state is State.REVERSED:
            return self._reversed(entry)
        reasons = FAILURES if entry.state is State.FAILED else REFUSALS
        if self.spoken.is_described:
            reasons = (*REFUSALS, FailureReason.CUSTOMER)
        is_failed = entry.state is State.FAILED or entry.times_refused
        return {Ending("failed", reason) for reason in reasons} if is_failed else set()

    def attention(self) -> str | None:
        """The attention that the timeline asks for, since an operator last looked at the order."""
        since = self.events[self.attended_at :]
        if any(event.result == "conflict" for event in since):
            return Attention.CONFLICT
        if self.status == "reversed" and any(event.moves for event in since):
            return Attention.REVERSED
        if self.is_left_to_person:
            return Attention.CANNOT_ASK
        lacks_code = self.status == "completed" and not self.ending().codes
        was_asked = not self.attended_at or any(NO_CODE_CAME in (event.message or "") for event in since)
        return Attention.NO_CODE if lacks_code and self.must_have_code and was_asked else None

    def shows_conflict(self) -> bool:
        """Whether the timeline does."""
        return any(event.result == "conflict" for event in self.events)

    def must_conflict(self) -> bool:
        """Whether what was delivered here contradicts itself, in whatever order it came."""
        entry, told = self.present, _told(self.present, only_delivered=True)
        states = {said.status for said in told}
        pins = {said.codes for said in told if said.codes}
        if any(
            "completed" in {said.status for said in _told(one, only_delivered=True)} for one in self.former
        ):
            return True
        if entry is not None and entry.relented and self.status == "failed" and "completed" in states:
            return True
        return states == {"completed", "failed"} or len(pins) > 1

    def may_conflict(self) -> bool:
        """Whether anything that was sent here, delivered or not, or answered to a check can contradict itself.

        Or what an operator decided.
        """
        if self.decision:
            return True
        told = [said for entry in self.entries.values() for said in _told(entry, only_delivered=False)]
        states, pins = {said.status for said in told}, {said.codes for said in told if said.codes}
        relented = any(entry.relented for entry in self.entries.values())
        return relented or "reversed" in states or states >= {"completed", "failed"} or len(pins) > 1

    def is_open(self) -> bool:
        """Whether something is still to come: here, or from a provider that is not done."""
        entry = self.present
        deciding = entry is not None and entry.state is State.PROCESSING and entry.behaviour.settles
        late = (
            self.row["failureReason"] == FailureReason.TIMEOUT and not deciding and self.is_completed_there()
        )
        untold = any(each.state == "waiting" for each in self.outbox)
        waits = self.status not in FINAL and not self.is_left_to_person
        return waits or self.row["nextCheckAt"] is not None or deciding or late or untold

    def is_completed_there(self) -> bool:
        """Whether the provider that has it has delivered."""
        return self.present is not None and self.present.state is State.COMPLETED

    def _completed(self, entry: Order) -> set[Ending]:
        told = tuple(code.code for code in entry.codes) or tuple(filter(None, [entry.pin]))
        if self.spoken.name in TOP_UPS:
            return {Ending("completed")}
        whole = Ending("completed", None, told, sum(bool(code.serial) for code in entry.codes))
        return {whole, Ending("completed")} if self._asked_in_vain(entry) else {whole}

    def _asked_in_vain(self, entry: Order) -> bool:
        """Whether no callback brought the code, and the questions that the route allows are used up."""
        if self._was_told_code(entry):
            return False
        if self.row["productId"] == TOP_UP:
            return True
        moves = [
            place for place, event in enumerate(self.events) if event.after == "completed" and event.moves
        ]
        asks = sum(event.source == "poll" for event in self.events[moves[-1] :]) if moves else 0
        return asks >= (ASKS_FOR_A_CODE if self.must_have_code else claims.CODE_ASKS) - ASKS_CUT_OFF

    def _was_told_code(self, entry: Order) -> bool:
        """Whether a callback brought the code."""
        return any(said.codes for said in _told(entry, only_delivered=True))

    def _reversed(self, entry: Order) -> set[Ending]:
        """A check after the reversal shows a cancellation, so an order that was still open then has failed.

        Nothing is asked about an order that was taken back, so a code that no callback brought may never have come.
        """
        told, found = {said.status for said in _told(entry, only_delivered=True)}, self._completed(entry)
        endings = {ending._replace(status="reversed") for ending in found}
        was_completed = any(event.after == "completed" for event in self.events)
        if not was_completed or not self._was_told_code(entry):
            endings.add(Ending("reversed"))
        if "reversed" not in told:
            endings |= found
        if State.REVERSED in entry.checked_states:
            endings.add(Ending("failed", FailureReason.PROVIDER))
        return endings


def _told(entry: Order | None, *, only_delivered: bool) -> list[Said]:
    """The final states in the callbacks of an order; those with a wrong signature count for nothing."""
    if entry is None or entry.behaviour.badsign:
        return []
    return [
        Said(call["status"], frozenset(call.get("codes", ())))
        for call in entry.callbacks
        if call["status"] in FINAL and (was_delivered(call) or not only_delivered)
    ]


def was_delivered(call: Mapping[str, Any]) -> bool:
    """Whether a callback in a provider's book was answered with a 2xx."""
    return isinstance(call["answer"], int) and 200 <= call["answer"] < 300


@dataclass(frozen=True, slots=True)
class Books:
    """Every order by its id."""

    cases: dict[str, Case]
    order_timeout_seconds: float
    #: When the first provider could not be reached, or answered no question: from, until (seconds since 1970).
    unanswered: tuple[tuple[float, float], ...]

    def open_orders(self) -> list[str]:
        """The ids of those of which something is still to come."""
        return [order_id for order_id, case in self.cases.items() if case.is_open()]


def read(stage: Stage) -> Books:
    """Both sides as they are now."""
    providers = {name: simulator.book for name, simulator in stage.providers.items()}
    with (
        closing(psycopg2.connect(stage.postgres.url)) as connection,
        connection.cursor(cursor_factory=psycopg2.extras.RealDictCursor) as cursor,
    ):
        cursor.execute("SELECT id::text AS key, * FROM product_orders")
        rows = [dict(row) for row in cursor.fetchall()]
        cursor.execute(
            'SELECT order_id::text AS key, at, source, "from", "to", message, result'
            " FROM referans.order_events ORDER BY id"
        )
        timelines: dict[str, list[Event]] = defaultdict(list)
        for row in cursor.fetchall():
            timelines[row.pop("key")].append(Event(*row.values()))
        cursor.execute(
            "SELECT order_id::text AS key, 'msg_' || replace(webhook_id::text, '-', ''), type,"
            " payload ->> 'external_status' AS status, state FROM referans.notifications ORDER BY id"
        )
        outbox: dict[str, list[Notification]] = defaultdict(list)
        for row in cursor.fetchall():
            outbox[row.pop("key")].append(Notification(*row.values()))
    heard = stage.receivers.of_orders()
    players = {name: _by_player(book) for name, book in providers.items()}
    cases: dict[str, Case] = {}
    for row in rows:
        key = row["key"]
        bought: tuple[Order, ...] = ()
        if stage.spoken.is_described:
            found = {name: book.get(row["userIdentifier"], []) for name, book in players.items()}
            bought = tuple(order for orders in found.values() for order in orders)
            entries = {name: max(orders, key=_counts) for name, orders in found.items() if orders}
        else:
            entries = _entries(providers, row)
        cases[key] = Case(row, entries, timelines[key], outbox[key], heard.get(key, []), stage.spoken, bought)
    return Books(cases, stage.order_timeout_seconds, tuple(stage.unanswered))


def _by_player(book: Book) -> dict[str, list[Order]]:
    found: dict[str, list[Order]] = defaultdict(list)
    for order in book.orders():
        found[order.player].append(order)
    return found


def _counts(order: Order) -> tuple[int, float]:
    """Of several sends of one order the one that was booked counts, or the last."""
    return order.times_booked, order.sent_at[-1]


def _entries(providers: Mapping[str, Book], row: dict[str, Any]) -> dict[str, Order]:
    found = {name: book.get(row["provider_referans"]) for name, book in providers.items()}
    return {name: order for name, order in found.items() if order is not None}
