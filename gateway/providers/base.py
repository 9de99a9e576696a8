"""The interface of provider adapters, and the errors they raise.

An adapter speaks one protocol with one provider. It turns a task into a call and an answer into an `Outcome`. It has no
access to the queue or to other orders, nor, but for own stock, to the database.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import ROUND_DOWN, Decimal, InvalidOperation
from enum import StrEnum
from typing import Any, Protocol

from gateway.outbound import Client
from models import masking, texts
from models.masking import Known
from models.outcome import Outcome
from models.provider import Provider
from models.route import Limit
from models.status import FailureReason


class ProviderError(Exception):
    """A call to a provider had no outcome. The message is for people and contains no secret.

    A provider may have written part of it, so it is cleaned, bounded and masked here, for every protocol. Of an
    `answer` that could not be read only the shape is shown.
    """

    def __init__(self, message: str, answer: str | None = None) -> None:
        #: The message; its `whole` is what the provider wrote.
        self.text = masking.mask(message) if answer is None else masking.unreadable(message, answer)
        super().__init__(str(self.text))


class About(StrEnum):
    """What a refusal is about."""

    #: This order, or nothing that is told apart: the next provider may take it.
    ORDER = "order"
    #: Not sold here, or no stock: the next provider may take it.
    PRODUCT = "product"
    #: The player or the number is wrong: every provider would refuse.
    CUSTOMER = "customer"
    #: Our account: the provider refuses everything until that is put right.
    ACCOUNT = "account"


#: Why an order failed that was refused, by what the refusal is about.
FAILURE_REASONS = {
    About.ORDER: FailureReason.PROVIDER,
    About.PRODUCT: FailureReason.PRODUCT,
    About.CUSTOMER: FailureReason.CUSTOMER,
    About.ACCOUNT: FailureReason.ACCOUNT,
}


class Refused(ProviderError):
    """The provider refused, and has not booked the order: try the next provider, or fail."""

    def __init__(
        self,
        message: str,
        about: About = About.ORDER,
        *,
        is_certain: bool = True,
        lacks_balance: bool = False,
    ) -> None:
        super().__init__(message)
        self.about = about
        #: Whether the words leave no doubt about what it is about.
        self.is_certain = is_certain
        #: Of a refusal about our account: the balance does not suffice.
        self.lacks_balance = lacks_balance


class InDoubt(ProviderError):
    """The provider may have the order, or says that it has: ask by reference, never send again."""


class NoAnswer(ProviderError):
    """No readable answer (timeout, cut connection, HTML, empty, 5xx): in doubt, and a failure of the provider."""


class NotReached(NoAnswer):
    """No connection was made. The provider cannot have the order, so it may be sent again without asking."""


class NotTried(ProviderError):
    """A fault on our side kept the call from going out. It says nothing about the provider: put the work off."""


class QuestionRefused(ProviderError):
    """The provider answered, but not about the order: nothing changes."""

    def __init__(self, message: str, answer: str | None = None, *, about: About | None = None) -> None:
        super().__init__(message, answer)
        #: What it is about, if the words say so.
        self.about = about


class UnknownReference(ProviderError):
    """The provider does not know the reference."""


class NotNow(ProviderError):
    """Not booked, and no refusal: the same call may be made again later. It says nothing against the provider."""

    def __init__(self, message: str, retry_after_seconds: float | None = None) -> None:
        super().__init__(message)
        #: Seconds that the provider asks for.
        self.retry_after_seconds = retry_after_seconds


class CannotAsk(ProviderError):
    """The provider cannot be asked for this order: nothing that it knows it by is known here."""


class UnreadableCallback(ValueError):
    """The content of a callback is not valid; the message says why, cleaned, bounded and masked."""

    def __init__(self, message: str) -> None:
        super().__init__(str(masking.mask(message, texts.TIMELINE)))


class Traces(StrEnum):
    """What a provider can be asked by."""

    #: Our reference.
    REFERENCE = "reference"
    #: The provider's own number, which the answer to the send brings. If that is lost, nothing can be asked.
    OWN_NUMBER = "own_number"
    #: Nothing: only callbacks bring the outcome.
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Traits:
    """What the core must know of a protocol."""

    traces: Traces = Traces.REFERENCE
    #: Asking is sending again: an order that the provider does not have is bought by it.
    ask_buys: bool = False
    #: Seconds after the send in which the provider can be asked; None: always.
    ask_within_seconds: float | None = None
    #: Orders in one question.
    max_check: int = 1
    #: A question about several names each by the provider's own number, and not by our reference.
    many_by_own_number: bool = False
    #: Seconds that a call may take; None: as any other.
    timeout_seconds: float | None = None
    #: Pieces in one order; None: any number.
    max_quantity: int | None = 1

    @property
    def can_always_ask(self) -> bool:
        """Whether a send whose answer was lost can be asked about."""
        return self.traces is Traces.REFERENCE


@dataclass(frozen=True, slots=True)
class Reply:
    """What the sender of a callback waits for as the answer."""

    body: str
    #: A 2xx.
    status: int = 200
    content_type: str = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class AskNow:
    """A callback that is only a reason to ask: its signature does not cover the state, or it says none."""

    referans: str | None = None
    external_order_id: str | None = None


@dataclass(frozen=True, slots=True)
class Task:
    """What a provider needs to know of an order."""

    referans: str
    user_identifier: str = ""
    extra_field: str | None = None
    #: Further inputs of the order, by name.
    fields: Mapping[str, str] = field(default_factory=dict)
    quantity: int = 1
    external_order_id: str | None = None
    #: Of the route: the names that this provider has for the product.
    params: Mapping[str, str] = field(default_factory=dict)
    #: Of the route: templates for FIELDS of the adapter; empty for the protocol's own way.
    field_map: Mapping[str, str] = field(default_factory=dict)
    #: Secret texts of codes that the order has already.
    codes: tuple[str, ...] = field(default=(), repr=False)
    #: When the order was placed; None where it is not known.
    created_at: datetime | None = None
    #: What the route says of codes: auto, code or no-code.
    expects: str = "auto"
    #: Where the provider is to call back; empty if it does not.
    callback_url: str = ""
    #: What it may cost, in the currency of the account; None: anything, or what it may cost is said in another one.
    limit: Limit | None = None

    def ceilings(self) -> dict[str, str]:
        """What a template may name of what the order may cost: `max_price` for one piece, `max_cost` for all, and the
        currency of that; empty where nothing is said.

        The parameters of the route with these names say it, too. Of two prices the lower counts, of two costs the one
        that the order brings.
        """
        said = {name: str(self.params.get(name, "")) for name in CEILINGS}
        if self.limit is None:
            return said
        price = _amount(min(_price(self.limit), _number(said["max_price"]) or _price(self.limit)))
        return {
            "max_price": price,
            "max_cost": _amount(self.limit.amount),
            "max_cost_currency": self.limit.currency,
        }

    def numbers(self) -> list[str]:
        """What an answer may repeat of the order: its numbers and names are no codes, whatever they look like."""
        named = (self.referans, self.user_identifier, self.extra_field, self.external_order_id)
        return [*filter(None, (*named, *self.fields.values())), *map(str, self.params.values())]

    def inputs(self) -> dict[str, str | None]:
        """What the templates of a route may name."""
        return {**self.fields, "userIdentifier": self.user_identifier, "extraField": self.extra_field}


#: What `Task.ceilings` makes.
CEILINGS = ("max_price", "max_cost", "max_cost_currency")


def _price(limit: Limit) -> Decimal:
    """What one piece may cost, in cents, or in what the limit is said in if that is finer."""
    exponent = limit.amount.as_tuple().exponent
    finest = Decimal(1).scaleb(min(-2, exponent if isinstance(exponent, int) else 0))
    return (
        limit.amount if limit.quantity == 1 else (limit.amount / limit.quantity).quantize(finest, ROUND_DOWN)
    )


def _number(text: str) -> Decimal | None:
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def _amount(amount: Decimal) -> str:
    return format(amount.normalize(), "f")


@dataclass(frozen=True, slots=True)
class Balance:
    """The balance of our account with the provider."""

    amount: Decimal
    currency: str
    #: Other parts of the answer, such as a debt.
    note: str | None = None

    def __post_init__(self) -> None:
        if self.note is not None:
            object.__setattr__(self, "note", masking.mask(self.note, texts.LAST_MESSAGE))


@dataclass(frozen=True, slots=True)
class Package:
    """One line of a provider's catalogue."""

    id: str
    name: str
    price: Decimal | None
    currency: str
    #: The parameters of a route to this package.
    params: Mapping[str, str]

    def __post_init__(self) -> None:
        name = masking.strike(texts.clean(self.name, masking.MAX_READ))
        object.__setattr__(self, "name", texts.clean(name, texts.LAST_MESSAGE))


def known(provider: Provider, *tasks: Task) -> Known:
    """What is known of the texts in a provider's answer about these orders, or in a callback."""
    secrets = (*provider.credentials.values(), *provider.secrets())
    codes = tuple(code for task in tasks for code in task.codes)
    numbers = (number for task in tasks for number in task.numbers())
    return Known(secrets, codes, (provider.id, provider.base_url, *numbers))


#: What was learned of one order.
Learned = Outcome | ProviderError
#: What a callback says: an outcome, that the provider is to be asked, or, for a mere ping, nothing.
Said = Outcome | AskNow | None


class Adapter(Protocol):
    """Speaks a protocol with one provider."""

    def send(self, task: Task) -> Outcome:
        """Send the order to the provider. Raises Refused, NotNow, InDoubt, NotReached, NoAnswer."""

    def check(self, tasks: Sequence[Task]) -> list[Learned]:
        """Ask for the status of orders, up to `max_check` in one call: what was learned of each, in their order.

        UnknownReference, QuestionRefused, CannotAsk, NotNow, NotReached, NoAnswer.
        """

    def balance(self) -> Balance:
        """Ask for our balance; changes nothing. Raises QuestionRefused, NoAnswer."""

    def catalogue(self) -> list[Package]:
        """Ask for what the provider sells. Raises QuestionRefused, NoAnswer."""


class Kind(Protocol):
    """One provider protocol: the class of an adapter that is code, or what a file describes.

    Called with a provider, which has URL and credentials, and the client that makes the calls, it gives the adapter.
    """

    #: Whether it calls a service. One without has no base URL, no credentials, no balance and no callbacks.
    HAS_SERVICE: bool
    #: Whether a person fulfils its orders: once sent, they are neither asked about nor do they time out.
    NEEDS_PERSON: bool
    #: The currency of its amounts, where the protocol says it; None where a provider has one of its own.
    CURRENCY: str | None
    #: Names of the credentials it needs, without those of its callbacks.
    CREDENTIALS: tuple[str, ...]
    #: Names of the credentials that it may have beside them.
    OPTIONAL_CREDENTIALS: tuple[str, ...]
    #: Names of the parameters that a route to it must have (`gateway routes add … --param NAME=VALUE`).
    PARAMS: tuple[str, ...]
    #: Names of those that a route may have.
    OPTIONAL_PARAMS: tuple[str, ...]
    #: Names of its fields that a route may fill by templates (`gateway routes add … --map FIELD=TEMPLATE`).
    FIELDS: tuple[str, ...]
    #: Those of FIELDS that may not be empty.
    NEEDS: tuple[str, ...]
    #: The answer to a callback in this protocol's own format; None for JSON.
    ACKNOWLEDGEMENT: Reply | None
    #: What the core must know of it.
    TRAITS: Traits

    def __call__(self, provider: Provider, client: Client) -> Adapter: ...

    def read_callback(self, fields: Mapping[str, Any], text: str = "") -> Said:
        """What a callback of this protocol's own format says; `text` is its body. Raises UnreadableCallback."""

    def write_callback(self, outcome: Outcome) -> Mapping[str, str]:
        """The form that `read_callback` takes for this outcome. Raises ValueError where the protocol has no word."""
