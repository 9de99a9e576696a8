"""What is the case with an order and what to do next, in sentences for people; the English text is the key."""

from dataclasses import dataclass

from gateway.web.ops import shapes
from models.claims import USUAL, Asking
from models.facts import Facts
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
    #: What to do about an order whose provider cannot be asked; None: the same.
    unasked: str | None = None


#: By kind of attention.
ADVICE: dict[str, Advice] = {
    Attention.CONFLICT: Advice(
        "One outcome came, then another that contradicts it. The first stands until a person decides.",
        "Look at both. Accept if what came last is right; dismiss if what came first is right.",
        ("accept", "dismiss"),
    ),
    "cannot_ask": Advice(
        "The provider may have it, and cannot be asked: its protocol has no question for this order.",
        "Find it in the provider's panel; then complete, fail or resend it. A callback that comes ends it, too.",
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
        "Complete it with the code from the provider's panel. If there is none, dismiss it.",
    ),
    "partial": Advice(
        "Some of the codes came, others did not.",
        "Check once more, or complete it with the missing codes.",
        ("check", "dismiss"),
        "Settle the rest with the customer, then dismiss it; or complete it with the missing codes.",
    ),
    Attention.IN_DOUBT: Advice(
        "The answer to sending is unknown: the provider may have it, or not.",
        "Check. Resend only once the provider's panel does not list it.",
        ("check",),
        "Find it in the provider's panel; then complete, fail or resend it.",
    ),
    Attention.TIMED_OUT: Advice(
        "The provider has not said how it ended, and its time is up. Another system placed it and decides it.",
        "Check. If it is settled in the other system, dismiss it here.",
        ("check", "dismiss"),
        "Find it in the provider's panel, decide it in the other system, then dismiss it here.",
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
        ("resend", "fail"),
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
        "Ask the provider by its number; then complete or fail it.",
    ),
    "notification_dead": Advice(
        "All tries to tell the storefront have failed.",
        "Repair the storefront's address, then redeliver.",
        ("dismiss",),
    ),
}
#: Of an order that another system has sent to a provider which is not configured here, in place of NO_PROVIDER.
ELSEWHERE = Advice(
    "Another system has sent it to a provider that is not configured here, so it is not asked about from here.",
    "Add the provider under exactly this id, and it is followed; or let the other system end it.",
)
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


def verdict(order: Order, facts: Facts) -> Verdict:
    """Of an order, whose `attention` is the computed one."""
    if order.attention:
        is_elsewhere = order.attention == Attention.NO_PROVIDER and not facts.is_ours
        of_kind = ELSEWHERE if is_elsewhere else advice(order.attention)
        following = of_kind.next if facts.can_be_asked else of_kind.unasked or of_kind.next
        return Verdict(
            shapes.kind(order.attention).symbol, shapes.kind(order.attention).word, of_kind.why, following
        )
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
    unknown = ("It is on its way.", "Its timeline says more.", None)
    return Verdict(symbol, *STAGES.get(order.external_status, unknown))


#: Why a provider cannot be asked for an order.
UNASKED = {
    "manual": "A person fulfils it: no provider can be asked about it.",
    "unsent": "It was not sent, so that there is nothing to ask about.",
    "unknown": "Its provider is not configured here, so it cannot be asked.",
    "buys": "It cannot be checked: to ask this provider is to send the order again, which may buy it twice once it has"
    " ended or is too old.",
    "never": "It cannot be checked: this provider answers no questions; only its callbacks tell.",
    "number": "It cannot be checked: this provider knows orders by its own number only, and has not told it.",
    "late": "It cannot be checked: this provider can be asked for a short time after sending only, which is over.",
    "no question": "It cannot be checked: for this order its provider's protocol has no question.",
}


def why_unasked(order: Order, facts: Facts, asking: Asking) -> str | None:
    """Why there is no check of the order, in English; None if there is."""
    if facts.can_be_asked:
        return None
    if order.attention == Attention.MANUAL:
        return UNASKED["manual"]
    if order.external_status == ExternalStatus.NOT_SENT or not order.provider_id:
        return UNASKED["unsent"]
    if not facts.has_provider:
        return UNASKED["unknown"]
    if asking == USUAL and order.attention != Attention.CANNOT_ASK:
        return UNASKED["unsent"]
    needs_number = asking.needs_number and not order.external_order_id
    needs = (("buys", asking.buys), ("never", asking.never), ("number", needs_number))
    return UNASKED[
        next((name for name, holds in needs if holds), "late" if asking.within_seconds else "no question")
    ]
