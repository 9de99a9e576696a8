"""What to do about an order, as commands: about one that needs a person by its kind, about any other by its state."""

import shlex
from dataclasses import dataclass
from enum import StrEnum

from gateway.commands.printing import counted
from models.order import Order, count_codes
from models.provider_health import GATEWAY
from models.status import Attention, ExternalStatus, FailureReason
from models.stuck import StuckOrder


class Only(StrEnum):
    """Where a step helps."""

    #: No provider has the order.
    UNSENT = "unsent"
    #: Its provider is down, or the gateway has paused it: its account may be at fault.
    SICK = "sick"
    #: Its provider is paused.
    PAUSED = "paused"


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
        Step("see what is wrong", "gateway doctor"),
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


def why(order: Order) -> str:
    """How an order that needs no person is doing, in a sentence without its full stop."""
    provider, codes = order.provider_id or "-", count_codes(order)
    match order.external_status:
        case ExternalStatus.COMPLETED:
            receipt = f": {order.receipt}" if order.receipt else ""
            many = counted(codes, "code") if codes else "no code"
            return f"{provider} delivered it, with {many}{receipt}"
        case ExternalStatus.FAILED:
            reason = FAILED.get(str(order.failure_reason), "see its timeline")
            return f"it failed: {reason.format(provider=provider)}"
        case ExternalStatus.REVERSED:
            return f"{provider} took it back after it was delivered"
        case ExternalStatus.NOT_SENT:
            return f"it is about to be sent to {provider}"
    return f"it is on its way: {provider} has not said yet how it ended"


def otherwise(order: Order) -> list[Step]:
    """What to do about an order that needs no person."""
    match order.external_status:
        case ExternalStatus.COMPLETED if count_codes(order):
            steps = [Step("see what was delivered", "gateway orders pin {id}")]
        case ExternalStatus.COMPLETED:
            steps = [Step("if it should have a code", "gateway orders check {id}")]
        case ExternalStatus.FAILED:
            again = " --may-buy-twice" if order.failure_reason == FailureReason.TIMEOUT else ""
            look = "if its panel does not list {referans}" if again else "to try again"
            steps = [Step(look, f"gateway orders resend {{id}}{again} --reason …")]
            if order.failure_reason == FailureReason.ACCOUNT:
                steps.insert(0, Step("see what it refuses", "gateway doctor"))
        case ExternalStatus.REVERSED:
            steps = [Step("see what was taken back", "gateway orders pin {id}")]
        case ExternalStatus.NOT_SENT:
            steps = [Step("if that takes longer than a minute", "gateway doctor")]
        case _:
            steps = [_ASK]
    return _filled(steps, order)


def next_steps(order: StuckOrder) -> list[Step]:
    """What to do about an order that needs a person."""
    holds = {
        None: True,
        Only.UNSENT: order.is_nowhere,
        Only.SICK: order.paused_by in (None, GATEWAY),
        Only.PAUSED: order.paused_by is not None,
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
