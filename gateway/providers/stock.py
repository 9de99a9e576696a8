"""Own stock: no service, but codes that the shop has loaded (`gateway stock load`).

The one adapter that uses the database. Its own trouble is ours, not a provider's: a statement that fails puts the
order off, and neither fails it nor gives it to another provider.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar

import peewee
import psycopg2

from gateway import log, outbound
from gateway.providers.base import (
    About,
    Balance,
    InDoubt,
    Learned,
    NotTried,
    Package,
    ProviderError,
    QuestionRefused,
    Refused,
    Reply,
    Task,
    Traits,
    UnknownReference,
    UnreadableCallback,
)
from models import stock
from models.db import database, sealed
from models.outcome import Outcome
from models.provider import Provider
from models.status import ExternalStatus
from models.stock import Taken

logger = log.get(__name__)


class Stock:
    """Codes of our own. The route's parameter `stock` names the stock; without it, it has the provider's id."""

    HAS_SERVICE: ClassVar[bool] = False
    NEEDS_PERSON: ClassVar[bool] = False
    CURRENCY: ClassVar[str | None] = None
    CREDENTIALS: ClassVar[tuple[str, ...]] = ()
    OPTIONAL_CREDENTIALS: ClassVar[tuple[str, ...]] = ()
    PARAMS: ClassVar[tuple[str, ...]] = ()
    OPTIONAL_PARAMS: ClassVar[tuple[str, ...]] = (stock.STOCK,)
    FIELDS: ClassVar[tuple[str, ...]] = ()
    NEEDS: ClassVar[tuple[str, ...]] = ()
    ACKNOWLEDGEMENT: ClassVar[Reply | None] = None
    TRAITS: ClassVar[Traits] = Traits(max_quantity=None)

    def __init__(self, provider: Provider, client: outbound.Client) -> None:
        self._provider_id = provider.id

    def send(self, task: Task) -> Outcome:
        """Take as many codes as the order's quantity. Sent again, it has the same codes."""
        name = task.params.get(stock.STOCK) or self._provider_id
        with _trouble_is_ours(unclear=InDoubt):
            try:
                taken = stock.take(name, task.quantity, provider_id=self._provider_id, referans=task.referans)
            except sealed.Unsealable as error:
                raise InDoubt(f"codes were taken from the stock {name}, but do not open: {error}") from None
        if taken is None:
            too_few = "is empty" if task.quantity == 1 else f"has fewer than {task.quantity} codes left"
            raise Refused(f"the stock {name} {too_few}", About.PRODUCT)
        return _delivered(task, taken)

    def check(self, tasks: Sequence[Task]) -> list[Learned]:
        """The codes that each order took."""
        return [self._learned(task) for task in tasks]

    def _learned(self, task: Task) -> Learned:
        try:
            return self._taken_by(task)
        except ProviderError as error:
            return error

    def _taken_by(self, task: Task) -> Outcome:
        with _trouble_is_ours():
            try:
                taken = stock.taken_by(self._provider_id, task.referans)
            except sealed.NoKeyOpens as error:
                raise NotTried(f"the order's codes do not open: {error}") from None
            except sealed.Unsealable as error:
                raise QuestionRefused(f"the order's codes do not open: {error}") from None
        if taken is None:
            raise UnknownReference("the order has taken no codes")
        return _delivered(task, taken)

    def balance(self) -> Balance:
        raise QuestionRefused("own stock has no balance; see: gateway stock list")

    def catalogue(self) -> list[Package]:
        raise QuestionRefused("own stock has no catalogue; see: gateway stock list")

    @staticmethod
    def read_callback(fields: Mapping[str, Any], text: str = "") -> Outcome:
        raise UnreadableCallback("own stock has no callbacks")

    @staticmethod
    def write_callback(outcome: Outcome) -> Mapping[str, str]:
        raise ValueError("own stock has no callbacks")


@contextmanager
def _trouble_is_ours(unclear: type[ProviderError] = NotTried) -> Iterator[None]:
    """A session, of which errors of the database are raised as NotTried; as `unclear` where it may have committed."""
    try:
        with database.session():
            yield
    except (peewee.PeeweeException, psycopg2.Error, database.Unavailable) as error:
        undone = isinstance(error, database.Unavailable) or database.was_undone(error)
        logger.exception("The stock could not be used.", action="stock_failed")
        raise (NotTried if undone else unclear)(f"the database failed ({type(error).__name__})") from None


def _delivered(task: Task, taken: Taken) -> Outcome:
    return Outcome(
        ExternalStatus.COMPLETED, task.referans, codes=taken.codes, cost=taken.cost, currency=taken.currency
    )
