"""What to do about an order that needs a person, as commands."""

import shlex
from dataclasses import dataclass

from models.order import Order
from models.status import Attention, ExternalStatus


@dataclass(frozen=True, slots=True)
class Step:
    """A command, and when to type it."""

    when: str
    command: str
    #: It helps only before the order was sent.
    only_unsent: bool = False


_ASK = Step("ask its provider now", "gateway orders check {id}")
_COMPLETE = Step(
    "if it was delivered, with the code from the panel", "gateway orders complete {id} --reason …"
)
_FAIL = Step("if it will never be delivered", "gateway orders fail {id} --reason …")
#: By kind, the first thing to do first.
NEXT: dict[str, tuple[Step, ...]] = {
    Attention.CONFLICT: (
        Step("see what happened", "gateway orders show {id}"),
        Step("see every code, the conflicting one too", "gateway orders pin {id}"),
        Step("if what contradicts it is right", "gateway orders accept {id} --reason …"),
        Step("if the order is right as it is", "gateway orders dismiss {id} --reason …"),
    ),
    Attention.REVERSED: (
        Step("see the codes that were taken back", "gateway orders pin {id}"),
        Step("once the customer is served or refunded", "gateway orders dismiss {id} --reason …"),
        Step("if the codes are good after all", "gateway orders complete {id} --reason …"),
    ),
    Attention.NO_CODE: (
        _ASK,
        Step("with the code from the panel", "gateway orders complete {id} --reason …"),
        Step("if it has no code", "gateway orders dismiss {id} --reason …"),
    ),
    Attention.IN_DOUBT: (
        _ASK,
        _COMPLETE,
        Step(
            "only if the panel does not list {referans}",
            "gateway orders resend {id} --may-buy-twice --reason …",
        ),
        _FAIL,
    ),
    Attention.MANUAL: (
        Step("with the code that you bought", "gateway orders complete {id} --reason …"),
        _FAIL,
    ),
    Attention.NO_PROVIDER: (
        Step("see what is wrong", "gateway doctor"),
        Step("give it a provider", "gateway routes add {product} {package} PROVIDER", only_unsent=True),
        _COMPLETE,
        _FAIL,
    ),
    Attention.PROVIDER_DOWN: (
        Step("see whether it answers", "gateway providers test {provider}"),
        Step("if it was paused and may have orders again", "gateway providers resume {provider}"),
        Step(
            "if another one should have the order",
            "gateway orders resend {id} --provider PROVIDER --reason …",
            only_unsent=True,
        ),
    ),
    Attention.OVERDUE: (
        Step("see whether worker and scheduler are alive", "gateway doctor"),
        Step("find what was missed, now", "gateway sweep"),
    ),
    Attention.NO_ANSWER: (_ASK, _COMPLETE, _FAIL),
}
#: Of a kind that another version has set.
OTHERWISE = (Step("see what happened", "gateway orders show {id}"),)


def next_steps(order: Order) -> list[Step]:
    """What to do about an order that needs a person."""
    named = {
        "id": order.id,
        "referans": order.provider_referans,
        "provider": shlex.quote(order.provider_id or "PROVIDER"),
        "product": shlex.quote(order.product_id or "PRODUCT"),
        "package": shlex.quote(order.package_id or "PACKAGE"),
    }
    return [
        Step(step.when.format(**named), step.command.format(**named))
        for step in NEXT.get(str(order.attention), OTHERWISE)
        if order.external_status == ExternalStatus.NOT_SENT or not step.only_unsent
    ]
