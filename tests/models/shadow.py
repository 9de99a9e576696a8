"""What an order must look like after each thing that happens to it, said in plain Python beside the statements.

Every operation can be run against the database and be applied to a `Shadow`; the two must agree, in results, in
columns, in the inbox and on the timeline.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from models import claims, inbox, order, plans, resolving, unsent
from models.codes import Code
from models.db import database
from models.outcome import Arrival, Outcome
from models.route import Route
from models.status import KINDS, RANKS, Attention, ExternalStatus, FailureReason, Kind, Result, Source
from tests import factories
from tests.models.lifecycle_table import Claim, Standing, decide

FIRST, SECOND = "sandbox", "backup"
#: Items of each order.
QUANTITY = 2
#: Seconds until a completed order without a code is asked for it, by who brought it.
CODE_ASK_SECONDS = {Source.CALLBACK: 0.0, Source.POLL: 30.0, Source.DISPATCH: 30.0}
#: A line of the timeline: source, from, to, result.
Event = tuple[str, str | None, str, str | None]


@dataclass
class Shadow:
    """One order as it should be."""

    id: str
    referans: str
    provider: str = FIRST
    status: str = "not_sent"
    codes: tuple[Code, ...] = ()
    message: str | None = None
    failure_reason: str | None = None
    late: bool = False
    #: Whether it was ever completed; a reversal does not undo that.
    delivered: bool = False
    attention: str | None = None
    #: How often it was asked for the code that it completed without; None: it does not wait for one.
    code_asks: int | None = None
    #: Providers that refused it.
    tried: tuple[str, ...] = ()
    #: The provider's own number, once it is known.
    number: str | None = None
    #: Who had a number for it before it went to another; such a provider is still heard by that.
    formerly_numbered: set[str] = field(default_factory=set)
    #: Whether there is a plan, and whether it is due.
    planned: bool = True
    due: bool = False
    check_requested: bool = False
    #: Whether it was claimed or accepted: the provider may know it.
    reached: bool = False
    unknown_count: int = 0
    #: Whether a send is "under way", or was "cut off" and never heard of again.
    sending: str | None = None
    #: Whether a send ended unclear, or the provider has spoken of the order.
    may_be_known: bool | None = None
    events: list[Event] = field(default_factory=lambda: [("api", None, "not_sent", None)])
    #: Result by provider and key.
    inbox: dict[tuple[str, str], str] = field(default_factory=dict)
    #: Callbacks whose order was not known when they came, oldest first.
    waiting: list["Tell"] = field(default_factory=list)

    @property
    def its_number(self) -> str:
        """What its provider calls it."""
        return f"Z-{self.id}"

    @property
    def kind(self) -> Kind:
        return KINDS[self.status]

    def facts(self) -> dict[str, Any]:
        """What the database must show of it."""
        words = {Kind.OPEN: "pending", Kind.COMPLETED: "approved"}
        return {
            "externalStatus": self.status,
            "status": words.get(self.kind, "rejected"),
            "providerId": self.provider,
            "codes": list(self.codes),
            "attention": self.attention,
            "codeAsks": self.code_asks,
            "providerMessage": self.message,
            "failureReason": self.failure_reason,
            "late": self.late,
            "externalOrderId": self.number,
            "planned": self.planned,
            "completed": self.delivered,
            "timed": self.delivered,
            "unknownCount": self.unknown_count,
            "sending": self.sending,
            "mayBeKnown": self.may_be_known,
            "events": self.events,
            "inbox": self.inbox,
            "waiting": {one.kept(self): (one.status.value, one.codes, one.message) for one in self.waiting},
        }

    def tell(self, source: str, before: str | None, result: str | None = None) -> None:
        self.events.append((source, before, self.status, result))


def facts(order_id: str) -> dict[str, Any]:
    """What the database shows of an order, in the words of `Shadow.facts`."""
    found = database.rows(FACTS, (order_id,))[0]
    told = database.rows(TOLD, (order_id,))
    of_order = "SELECT id FROM referans.callback_events WHERE dedupe_key LIKE %s ORDER BY id"
    ids = database.rows(of_order, (f"{order_id}%",))
    kept = inbox.find([row["id"] for row in ids])
    waiting = [arrival for one in kept if one.result == "unmatched" and (arrival := inbox.arrival(one))]
    shown = order.find(order_id)
    assert shown is not None
    return found | {
        "codes": order.codes_of(shown),
        "events": [(e["source"], e["before"], e["after"], e["result"]) for e in told],
        "inbox": {(one.provider_id, one.dedupe_key): one.result for one in kept},
        "waiting": {
            (one.provider_id, one.dedupe_key): (
                one.outcome.status.value,
                one.outcome.codes,
                one.outcome.message,
            )
            for one in waiting
        },
    }


class Operation(Protocol):
    """Something that may happen to an order."""

    def run(self, shadow: Shadow) -> Any:
        """Do it to the database; what came of it."""

    def on(self, shadow: Shadow) -> Any:
        """Do it to the shadow; what must come of it."""


@dataclass(frozen=True)
class Tell:
    """An outcome: of a callback (which has a key), of an answer to a send or a check, or of the sweep."""

    status: ExternalStatus
    codes: tuple[Code, ...] = ()
    message: str | None = None
    source: Source = Source.CALLBACK
    key: str | None = None
    #: Whether it brings the provider's own number; a callback that does has no reference.
    numbered: bool = False
    provider: str = FIRST
    failure_reason: FailureReason = FailureReason.PROVIDER
    next_check_seconds: float | None = 600.0
    #: It then waits for a person, if the outcome is not its end.
    attention: Attention | None = None

    def arrival(self, shadow: Shadow) -> Arrival:
        asked = self.source is not Source.CALLBACK
        referans = shadow.referans if asked or not self.numbered else None
        number = shadow.its_number if self.numbered else None
        outcome = Outcome(self.status, referans, number, codes=self.codes, message=self.message)
        return Arrival(
            self.provider,
            self.source,
            outcome,
            order_id=shadow.id if asked else None,
            dedupe_key=self._key(shadow),
            raw="{}" if self.key else None,
            next_check_seconds=self.next_check_seconds,
            code_ask_seconds=CODE_ASK_SECONDS.get(self.source),
            failure_reason=self.failure_reason,
            attention=self.attention,
        )

    def run(self, shadow: Shadow) -> Any:
        return settle([self.arrival(shadow)])[0]

    def on(self, shadow: Shadow) -> Any:
        kept = self.kept(shadow)
        if not self._matches(shadow):
            if self.key and kept not in shadow.inbox:
                shadow.inbox[kept] = "unmatched"
                shadow.waiting.append(self)
            return "unmatched"
        if self.key and shadow.inbox.get(kept, "unmatched") != "unmatched":
            return "duplicate"
        result = self._settle(shadow)
        if self.key:
            shadow.inbox[kept] = result
            shadow.waiting = [
                one for one in shadow.waiting if (one.provider, one.key) != (self.provider, self.key)
            ]
        return result

    def kept(self, shadow: Shadow) -> tuple[str, str]:
        """Under what the inbox has it."""
        return self.provider, self._key(shadow) or ""

    def _key(self, shadow: Shadow) -> str | None:
        return f"{shadow.id}/{self.key}" if self.key else None

    def _matches(self, shadow: Shadow) -> bool:
        by_number = self.numbered and self.source is Source.CALLBACK
        if by_number:
            is_known = self.provider == shadow.provider and shadow.number is not None
            return is_known or self.provider in shadow.formerly_numbered
        return self.provider == shadow.provider or self.provider in shadow.tried

    def _settle(self, shadow: Shadow) -> str:
        before, was_open = shadow.status, shadow.kind is Kind.OPEN
        is_former = self.provider != shadow.provider
        standing = Standing(before, shadow.codes, shadow.message, shadow.failure_reason, quantity=QUANTITY)
        timed_out = self.failure_reason is FailureReason.TIMEOUT
        claim = Claim(self.status, self.codes, self.message, timed_out, is_former)
        result = decide(standing, claim)
        if result is Result.CONFLICT:
            shadow.attention = "conflict"
        if is_former:
            shadow.tell(self.source, before, result)
            return result.value
        shadow.number = shadow.number or (shadow.its_number if self.numbered else None)
        if self.source is not Source.SWEEP:
            shadow.unknown_count = 0
        if self.source is Source.DISPATCH:
            shadow.sending = None
        elif self.source is not Source.SWEEP:
            shadow.may_be_known = True
        if result is Result.APPLIED:
            self._apply(shadow, before)
        if was_open and KINDS[shadow.status] is Kind.OPEN:
            self._plan(shadow, result)
        shadow.tell(self.source, before, result)
        return result.value

    def _plan(self, shadow: Shadow, result: Result) -> None:
        if result is Result.APPLIED and self.attention:
            shadow.attention = shadow.attention or self.attention.value
            shadow.planned = shadow.due = False
        elif self._plans(result):
            shadow.planned, shadow.due = True, False

    def _plans(self, result: Result) -> bool:
        told = result is Result.APPLIED or self.source is Source.CALLBACK
        return told and self.next_check_seconds is not None

    def _apply(self, shadow: Shadow, before: str) -> None:
        kind, had_codes = KINDS[self.status], bool(shadow.codes)
        shadow.late = shadow.late or shadow.kind is Kind.FAILED
        shadow.status = self.status.value
        shadow.message = self.message or shadow.message
        shadow.failure_reason = self.failure_reason.value if kind is Kind.FAILED else None
        refused = self.source is Source.DISPATCH and kind is Kind.FAILED
        sent = RANKS[self.status] >= RANKS["sent"] and not refused
        shadow.reached = shadow.reached or sent or before == "not_sent"
        if kind is Kind.REVERSED and shadow.attention != "conflict":
            shadow.attention = "reversed"
        if kind is Kind.COMPLETED:
            shadow.delivered = True
            shadow.codes = merged(shadow.codes, self.codes)
        if kind is not Kind.OPEN:
            shadow.planned = shadow.due = False
            shadow.code_asks = None
            shadow.attention = None if shadow.attention == "manual" else shadow.attention
        ask_seconds = CODE_ASK_SECONDS.get(self.source)
        if kind is Kind.COMPLETED and not had_codes and not self.codes and ask_seconds is not None:
            shadow.code_asks = 0 if self.source is Source.CALLBACK else 1
            shadow.planned, shadow.due = True, ask_seconds == 0


@dataclass(frozen=True)
class ClaimDispatch:
    """A worker takes the order for sending."""

    def run(self, shadow: Shadow) -> Any:
        return claims.claim_dispatch(shadow.id, 60) is not None

    def on(self, shadow: Shadow) -> Any:
        if shadow.status != "not_sent":
            return False
        shadow.status, shadow.due, shadow.reached = "pending", False, True
        shadow.sending, shadow.may_be_known, shadow.unknown_count = "under way", False, 0
        shadow.tell("dispatch", "not_sent")
        return True


@dataclass(frozen=True)
class ClaimNextProvider:
    """The first provider has refused; a worker takes the order for the second."""

    def run(self, shadow: Shadow) -> Any:
        route = Route(SECOND, {})
        return claims.claim_next_provider(shadow.id, FIRST, route, "no stock", 60) is not None

    def on(self, shadow: Shadow) -> Any:
        if shadow.status != "pending" or shadow.provider != FIRST:
            return False
        if shadow.number:
            shadow.formerly_numbered.add(FIRST)
        shadow.provider, shadow.number, shadow.unknown_count, shadow.due = SECOND, None, 0, False
        shadow.tried = (FIRST,)
        shadow.sending, shadow.may_be_known = "under way", False
        shadow.tell("dispatch", "pending")
        return True


@dataclass(frozen=True)
class InDoubt:
    """The send got no clear answer."""

    never_reached: bool

    def run(self, shadow: Shadow) -> Any:
        return claims.in_doubt(shadow.id, 30, never_reached=self.never_reached)

    def on(self, shadow: Shadow) -> Any:
        if shadow.status != "pending":
            return False
        shadow.due, shadow.sending = False, None
        shadow.unknown_count = claims.ASKS if self.never_reached and shadow.may_be_known is False else 0
        shadow.may_be_known = shadow.may_be_known if self.never_reached else True
        return True


@dataclass(frozen=True)
class Unknown:
    """The provider says that it does not know the reference."""

    def run(self, shadow: Shadow) -> Any:
        return claims.unknown_to_provider(shadow.id, 0)

    def on(self, shadow: Shadow) -> Any:
        if shadow.status not in ("pending", "sent", "processing") or shadow.sending == "under way":
            return 0
        shadow.unknown_count += 1
        return shadow.unknown_count


@dataclass(frozen=True)
class ClaimResend:
    """A worker takes an order for sending again that is certainly not at the provider."""

    def run(self, shadow: Shadow) -> Any:
        return claims.claim_resend(shadow.id, 60) is not None

    def on(self, shadow: Shadow) -> Any:
        if shadow.status != "pending" or shadow.unknown_count < claims.ASKS or shadow.sending == "under way":
            return False
        shadow.unknown_count, shadow.due = 0, False
        shadow.may_be_known = shadow.may_be_known if shadow.sending is None else True
        shadow.sending = "under way"
        shadow.tell("dispatch", "pending")
        return True


@dataclass(frozen=True)
class ClaimCheck:
    """A worker takes a due check. How long a callback is trusted is another test's."""

    def run(self, shadow: Shadow) -> Any:
        claimed = claims.claim_check(
            shadow.id, [30.0, 60.0], trust_seconds=-3600, order_timeout_seconds=86400, grace_seconds=60
        )
        return claimed is not None

    def on(self, shadow: Shadow) -> Any:
        is_open = shadow.kind is Kind.OPEN
        if not shadow.due or shadow.status == "not_sent" or not (is_open or shadow.check_requested):
            return False
        if shadow.code_asks is not None:
            return False
        shadow.due = shadow.check_requested = False
        shadow.planned = is_open
        return True


@dataclass(frozen=True)
class ClaimCodeAsk:
    """A worker takes a completed order whose code is to be asked for."""

    def run(self, shadow: Shadow) -> Any:
        claimed = claims.claim_code_ask(shadow.id, [30.0, 60.0], backoff_min_seconds=30, grace_seconds=60)
        if claimed and claimed.is_last:
            claims.end_code_asks(shadow.id)
        return claimed is not None

    def on(self, shadow: Shadow) -> Any:
        if not shadow.due or shadow.code_asks is None:
            return False
        shadow.due = shadow.check_requested = False
        asked = shadow.code_asks + 1
        shadow.planned = asked < claims.CODE_ASKS
        shadow.code_asks = asked if shadow.planned else None
        return True


def merged(known: tuple[Code, ...], given: tuple[Code, ...]) -> tuple[Code, ...]:
    """The codes of an order once those of an outcome were let in: serials filled in, new ones behind."""
    brought = {code.code: code for code in given}
    kept = [
        brought[code.code] if not code.serial and code.code in brought and brought[code.code].serial else code
        for code in known
    ]
    return (*kept, *(code for code in given if code.code not in {one.code for one in known}))


@dataclass(frozen=True)
class Decide:
    """A person decides the order's end."""

    status: ExternalStatus
    codes: tuple[Code, ...] = ()

    def run(self, shadow: Shadow) -> Any:
        why = {"by": "a person", "reason": "it is so"}
        if self.status is ExternalStatus.COMPLETED:
            return resolving.complete(shadow.id, self.codes, **why).changed
        act = resolving.fail if self.status is ExternalStatus.FAILED else resolving.reverse
        return act(shadow.id, **why).changed

    def on(self, shadow: Shadow) -> Any:
        before, kind = shadow.status, KINDS[self.status]
        codes = self._merged(shadow.codes) if kind is Kind.COMPLETED else shadow.codes
        brings = kind is Kind.COMPLETED and set(codes) != set(shadow.codes)
        timed_out = shadow.failure_reason == FailureReason.TIMEOUT
        changes = shadow.kind is not kind or shadow.attention is not None or timed_out or brings
        if changes:
            shadow.status, shadow.codes, shadow.attention = self.status.value, codes, None
            shadow.failure_reason = "person" if kind is Kind.FAILED else None
            shadow.delivered = shadow.delivered or kind is Kind.COMPLETED
            shadow.planned = shadow.due = False
            shadow.code_asks = None
        shadow.tell("operator", before, "applied" if changes else "duplicate")
        return changes

    def _merged(self, known: tuple[Code, ...]) -> tuple[Code, ...]:
        """The person's codes first, with what was known of them; then the others."""
        names = [code.code for code in self.codes]
        of_known = {code.code: code for code in merged(known, self.codes)}
        return (*(of_known[name] for name in names), *(code for code in known if code.code not in names))


@dataclass(frozen=True)
class Dismiss:
    """A person has seen what needed attention, and leaves the order as it is."""

    def run(self, shadow: Shadow) -> Any:
        return resolving.dismiss(shadow.id, by="a person", reason="seen").changed

    def on(self, shadow: Shadow) -> Any:
        before = shadow.attention
        waits = shadow.kind is Kind.OPEN and (before == "manual" or not shadow.planned)
        shadow.attention = "manual" if waits else None
        shadow.tell("operator", shadow.status, "applied" if before else "duplicate")
        return before != shadow.attention


@dataclass(frozen=True)
class Cancel:
    """The storefront takes it back."""

    def run(self, shadow: Shadow) -> Any:
        return unsent.cancel(shadow.id, "tests", order_timeout_seconds=factories.ORDER_TIMEOUT_SECONDS)

    def on(self, shadow: Shadow) -> Any:
        if shadow.status != "not_sent":
            return False
        shadow.status, shadow.failure_reason = "failed", "cancelled"
        shadow.message = "cancelled before it was sent"
        shadow.planned = shadow.due = False
        shadow.tell("api", "not_sent", "applied")
        return True


@dataclass(frozen=True)
class GiveUp:
    """No provider could be given it; its time is up, or is not."""

    overdue: bool

    def run(self, shadow: Shadow) -> Any:
        return unsent.give_up(shadow.id, 0 if self.overdue else 86400, "no provider")

    def on(self, shadow: Shadow) -> Any:
        if shadow.status != "not_sent" or not self.overdue:
            return False
        shadow.status, shadow.failure_reason, shadow.message = "failed", "timeout", "no provider"
        shadow.planned = shadow.due = False
        shadow.tell("sweep", "not_sent", "applied")
        return True


@dataclass(frozen=True)
class LeaveToPerson:
    """A worker finds a check planned of an order that a person fulfils."""

    def run(self, shadow: Shadow) -> Any:
        return plans.leave_to_person(shadow.id)

    def on(self, shadow: Shadow) -> Any:
        if shadow.kind is not Kind.OPEN or shadow.status in ("not_sent", "pending"):
            return False
        shadow.planned = shadow.due = shadow.check_requested = False
        shadow.attention = shadow.attention or "manual"
        return True


@dataclass(frozen=True)
class RequestCheck:
    """An operator wants to know now."""

    def run(self, shadow: Shadow) -> Any:
        return plans.request_check(shadow.id, same_within_seconds=0) is not None

    def on(self, shadow: Shadow) -> Any:
        if shadow.status == "not_sent" or not shadow.reached or shadow.attention == "manual":
            return False
        shadow.planned = shadow.due = shadow.check_requested = True
        return True


def settle(arrivals: Sequence[Arrival]) -> list[str]:
    """The results as plain words."""
    settled = order.settle(arrivals, order_timeout_seconds=factories.ORDER_TIMEOUT_SECONDS)
    return [one.result.value for one in settled]


FACTS = """
SELECT "externalStatus", status, "providerId", attention, "codeAsks", "providerMessage", "failureReason", late,
    "externalOrderId",
    "nextCheckAt" IS NOT NULL AS planned, "completedAt" IS NOT NULL AS completed, "durationMs" IS NOT NULL AS timed,
    "unknownCount", "mayBeKnown", CASE WHEN "sendingUntil" > now() THEN 'under way'
        WHEN "sendingUntil" IS NOT NULL THEN 'cut off' END AS sending
FROM product_orders WHERE id = %s
"""
TOLD = """
SELECT source, "from" AS before, "to" AS after, result FROM referans.order_events WHERE order_id = %s ORDER BY id
"""
