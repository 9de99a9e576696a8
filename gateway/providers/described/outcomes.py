"""What comes of an answer, in the words of the core: outcomes and errors. Pure."""

from typing import Any

from gateway.providers.base import (
    FAILURE_REASONS,
    About,
    Balance,
    CannotAsk,
    InDoubt,
    NoAnswer,
    NotNow,
    Package,
    ProviderError,
    QuestionRefused,
    Refused,
    UnknownReference,
)
from gateway.providers.described.answers import Answer, Meant
from gateway.providers.described.places import Path
from gateway.providers.described.schema import Means, Packages
from models import texts
from models.outcome import Outcome
from models.status import ExternalStatus, FailureReason

#: The statuses that meanings are.
STATUSES = {
    Means.SENT: ExternalStatus.SENT,
    Means.PROCESSING: ExternalStatus.PROCESSING,
    Means.COMPLETED: ExternalStatus.COMPLETED,
    Means.PARTIAL: ExternalStatus.COMPLETED,
    Means.FAILED: ExternalStatus.FAILED,
    Means.REVERSED: ExternalStatus.REVERSED,
}
#: Digits of the longest wait that is kept to, in seconds.
WAIT_DIGITS = 6


def outcome(meant: Meant, referans: str | None, currency: str | None, quantity: int | None) -> Outcome | None:
    """The outcome that an answer says; None if it says none. A part of a single piece is nothing."""
    status = STATUSES.get(meant.means)
    if status is None:
        return None
    if meant.means is Means.PARTIAL and quantity == 1:
        status = ExternalStatus.FAILED
    is_delivered, parts = status is ExternalStatus.COMPLETED, meant.parts
    return Outcome(
        status,
        referans,
        parts.get("own"),
        codes=meant.codes if is_delivered else (),
        unreadable_code=meant.unreadable_code and is_delivered,
        receipt=parts.get("receipt"),
        message=parts.get("message"),
        cost=texts.clean_money(parts.get("cost", "")),
        currency=parts.get("currency") or currency,
        remaining=texts.clean_money(parts.get("remaining", "")),
        is_partial=meant.means is Means.PARTIAL and is_delivered,
        failure_reason=_failure_reason(status, meant.rule.about),
    )


def _failure_reason(status: ExternalStatus, about: About) -> FailureReason | None:
    return FAILURE_REASONS[about] if status is ExternalStatus.FAILED and about is not About.ORDER else None


def not_sent(meant: Meant | None, answer: Answer) -> ProviderError:
    """What the answer to a send means that says no outcome. Without a rule it is never a refusal."""
    if meant is None:
        return _unread(answer) or InDoubt(f"no rule matches the answer: {answer.text}")
    said = meant.parts.get("message") or answer.text
    if meant.means is Means.REFUSED:
        return Refused(said, meant.rule.about, lacks_balance=meant.rule.lacks_balance)
    return _either(meant, answer, said) or InDoubt(said)


def not_learned(meant: Meant | None, answer: Answer) -> ProviderError:
    """What the answer to a question means that says no outcome. Without a rule nothing was learned."""
    if meant is None:
        return _unread(answer) or QuestionRefused("nothing in the answer is about the order", answer.text)
    said = meant.parts.get("message") or answer.text
    if meant.means is Means.UNKNOWN:
        return UnknownReference(said)
    if meant.means is Means.CANNOT_ASK:
        return CannotAsk(said)
    about = meant.rule.about if meant.means is Means.REFUSED else None
    return _either(meant, answer, said) or QuestionRefused(said, about=about)


def _either(meant: Meant, answer: Answer, said: str) -> ProviderError | None:
    """What means the same of a send and of a question."""
    if meant.means in (Means.NOT_NOW, Means.TOKEN_EXPIRED):
        wait = meant.parts.get("retry_after") or answer.retry_after
        is_number = wait.isdecimal() and len(wait) <= WAIT_DIGITS
        return NotNow(said, float(wait) if is_number else meant.rule.retry_after)
    if meant.means is Means.NO_ANSWER:
        return NoAnswer(f"HTTP {answer.http}", answer.text)
    return None


def _unread(answer: Answer) -> NoAnswer | None:
    if answer.http >= 500 or not answer.is_readable:
        return NoAnswer(f"HTTP {answer.http}, and no answer of the protocol", answer.text)
    return None


def balance(meant: Meant | None, answer: Answer, currency: str | None) -> Balance:
    """Raises QuestionRefused, NotNow, NoAnswer."""
    amount = texts.clean_money(meant.parts.get("amount", "")) if meant and meant.means is Means.OK else None
    if meant is None or amount is None:
        raise not_learned(meant, answer)
    return Balance(amount, meant.parts.get("currency") or currency or "", meant.parts.get("message"))


def packages(said: Packages, meant: Meant | None, answer: Answer, currency: str | None) -> list[Package]:
    """Raises QuestionRefused, NotNow, NoAnswer."""
    listed = said.each.find(answer.tree) if meant and meant.means is Means.OK else None
    if not isinstance(listed, list):
        raise not_learned(meant, answer)
    return [_package(said, line, currency) for line in listed]


def _package(said: Packages, line: Any, currency: str | None) -> Package:
    def text(place: Path | None) -> str:
        return place.text_in(line) if place else ""

    price = texts.clean_money(text(said.price))
    return Package(
        text(said.id),
        text(said.name),
        price / said.price_for if price is not None else None,
        text(said.currency) or currency or "",
        {name: text(place) for name, place in said.params.items()},
    )
