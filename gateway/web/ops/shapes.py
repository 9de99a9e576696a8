"""How a state looks and is called: a shape, a colour and a word, never one of them alone."""

from dataclasses import dataclass

from models.status import Attention, ExternalStatus


@dataclass(frozen=True, slots=True)
class Shape:
    """A symbol, which also names the colour, and a word in English."""

    symbol: str
    word: str


#: By externalStatus.
STAGES: dict[str, Shape] = {
    ExternalStatus.NOT_SENT: Shape("wait", "Not sent"),
    ExternalStatus.PENDING: Shape("wait", "Being sent"),
    ExternalStatus.SENT: Shape("wait", "Sent"),
    ExternalStatus.PROCESSING: Shape("wait", "Processing"),
    ExternalStatus.COMPLETED: Shape("ok", "Completed"),
    ExternalStatus.FAILED: Shape("fail", "Failed"),
    ExternalStatus.REVERSED: Shape("back", "Reversed"),
}
#: By kind of attention.
KINDS: dict[str, Shape] = {
    Attention.CONFLICT: Shape("person", "The provider contradicts itself"),
    "cannot_ask": Shape("person", "The provider cannot be asked"),
    Attention.REVERSED: Shape("back", "Delivered, then taken back"),
    Attention.NO_CODE: Shape("person", "Completed without a code"),
    "partial": Shape("person", "Delivered in part"),
    Attention.IN_DOUBT: Shape("person", "May have reached the provider"),
    Attention.TIMED_OUT: Shape("person", "No outcome in time"),
    Attention.MANUAL: Shape("person", "Left to a person"),
    Attention.NO_PROVIDER: Shape("person", "No provider for the package"),
    Attention.PROVIDER_DOWN: Shape("person", "The provider is down"),
    Attention.OVERDUE: Shape("person", "A step was missed"),
    Attention.NO_ANSWER: Shape("wait", "No answer yet"),
    "notification_dead": Shape("fail", "The storefront was not told"),
}


def stage(external_status: str) -> Shape:
    """Of an order's stage."""
    return STAGES.get(external_status, Shape("wait", external_status))


def kind(attention: str) -> Shape:
    """Of a reason why a person is needed; one of another version has its own word."""
    return KINDS.get(attention, Shape("person", attention))
