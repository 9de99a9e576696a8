"""What is the case with an order and what to do next, in sentences for people; the English text is the key."""

from dataclasses import dataclass

from gateway.web.ops import shapes
from models.order import Order, count_codes
from models.status import Attention, ExternalStatus, FailureReason


@dataclass(frozen=True, slots=True)
class Verdict:
    """The first sentences of a page."""

    symbol: str
    title: str
    why: str
    next: str | None


@dataclass(frozen=True, slots=True)
class Advice:
    """Of a kind: why orders of it need a person, and what to do; what may be done about all of them at once."""

    why: str
    next: str
    bulk: tuple[str, ...] = ("check",)


#: By kind of attention.
ADVICE: dict[str, Advice] = {
    Attention.CONFLICT: Advice(
        "One outcome came, then another that contradicts it. The first stands until a person decides.",
        "Look at both. Accept if what came last is right; dismiss if what came first is right.",
        ("accept", "dismiss"),
    ),
    "cannot_ask": Advice(
        "The answer to sending is unknown, and the provider cannot be asked about its orders.",
        "Look into the provider's panel, then complete or fail it.",
        ("fail",),
    ),
    Attention.REVERSED: Advice(
        "The provider took its delivery back.",
        "Settle it with the customer, then dismiss. If the codes are good after all, complete it.",
        ("dismiss",),
    ),
    Attention.NO_CODE: Advice(
        "The provider says completed, but the code that should come has not. The customer has nothing yet.",
        "Check once more. Still none: complete it with the code from the provider's panel.",
        ("check", "dismiss"),
    ),
    "partial": Advice(
        "Some of the codes came, others did not.",
        "Check once more, or complete it with the missing codes.",
        ("check", "dismiss"),
    ),
    Attention.IN_DOUBT: Advice(
        "The answer to sending is unknown: the provider may have it, or not.",
        "Check. Resend only once the provider's panel does not list it.",
        ("check",),
    ),
    Attention.TIMED_OUT: Advice(
        "The provider has not said how it ended, and its time is up. Another system placed it and decides it.",
        "Check. If it is settled in the other system, dismiss it here.",
        ("check", "dismiss"),
    ),
    Attention.MANUAL: Advice(
        "It waits for a person to fulfil it.",
        "Complete it with the code that was bought, or fail it.",
        ("fail",),
    ),
    Attention.NO_PROVIDER: Advice(
        "No provider of its route can take it.",
        "Add a route or a provider: it is then sent by itself. Fail it only if the customer was told.",
        ("resend", "fail"),
    ),
    Attention.PROVIDER_DOWN: Advice(
        "The provider is down or paused, and the route has no other. It is sent by itself when the provider is back.",
        "Look at the provider. To send it elsewhere now, resend it to another provider.",
        ("check", "resend", "fail"),
    ),
    Attention.OVERDUE: Advice(
        "Its next step is overdue: a whole sweep has missed it.",
        "See on the first page whether worker and scheduler are alive.",
        ("check",),
    ),
    Attention.NO_ANSWER: Advice(
        "The provider has given no outcome in all its checks, and is asked slowly now.",
        "Check, or ask the provider by its number.",
        ("check", "fail"),
    ),
    "notification_dead": Advice(
        "All tries to tell the storefront have failed.",
        "Repair the storefront's address, then redeliver.",
        ("dismiss",),
    ),
}
UNKNOWN = Advice("A newer version of the gateway has set this.", "Its timeline says more.", ("dismiss",))

#: Why an order failed.
FAILED: dict[str, str] = {
    FailureReason.CUSTOMER: "The player or the number is wrong.",
    FailureReason.PRODUCT: "It is not sold, or out of stock.",
    FailureReason.ACCOUNT: "The provider refused our account.",
    FailureReason.PROVIDER: "The provider refused or cancelled it.",
    FailureReason.TIMEOUT: "There was no outcome in time.",
    FailureReason.CANCELLED: "It was cancelled.",
    FailureReason.PERSON: "A person decided so.",
}
#: By stage, what is the case with an order that needs no person, and what comes next.
STAGES: dict[str, tuple[str, str, str | None]] = {
    ExternalStatus.NOT_SENT: ("It is about to be sent.", "Nothing was bought yet.", None),
    ExternalStatus.PENDING: ("It is being sent.", "The provider has not answered yet.", None),
    ExternalStatus.SENT: (
        "It is on its way.",
        "The provider has it and has not said yet how it ended.",
        None,
    ),
    ExternalStatus.PROCESSING: ("It is on its way.", "The provider is working on it.", None),
    ExternalStatus.REVERSED: ("It was delivered, then taken back.", "The storefront was told.", None),
}


def advice(kind: str) -> Advice:
    """Of a kind of attention."""
    return ADVICE.get(kind, UNKNOWN)


def verdict(order: Order) -> Verdict:
    """Of an order, whose `attention` is the computed one."""
    if order.attention:
        of_kind = advice(order.attention)
        symbol = shapes.kind(order.attention).symbol
        return Verdict(symbol, shapes.kind(order.attention).word, of_kind.why, of_kind.next)
    symbol = shapes.stage(order.external_status).symbol
    if order.external_status == ExternalStatus.COMPLETED:
        why = "The storefront has what the provider sent."
        return Verdict(
            symbol,
            "It is delivered." if count_codes(order) else "It is delivered, without a code.",
            why,
            None,
        )
    if order.external_status == ExternalStatus.FAILED:
        why = FAILED.get(str(order.failure_reason), "Its timeline says more.")
        return Verdict(symbol, "It failed.", why, "To try again, resend it.")
    title, why, following = STAGES.get(
        order.external_status, ("It is on its way.", "Its timeline says more.", None)
    )
    return Verdict(symbol, title, why, following)
