"""Orders that a person fulfils: no service is called, and nobody is asked."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from gateway import outbound
from gateway.providers.base import (
    Balance,
    Learned,
    Package,
    QuestionRefused,
    Reply,
    Task,
    Traits,
    UnknownReference,
    UnreadableCallback,
)
from models.outcome import Outcome
from models.provider import Provider
from models.status import ExternalStatus


class Manual:
    """Sending means that the order waits for a person, who completes or fails it."""

    HAS_SERVICE: ClassVar[bool] = False
    NEEDS_PERSON: ClassVar[bool] = True
    CURRENCY: ClassVar[str | None] = None
    CREDENTIALS: ClassVar[tuple[str, ...]] = ()
    OPTIONAL_CREDENTIALS: ClassVar[tuple[str, ...]] = ()
    PARAMS: ClassVar[tuple[str, ...]] = ()
    OPTIONAL_PARAMS: ClassVar[tuple[str, ...]] = ()
    FIELDS: ClassVar[tuple[str, ...]] = ()
    NEEDS: ClassVar[tuple[str, ...]] = ()
    ACKNOWLEDGEMENT: ClassVar[Reply | None] = None
    TRAITS: ClassVar[Traits] = Traits(max_quantity=None)

    def __init__(self, provider: Provider, client: outbound.Client) -> None:
        pass

    def send(self, task: Task) -> Outcome:
        return Outcome(ExternalStatus.SENT, task.referans)

    def check(self, tasks: Sequence[Task]) -> list[Learned]:
        """An order that is `pending`, because its send was cut off, is then given to a person again."""
        return [UnknownReference("a person fulfils the order, so there is no service to ask") for _ in tasks]

    def balance(self) -> Balance:
        raise QuestionRefused("a person fulfils these orders: they have no balance")

    def catalogue(self) -> list[Package]:
        raise QuestionRefused("a person fulfils these orders: they have no catalogue")

    @staticmethod
    def read_callback(fields: Mapping[str, Any], text: str = "") -> Outcome:
        raise UnreadableCallback("a person fulfils these orders: they have no callbacks")

    @staticmethod
    def write_callback(outcome: Outcome) -> Mapping[str, str]:
        raise ValueError("a person fulfils these orders: they have no callbacks")
