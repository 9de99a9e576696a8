"""The books compared: what was promised of every accepted order, and each order of which it does not hold."""

import math
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from models.outcome import ACCOUNT_MARK
from models.status import RANKS
from tests import factories
from tests.acceptance.storm.books import BY_HAND, FINAL, Books, Case, Event, was_delivered
from tests.acceptance.storm.plan import Plan
from tests.acceptance.storm.spoken import OF_CODE, Spoken
from tests.acceptance.storm.stage import BACKUP

#: What may not happen to any order.
LOST = "lost"
SENT_TWICE = "sent twice"
PLACED_TWICE = "placed twice"
WRONG_STATE = "wrong final state"
BROKEN_TIMELINE = "broken timeline"
CONFLICT_HIDDEN = "conflict not shown"
WRONG_ATTENTION = "wrong attention"
REROUTED = "rerouted without a refusal"
EXPIRED_UNASKED = "expired without a last check"
BOUGHT_TWICE = "bought twice"
ASKED_AFTER_END = "asked after its end, where asking buys"
CALLBACK_REFUSED = "callback not understood"
CALLBACK_LOST = "callback not on the timeline"
WRONG_REFERENCE = "reference not of 15 digits"
NOT_TOLD = "not told in its last state"
TOLD_OUT_OF_ORDER = "told out of order"
TOLD_UNTRUE = "told what was not committed"
OFFENCES = (
    LOST,
    SENT_TWICE,
    BOUGHT_TWICE,
    PLACED_TWICE,
    WRONG_STATE,
    BROKEN_TIMELINE,
    CONFLICT_HIDDEN,
    WRONG_ATTENTION,
    REROUTED,
    EXPIRED_UNASKED,
    ASKED_AFTER_END,
    CALLBACK_REFUSED,
    CALLBACK_LOST,
    WRONG_REFERENCE,
    NOT_TOLD,
    TOLD_OUT_OF_ORDER,
    TOLD_UNTRUE,
)
#: Seconds between the claim of a call and its arrival, at most, while the database or the machine stands still.
UNDER_WAY_SECONDS = 10.0
REFERENCE = re.compile(r"[1-9][0-9]{14}")


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
    spoken: Spoken = OF_CODE

    @cached_property
    def offences(self) -> dict[str, list[str]]:
        """For each offence the orders, by id."""
        found: dict[str, list[str]] = {name: [] for name in OFFENCES}
        found[LOST] += [order_id for order_id in self.accepted.values() if order_id not in self.books.cases]
        users = Counter(case.row["userIdentifier"] for case in self.books.cases.values())
        for order_id, case in self.books.cases.items():
            for name in offences_of(case, self.books):
                found[name].append(order_id)
            if users[case.row["userIdentifier"]] > 1:
                found[PLACED_TWICE].append(order_id)
        return found

    def is_clean(self) -> bool:
        """Whether every promise was kept, and everything planned has happened."""
        everything = len(self.accepted) == len(self.plan.orders)
        return everything and not any(self.offences.values()) and not self.complaints

    def sources(self) -> Counter[str]:
        """By source: how many orders it brought to their end."""
        moves = (case.last_move for case in self.books.cases.values() if case.status in FINAL)
        return Counter(move.source for move in moves if move)

    def attentions(self) -> Counter[str]:
        """How many orders need a person, by the reason."""
        return Counter(case.row["attention"] for case in self.books.cases.values() if case.row["attention"])

    def told(self) -> tuple[int, int]:
        """How many notifications the storefront has taken, and how many tries failed."""
        heard = [each for case in self.books.cases.values() for each in case.heard]
        return len({each.webhook_id for each in heard if each.accepted}), sum(
            not each.accepted for each in heard
        )

    def timed_out(self) -> int:
        """How many orders failed by timeout and stayed so."""
        return sum(case.row["failureReason"] == "timeout" for case in self.books.cases.values())

    def late(self) -> int:
        """How many orders completed after they had failed by timeout."""
        return sum(bool(case.row["late"]) for case in self.books.cases.values())

    def bought(self) -> int:
        """How many purchases the providers of a described protocol have booked."""
        return sum(each.times_booked for case in self.books.cases.values() for each in case.purchases)

    def left_to_person(self) -> int:
        """How many orders are open, and no provider can be asked about them."""
        return sum(case.is_left_to_person for case in self.books.cases.values())

    def delays_seconds(self) -> list[tuple[float, str]]:
        """From the provider's decision to ours, with the order's id; shortest first."""
        return sorted(
            (case.last_move.at.timestamp() - case.present.decided_at, order_id)
            for order_id, case in self.books.cases.items()
            if case.present
            and case.present.decided_at
            and case.last_move
            and case.status in FINAL
            and not case.decision
        )


def offences_of(case: Case, books: Books) -> Iterator[str]:
    """What does not hold of one order."""
    holds = {
        LOST: case.status in FINAL or case.is_left_to_person,
        WRONG_STATE: case.status not in FINAL or _ends_right(case),
        SENT_TWICE: not _sent_twice(case),
        BOUGHT_TWICE: sum(each.times_booked for each in case.purchases) <= 1,
        ASKED_AFTER_END: not _asked_after_end(case),
        BROKEN_TIMELINE: _timeline_holds(case),
        CONFLICT_HIDDEN: case.shows_conflict() or not case.must_conflict() or bool(case.decision),
        WRONG_ATTENTION: _attention_is_right(case),
        REROUTED: not _rerouted_without_refusal(case),
        EXPIRED_UNASKED: not _expired_unasked(case, books),
        CALLBACK_REFUSED: not _refuses_callbacks(case),
        CALLBACK_LOST: not _loses_callbacks(case),
        NOT_TOLD: case.status not in FINAL or _told(case),
        TOLD_OUT_OF_ORDER: _told_in_order(case),
        TOLD_UNTRUE: _told_only_what_is(case),
        WRONG_REFERENCE: bool(REFERENCE.fullmatch(case.row["provider_referans"])),
    }
    yield from (name for name, is_kept in holds.items() if not is_kept)


def _is_as_decided(case: Case, decision: Event) -> bool:
    """It is as an operator decided, or was taken back since; a code that the operator gave is the first."""
    stays = case.status == decision.after or (decision.after, case.status) == ("completed", "reversed")
    gave_code = "with 1 code by" in (decision.message or "")
    return stays and (not gave_code or any(code.startswith(BY_HAND) for code in case.ending().codes[:1]))


def _attention_is_right(case: Case) -> bool:
    """It is raised where the timeline asks for it, and the timeline shows no conflict that nothing explains."""
    is_explained = case.may_conflict() or not case.shows_conflict()
    return bool(case.row["attention"] == case.attention()) and is_explained


def _ends_right(case: Case) -> bool:
    row = case.row
    delivered = any(event.moves and event.after == "completed" for event in case.events)
    return (
        (_is_as_decided(case, case.decision) if case.decision else case.ending() in case.endings())
        and row["status"] == ("approved" if case.status == "completed" else "rejected")
        and (row["completedAt"] is not None) is delivered
        and (row["durationMs"] is not None) is delivered
        and (row["reversedAt"] is not None) is (case.status == "reversed")
        and (row["pinCode"] or None) == (case.ending().codes or (None,))[0]
        and row["nextCheckAt"] is None
        and _reads_the_message(case)
    )


def _reads_the_message(case: Case) -> bool:
    """What PHP sent in an encoding or a form of its own stands here as it was meant."""
    entry, move = case.present, case.last_move
    if entry is None or not entry.behaviour.php or move is None or move.source != "callback":
        return True
    return bool(case.row["lastMessage"] == entry.description)


def _sent_twice(case: Case) -> bool:
    """Sent again once a provider had it, or more often than the timeline says.

    A provider that delivers what it had refused has not been sent anything twice.
    """
    if case.spoken.traits.ask_buys:
        return False  # asking is sending: what counts is what was bought
    claims = [
        event for event in case.events if event.source == "dispatch" and "sending" in (event.message or "")
    ]
    put_off = sum(map(_is_put_off, case.events))
    firsts = sum(event.before == "not_sent" for event in claims) - put_off
    # One that was put off may have ended by a person's word before its next send.
    is_sent_once = firsts == 1 or (firsts == 0 and put_off > 0)
    taken = [entry for entry in case.entries.values() if entry.booked_at and not entry.relented]
    taken_at = min((entry.booked_at for entry in taken if entry.booked_at), default=math.inf)
    after_booking = any(at > taken_at for entry in case.entries.values() for at in entry.sent_at)
    requests = sum(entry.requests_seen for entry in case.entries.values())
    if not case.spoken.traits.can_always_ask and _sent_blindly(case):
        return True
    return len(taken) > 1 or after_booking or (requests > 0 and not is_sent_once) or requests > len(claims)


def _is_put_off(event: Event) -> bool:
    """Its provider does not take it now, and has not booked it: it waits to be sent as if for the first time."""
    return event.source == "dispatch" and (event.before, event.after) == ("pending", "not_sent")


def _sent_blindly(case: Case) -> bool:
    """Sent once more though the answer to a send was lost, of which no provider can be asked."""
    unclear = [
        each.requests_seen - each.times_refused - each.behaviour.sends.failures.count("notnow")
        for each in case.purchases
    ]
    return sum(max(0, count) for count in unclear) > 1


def _asked_after_end(case: Case) -> bool:
    """Its provider, where asking buys, was asked after it was final here."""
    if not case.spoken.traits.ask_buys or case.status not in FINAL or case.last_move is None:
        return False
    ended_at = next(event.at.timestamp() for event in case.events if event.moves and event.after in FINAL)
    return any(at > ended_at + UNDER_WAY_SECONDS for each in case.purchases for at in each.sent_at)


def _rerouted_without_refusal(case: Case) -> bool:
    """Another provider was asked, or blamed, and the one before it had not refused and may have had the order."""
    asked = [name for name in case.entries if name != case.row["providerId"]]
    before = {*asked, *case.row["triedProviders"]}
    if case.row["providerId"] == BACKUP:
        before.add(factories.SANDBOX)
    return not all(_refused(case, name) or _never_had(case, name) for name in before)


def _refused(case: Case, name: str) -> bool:
    refusals = (f"{name} refused: ", f"{name} {ACCOUNT_MARK}: ")
    if case.spoken.is_described and any((e.message or "").startswith(refusals) for e in case.events):
        return True  # one who denies our account has no entry of the order
    return name in case.entries and case.entries[name].times_refused > 0


def _never_had(case: Case, name: str) -> bool:
    """The provider's book does not know the order, and the timeline says what kept it from there.

    Or it was sent the order, and each time did not take it just then.
    """
    why = tuple(
        f"{name} {words}" for words in ("is down: ", "is paused by ", "was not reached: ", "has no balance")
    )
    put_off = sum(
        _is_put_off(event) and (event.message or "").startswith(f"{name} does not take it now: ")
        for event in case.events
    )
    came = case.entries[name].requests_seen if name in case.entries else 0
    return came <= put_off and any((event.message or "").startswith(why) for event in case.events)


def _expired_unasked(case: Case, books: Books) -> bool:
    """It timed out, and its provider's book has no check after its time was up, though the provider was there."""
    expiries = [event.at.timestamp() for event in case.events if event.moves and event.source == "sweep"]
    if not expiries or case.spoken.traits.ask_buys:
        return False
    sent_at = case.row["sentAt"] or case.row["claimedAt"]
    if sent_at is None:
        return True
    deadline = sent_at.timestamp() + books.order_timeout_seconds
    asked = case.present is not None and any(at >= deadline for at in case.present.checked_at)
    away = any(began <= expiries[0] and ended >= deadline for began, ended in books.unanswered)
    return not asked and not away


def _refuses_callbacks(case: Case) -> bool:
    """A callback with the right secret was answered with a 4xx."""
    return any(
        isinstance(call["answer"], int) and 400 <= call["answer"] < 500
        for entry in case.entries.values()
        if not entry.behaviour.badsign
        for call in entry.callbacks
    )


def _loses_callbacks(case: Case) -> bool:
    """Callbacks that say different things were answered with a 2xx, and the timeline shows fewer."""
    told = {
        (name, call["status"], *call.get("codes", ()))
        for name, entry in case.entries.items()
        if not entry.behaviour.badsign
        for call in entry.callbacks
        if was_delivered(call) and call["status"] != "HEAD"
    }
    return sum(event.source == "callback" for event in case.events) < len(told)


def _told(case: Case) -> bool:
    """The storefront has taken everything that it was to be told, the order's present state among it."""
    taken = {each.webhook_id for each in case.heard if each.accepted}
    states = {each.status for each in case.heard if each.accepted}
    return case.status in states and all(each.webhook_id in taken for each in case.outbox)


def _told_in_order(case: Case) -> bool:
    """None was sent before the one in front of it was taken."""
    first_sent: dict[str, float] = {}
    first_taken: dict[str, float] = {}
    for each in case.heard:
        first_sent.setdefault(each.webhook_id, each.came_at)
        if each.accepted:
            first_taken.setdefault(each.webhook_id, each.answered_at)
    return all(
        first_taken.get(one.webhook_id, math.inf) <= first_sent.get(other.webhook_id, math.inf)
        for one, other in pairwise(case.outbox)
    )


def _told_only_what_is(case: Case) -> bool:
    """Every call is of a notification that is stored, and says what that says; its order was in that state."""
    stored = {each.webhook_id: (each.kind, each.status) for each in case.outbox}
    states = {event.after for event in case.events}
    return all(
        stored.get(each.webhook_id) == (each.kind, each.status) and each.status in states
        for each in case.heard
    )


def _timeline_holds(case: Case) -> bool:
    """Each move begins where the last one ended, none goes back, and the last ends where the order stands."""
    moves = [event for event in case.events if event.moves]
    if not moves or moves[0].before is not None or moves[-1].after != case.status:
        return False
    return all(
        one.after == other.before
        and (
            _may_follow(other.before, other.after)
            or other.source == "operator"
            or (case.spoken.is_described and _is_put_off(other))
        )
        for one, other in pairwise(moves)
    )


def _may_follow(before: str | None, after: str | None) -> bool:
    return RANKS[after or ""] > RANKS[before or ""] or (before, after) == ("failed", "completed")
