"""The books compared: what was promised of every accepted order, and each order of which it does not hold."""

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from models.status import RANKS
from tests.acceptance.storm.books import FINAL, Books, Case
from tests.acceptance.storm.plan import Plan

#: What may not happen to any order.
LOST = "lost"
SENT_TWICE = "sent twice"
PLACED_TWICE = "placed twice"
WRONG_STATE = "wrong final state"
BROKEN_TIMELINE = "broken timeline"
CONFLICT_HIDDEN = "conflict not shown"
#: Its first provider was passed over, though nothing was wrong with it.
REROUTED = "rerouted by trouble of ours"
#: It timed out, and the last check that should come before was not tried at the provider.
EXPIRED_UNASKED = "timed out without a last check"
OFFENCES = (
    *(LOST, SENT_TWICE, PLACED_TWICE, WRONG_STATE, BROKEN_TIMELINE, CONFLICT_HIDDEN),
    *(REROUTED, EXPIRED_UNASKED),
)


@dataclass(frozen=True)
class Audit:
    """What came of a storm."""

    plan: Plan
    books: Books
    #: The id of each accepted order, by its number in the plan.
    accepted: dict[int, str]
    #: Tries of the storefront that had to be repeated.
    retries: int
    #: What went wrong beside the orders: an answer that must not be, a process that would not end.
    complaints: list[str]
    injected: Counter[str]
    stormed_seconds: float
    took_seconds: float
    #: Of each process, before and after.
    memory_mib: tuple[dict[str, int], dict[str, int]]

    @cached_property
    def offences(self) -> dict[str, list[str]]:
        """For each offence the orders, by id."""
        found: dict[str, list[str]] = {name: [] for name in OFFENCES}
        found[LOST] += [order_id for order_id in self.accepted.values() if order_id not in self.books.cases]
        users = Counter(case.row["userIdentifier"] for case in self.books.cases.values())
        for order_id, case in self.books.cases.items():
            for name in offences_of(case, self.plan.order_timeout_seconds):
                found[name].append(order_id)
            if users[case.row["userIdentifier"]] > 1:
                found[PLACED_TWICE].append(order_id)
        return found

    def is_clean(self) -> bool:
        """Whether every promise was kept, and everything planned has happened."""
        everything = len(self.accepted) == len(self.plan.orders)
        return everything and not any(self.offences.values()) and not self.complaints

    def sources(self) -> Counter[str]:
        """Who brought the orders to their end."""
        moves = (case.last_move for case in self.books.cases.values() if case.status in FINAL)
        return Counter(move.source for move in moves if move)

    def conflicts(self) -> int:
        """How many orders show a conflict."""
        return sum(
            any(event.result == "conflict" for event in case.events) for case in self.books.cases.values()
        )

    def timed_out(self) -> int:
        """How many orders failed by timeout and stayed so."""
        return sum(case.row["failureReason"] == "timeout" for case in self.books.cases.values())

    def late(self) -> int:
        """How many orders completed after they had failed by timeout."""
        return sum(bool(case.row["late"]) for case in self.books.cases.values())

    def delays_seconds(self) -> list[tuple[float, str]]:
        """From the provider's decision to ours, with the order's id; shortest first."""
        return sorted(
            (case.last_move.at.timestamp() - case.booked.decided_at, order_id)
            for order_id, case in self.books.cases.items()
            if case.booked and case.booked.decided_at and case.last_move and case.status in FINAL
        )


def offences_of(case: Case, order_timeout_seconds: float | None) -> Iterator[str]:
    """What does not hold of one order."""
    if case.status not in FINAL:
        yield LOST
    elif not _ends_right(case):
        yield WRONG_STATE
    if _sent_twice(case):
        yield SENT_TWICE
    if not _timeline_holds(case):
        yield BROKEN_TIMELINE
    if _hides_conflict(case):
        yield CONFLICT_HIDDEN
    if case.entries and not case.sent_to_first:
        yield REROUTED
    if order_timeout_seconds is not None and _expired_unasked(case, order_timeout_seconds):
        yield EXPIRED_UNASKED


def _expired_unasked(case: Case, order_timeout_seconds: float) -> bool:
    """It timed out; neither the provider's book nor the timeline shows a check after its time was up."""
    expired = next((event for event in case.events if event.moves and event.source == "sweep"), None)
    sent_at = case.row["sentAt"] or case.row["claimedAt"]
    if expired is None or sent_at is None:
        return expired is not None
    is_up = sent_at.timestamp() + order_timeout_seconds
    arrived = any(at >= is_up for entry in case.entries for at in entry.checked_at)
    failed = any(
        event.at.timestamp() >= is_up and (event.message or "").startswith("checked")
        for event in case.events
        if event.source == "poll"
    )
    return not (arrived or failed)


def _ends_right(case: Case) -> bool:
    row, completed = case.row, case.status == "completed"
    return (
        case.ending() == case.truth()
        and row["status"] == ("approved" if completed else "rejected")
        and (row["completedAt"] is not None) is completed
        and (row["durationMs"] is not None) is completed
        and row["nextCheckAt"] is None
    )


def _sent_twice(case: Case) -> bool:
    """Sent again once a provider had it, or more often than the timeline says."""
    claims = [
        event for event in case.events if event.source == "dispatch" and "sending" in (event.message or "")
    ]
    firsts = sum(event.before == "not_sent" for event in claims)
    taken_at = min((entry.booked_at for entry in case.entries if entry.booked_at), default=math.inf)
    after_booking = any(at > taken_at for entry in case.entries for at in entry.sent_at)
    bookings = sum(entry.times_booked for entry in case.entries)
    requests = sum(entry.requests_seen for entry in case.entries)
    return bookings > 1 or after_booking or (requests > 0 and firsts != 1) or requests > len(claims)


def _timeline_holds(case: Case) -> bool:
    """Each move begins where the last one ended, none goes back, and the last ends where the order stands."""
    moves = [event for event in case.events if event.moves]
    if not moves or moves[0].before is not None or moves[-1].after != case.status:
        return False
    return all(
        one.after == other.before and _may_follow(other.before, other.after) for one, other in pairwise(moves)
    )


def _may_follow(before: str | None, after: str | None) -> bool:
    return RANKS[after or ""] > RANKS[before or ""] or (before, after) == ("failed", "completed")


def _hides_conflict(case: Case) -> bool:
    """Two outcomes that contradict each other were delivered, and the timeline shows one."""
    booked = case.booked
    if booked is None or booked.callbacks_delivered < 2:
        return False
    if not (booked.behaviour.otherpin or booked.behaviour.contradict):
        return False
    return not any(event.result == "conflict" for event in case.events)
