"""What a person does about an order: the same whether about one, or about all that match."""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from gateway import providers
from gateway.fulfilment.worker import CHECK, DISPATCH
from gateway.said import Said
from models import lookup, plans, resolving, timeline
from models.codes import Code
from models.plans import Requested
from models.resolving import Decision, NotPossible
from models.status import ExternalStatus, Source
from models.stuck import Limits
from models.tenants import EVERYTHING

#: Characters of a reason at most.
MOST_REASON = 500


class Action(StrEnum):
    """What is done."""

    #: Ask the provider now.
    CHECK = "check"
    #: Take the outcome that was kept as a conflict.
    ACCEPT = "accept"
    #: Leave the order as it is; it needs no person any more.
    DISMISS = "dismiss"
    COMPLETE = "complete"
    FAIL = "fail"
    REVERSE = "reverse"
    RESEND = "resend"
    #: Write something on the timeline.
    NOTE = "note"


#: What may be done about many orders at once; codes are each order's own.
IN_BULK = (
    Action.CHECK,
    Action.ACCEPT,
    Action.DISMISS,
    Action.FAIL,
    Action.REVERSE,
    Action.RESEND,
    Action.NOTE,
)


@dataclass(frozen=True, slots=True)
class Deed:
    """What is to be done, and in whose name."""

    action: Action
    by: str
    reason: str
    #: What the person saw of the order (`resolving.prospects`); None: whatever it is by now.
    seen: str | None = None
    codes: tuple[Code, ...] = field(default=(), repr=False)
    #: Where to send it again; None: to the first provider of its route.
    provider_id: str | None = None
    may_buy_twice: bool = False


def is_reason(text: str) -> bool:
    """Whether the text says why: it has letters or digits, and is not too long."""
    return any(character.isalnum() for character in text) and len(text) <= MOST_REASON


def carry_out(deed: Deed, order_id: str, limits: Limits) -> str | None:
    """Do it; returns the actor to wake for the order, if any. Needs an open session.

    Raises NotPossible, sealed.Unsealable.
    """
    if deed.action is Action.CHECK:
        return _check(deed, order_id, limits)
    if deed.action is Action.NOTE:
        timeline.record(order_id, Source.OPERATOR, f"note: {deed.reason}", by=deed.by)
        return None
    decided = _decide(deed, order_id)
    return DISPATCH if decided.order.external_status == ExternalStatus.NOT_SENT else None


def _decide(deed: Deed, order_id: str) -> Decision:
    by, reason, seen = deed.by, deed.reason, deed.seen
    match deed.action:
        case Action.COMPLETE:
            return resolving.complete(order_id, deed.codes, by=by, reason=reason, seen=seen)
        case Action.RESEND:
            return resolving.resend(
                order_id,
                by=by,
                reason=reason,
                provider_id=deed.provider_id,
                may_buy_twice=deed.may_buy_twice,
                seen=seen,
            )
    return _PLAIN[deed.action](order_id, by=by, reason=reason, seen=seen)


#: Decisions that need no more than a reason.
_PLAIN: dict[Action, Callable[..., Decision]] = {
    Action.ACCEPT: resolving.accept,
    Action.DISMISS: resolving.dismiss,
    Action.FAIL: resolving.fail_unless_sent_elsewhere,
    Action.REVERSE: resolving.reverse,
}


def _check(deed: Deed, order_id: str, limits: Limits) -> str | None:
    found = lookup.by_id(order_id, EVERYTHING, limits)
    if found is None:
        raise NotPossible(Said("order {order} not found", order=order_id))
    asking = providers.asking_of(found.provider_id)
    requested = plans.request_check(order_id, asking)
    if requested is None:
        raise NotPossible(plans.why_unasked(found, asking))
    if requested is Requested.SAME:
        return None
    timeline.record(order_id, Source.OPERATOR, f"check requested: {deed.reason}", by=deed.by)
    return CHECK
