"""What to do about an order, as commands: about one that needs a person by its kind, about any other by its state."""

import shlex
from dataclasses import dataclass
from enum import StrEnum

from gateway.commands.printing import counted
from models import stuck
from models.order import Order, count_codes
from models.others import Hands
from models.provider_health import GATEWAY
from models.status import Attention, ExternalStatus, FailureReason, is_open
from models.stuck import StuckOrder


class Only(StrEnum):
    """Where a step helps."""

    #: No provider has the order.
    UNSENT = "unsent"
    #: Its provider is down, or the gateway has paused it: its account may be at fault.
    SICK = "sick"
    #: Its provider is paused.
    PAUSED = "paused"
    #: Another system has sent it to a provider that is not configured here; and anywhere else.
    ELSEWHERE = "elsewhere"
    HERE = "here"


@dataclass(frozen=True, slots=True)
class Step:
    """A command, and when to type it."""

    when: str
    command: str
    #: It helps there only; None is everywhere.
    only: Only | None = None


_ASK = Step("ask its provider now", "gateway orders check {id}")
_COMPLETE = Step("if delivered, with its code", "gateway orders complete {id} --reason …")
_FAIL = Step("if it will never be delivered", "gateway orders fail {id} --reason …")
_FOLLOW = Step(
    "to have it followed, with the URL of its panel",
    "gateway providers add {provider} --adapter znet --base-url https://… --callback token",
    Only.ELSEWHERE,
)
#: By kind, the first thing to do first.
NEXT: dict[str, tuple[Step, ...]] = {
    Attention.CONFLICT: (
        Step("see what happened", "gateway orders show {id}"),
        Step("see its codes, the conflicting one too", "gateway orders pin {id}"),
        Step("if what came last is right", "gateway orders accept {id} --reason …"),
        Step("if what came first is right", "gateway orders dismiss {id} --reason …"),
    ),
    Attention.CANNOT_ASK: (
        Step("if the panel of {provider} shows it as delivered", "gateway orders complete {id} --reason …"),
        Step("if the panel shows it as failed", "gateway orders fail {id} --reason …"),
        Step("if the panel does not list it", "gateway orders resend {id} --may-buy-twice --reason …"),
    ),
    Attention.REVERSED: (
        Step("see the codes that were taken back", "gateway orders pin {id}"),
        Step("once it is settled with the customer", "gateway orders dismiss {id} --reason …"),
        Step("if the codes are good after all", "gateway orders complete {id} --reason …"),
    ),
    Attention.NO_CODE: (
        _ASK,
        Step("with the code from the panel", "gateway orders complete {id} --reason …"),
        Step("if it has no code", "gateway orders dismiss {id} --reason …"),
    ),
    Attention.PARTIAL: (
        Step("see what was delivered", "gateway orders pin {id}"),
        Step("with what was missing", "gateway orders complete {id} --reason …"),
        Step("if it is settled with the customer", "gateway orders dismiss {id} --reason …"),
    ),
    Attention.IN_DOUBT: (
        _ASK,
        _COMPLETE,
        Step(
            "if the panel does not list {referans}",
            "gateway orders resend {id} --may-buy-twice --reason …",
        ),
        _FAIL,
    ),
    Attention.TIMED_OUT: (
        _ASK,
        _COMPLETE,
        _FAIL,
        Step("if it is settled in the system that placed it", "gateway orders dismiss {id} --reason …"),
    ),
    Attention.MANUAL: (
        Step("with the code that you bought", "gateway orders complete {id} --reason …"),
        _FAIL,
    ),
    Attention.NO_PROVIDER: (
        Step("see what is wrong", "gateway doctor", Only.HERE),
        _FOLLOW,
        Step("give it a provider", "gateway routes add {product} {package} PROVIDER", only=Only.UNSENT),
        _COMPLETE,
        _FAIL,
    ),
    Attention.PROVIDER_DOWN: (
        Step("see what it answers", "gateway providers test {provider}", Only.SICK),
        Step("if our password has changed", "gateway providers rotate {provider}", Only.SICK),
        Step("when it may have orders again", "gateway providers resume {provider}", Only.PAUSED),
        Step("to give it to another", "gateway orders resend {id} --provider OTHER --reason …", Only.UNSENT),
    ),
    Attention.OVERDUE: (
        Step("see whether worker and scheduler are alive", "gateway doctor"),
        Step("find what was missed, now", "gateway sweep"),
    ),
    Attention.NO_ANSWER: (_ASK, _COMPLETE, _FAIL),
    Attention.NOTIFICATION_DEAD: (
        Step("see what its receiver answers", "gateway notifications list --dead --order {id}"),
        Step("once that is mended", "gateway notifications redeliver --order {id}"),
        Step("if the storefront knows of it", "gateway orders dismiss {id} --reason …"),
    ),
}
#: Of a kind that another version has set.
OTHERWISE = (Step("see what happened", "gateway orders show {id}"),)


#: Why an order failed.
FAILED: dict[str, str] = {
    FailureReason.CUSTOMER: "the player or the number is wrong",
    FailureReason.PRODUCT: "it is not sold, or out of stock",
    FailureReason.ACCOUNT: "{provider} refused our account",
    FailureReason.PROVIDER: "{provider} refused or cancelled it",
    FailureReason.TIMEOUT: "there was no outcome in time",
    FailureReason.CANCELLED: "it was cancelled",
    FailureReason.PERSON: "a person decided so",
}


def why(order: Order, hands: Hands) -> str:
    """How an order that needs no person is doing, in a sentence without its full stop."""
    if theirs := _theirs(order, hands):
        return theirs[0]
    provider, codes = order.provider_id or "-", count_codes(order)
    match order.external_status:
        case ExternalStatus.COMPLETED:
            receipt = f": {order.receipt}" if order.receipt else ""
            many = counted(codes, "code") if codes else "no code"
            return f"{provider} delivered it, with {many}{receipt}"
        case ExternalStatus.FAILED:
            return _failed(order)
        case ExternalStatus.REVERSED:
            return f"{provider} took it back after it was delivered"
        case ExternalStatus.NOT_SENT:
            return f"it is about to be sent to {provider}"
    return f"it is on its way: {provider} has not said yet how it ended"


def _failed(order: Order) -> str:
    reason = FAILED.get(str(order.failure_reason), "see its timeline")
    return f"it failed: {reason.format(provider=order.provider_id or '-')}"


def otherwise(order: Order, hands: Hands) -> list[Step]:
    """What to do about an order that needs no person."""
    if theirs := _theirs(order, hands):
        return _filled(theirs[1], order)
    return _filled(_by_status(order), order)


def _by_status(order: Order) -> list[Step]:
    match order.external_status:
        case ExternalStatus.COMPLETED if count_codes(order):
            return [Step("see what was delivered", "gateway orders pin {id}")]
        case ExternalStatus.COMPLETED:
            return [Step("if it should have a code", "gateway orders check {id}")]
        case ExternalStatus.FAILED:
            again = " --may-buy-twice" if order.failure_reason == FailureReason.TIMEOUT else ""
            look = "if its panel does not list {referans}" if again else "to try again"
            resend = Step(look, f"gateway orders resend {{id}}{again} --reason …")
            is_account = order.failure_reason == FailureReason.ACCOUNT
            return [*([Step("see what it refuses", "gateway doctor")] if is_account else []), resend]
        case ExternalStatus.REVERSED:
            return [Step("see what was taken back", "gateway orders pin {id}")]
        case ExternalStatus.NOT_SENT:
            return [Step("if that takes longer than a minute", "gateway doctor")]
    return [_ASK]


def _theirs(order: Order, hands: Hands) -> tuple[str, list[Step]] | None:
    """How an order that another system placed is doing, and what to do, where that differs from one of ours."""
    if hands.is_ours:
        return None
    if order.external_status == ExternalStatus.NOT_SENT:
        return (
            f"another system placed it, sends it itself, and has not yet; its status there is {order.status}",
            [],
        )
    if order.external_status == ExternalStatus.FAILED:
        # Only the system that placed it may send it again.
        return _failed(order) if order.failure_reason else "it failed, as the system says that placed it", []
    is_asked = hands.has_provider and hands.has_reference
    return _unasked(order, hands) if is_open(order.external_status) and not is_asked else None


def _unasked(order: Order, hands: Hands) -> tuple[str, list[Step]]:
    """The same of one that is open, and that nobody can be asked about from here."""
    if order.provider_id is None:
        return "another system has it in hand and names no provider, so nobody here asks about it", []
    if not hands.has_provider:
        return stuck.ELSEWHERE.format(provider=order.provider_id), [_FOLLOW]
    nameless = f"another system has sent it to {order.provider_id}, but without a reference by which to ask"
    return f"{nameless}: provider_referans is empty", []


def next_steps(order: StuckOrder) -> list[Step]:
    """What to do about an order that needs a person."""
    holds = {
        None: True,
        Only.UNSENT: order.is_nowhere,
        Only.SICK: order.paused_by in (None, GATEWAY),
        Only.PAUSED: order.paused_by is not None,
        Only.ELSEWHERE: order.is_elsewhere,
        Only.HERE: not order.is_elsewhere,
    }
    return _filled([step for step in NEXT.get(str(order.attention), OTHERWISE) if holds[step.only]], order)


def _filled(steps: list[Step], order: Order) -> list[Step]:
    named = {
        "id": order.id,
        "referans": order.provider_referans,
        "provider": shlex.quote(order.provider_id or "PROVIDER"),
        "product": shlex.quote(order.product_id or "PRODUCT"),
        "package": shlex.quote(order.package_id or "PACKAGE"),
    }
    return [Step(step.when.format(**named), step.command.format(**named)) for step in steps]
