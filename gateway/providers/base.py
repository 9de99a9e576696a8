"""The shape every provider adapter has, and what can go wrong with a provider.

An adapter speaks one protocol. It turns a task into a call and an answer into an `Outcome`; it knows no
database, no queue and no order but the one it is handed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, ClassVar, Protocol

from gateway.outbound import Client
from models.outcome import Outcome
from models.provider import Provider


class ProviderError(Exception):
    """A call to a provider did not bring an outcome. The message is for people and holds no secret."""


class Refused(ProviderError):
    """The provider said no, and has not booked the order: try the next one, or fail."""


class InDoubt(ProviderError):
    """The provider may have the order, or says it has: ask by reference, never send again."""


class NoAnswer(ProviderError):
    """Nothing came that can be read (timeout, cut connection, HTML, empty, 5xx): in doubt, and the provider ails."""


class NotReached(NoAnswer):
    """No connection was made: the provider cannot have the order, so it may be sent again without asking."""


class QuestionRefused(ProviderError):
    """The provider answered, but said nothing of the order: nothing changes."""


class UnknownReference(ProviderError):
    """The provider does not know the reference."""


class UnreadableCallback(ValueError):
    """A callback's content makes no sense; the message says what is missing."""


@dataclass(frozen=True, slots=True)
class Task:
    """One order as a provider needs it."""

    referans: str
    user_identifier: str = ""
    extra_field: str | None = None
    quantity: int = 1
    external_order_id: str | None = None
    #: From the route: what the product is called at this provider.
    params: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Balance:
    """What is left on our account with the provider."""

    amount: Decimal
    currency: str
    #: Anything else the provider said, such as a debt.
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Package:
    """One line of a provider's catalogue."""

    id: str
    name: str
    price: Decimal | None
    currency: str
    #: What a route to this package needs.
    params: Mapping[str, str]


class Adapter(Protocol):
    """One provider protocol. `provider` brings address and credentials, `client` the way out."""

    #: Names of the credentials it needs beside `callback_secret`.
    CREDENTIALS: ClassVar[tuple[str, ...]]
    #: What to answer a callback in this protocol's own words; None answers in ours.
    ACKNOWLEDGEMENT: ClassVar[str | None]

    def __init__(self, provider: Provider, client: Client) -> None: ...

    def send(self, task: Task) -> Outcome:
        """Give the provider the order. Raises Refused, InDoubt, NotReached, NoAnswer."""

    def check(self, task: Task) -> Outcome:
        """Ask for the order. Raises UnknownReference, QuestionRefused, NoAnswer."""

    def balance(self) -> Balance:
        """Ask for our balance; changes nothing. Raises QuestionRefused, NoAnswer."""

    def catalogue(self) -> list[Package]:
        """Ask for what the provider sells. Raises QuestionRefused, NoAnswer."""

    @staticmethod
    def read_callback(fields: Mapping[str, Any]) -> Outcome:
        """The outcome in a callback of this protocol's own words. Raises UnreadableCallback."""
