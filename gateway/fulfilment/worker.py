"""What the work on orders depends on."""

import random
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

from gateway import outbound
from gateway.counting import Counts
from gateway.fulfilment.backoff import Backoff
from gateway.fulfilment.permits import Permits
from gateway.settings import Settings
from models import order
from models.outcome import Arrival

#: The actors that orders are handed to.
DISPATCH, CHECK = "dispatch_order", "check_order_status"
#: The one that actions on many orders are handed to.
BULK = "work_on_bulk"
#: The one that statements of providers are handed to.
RECONCILE = "compare_statement"
#: Time for the statements around a call to a provider, in seconds.
BOOKKEEPING_SECONDS = 5


class Hints(Protocol):
    """Wakes workers. PostgreSQL holds the plan, so the sweep finds whatever a lost hint left undone."""

    def send(self, hints: Iterable[tuple[str, str]]) -> None:
        """Hand orders to actors: pairs of an actor's name and an order's id. Raises redis.RedisError."""

    def check_later(self, order_id: str, delay_seconds: float) -> None:
        """Hint at a planned check; does nothing if the next sweep comes first. Never raises redis.RedisError."""

    def waiting(self, actor_name: str) -> int:
        """How many messages wait for an actor, delayed ones not counted. Raises redis.RedisError."""

    def not_repeated(self, order_ids: Sequence[str], seconds: float) -> set[str]:
        """Those of `order_ids` for which no process has asked this within `seconds`. Raises redis.RedisError."""


@dataclass(frozen=True)
class Worker:
    """The dependencies of every function of this package; made once for each process."""

    settings: Settings
    client: outbound.Client
    permits: Permits
    hints: Hints
    counts: Counts = field(default_factory=Counts)
    uniform: Callable[[float, float], float] = random.uniform
    #: Called once a notification was written: something is to be delivered.
    tell: Callable[[], None] = lambda: None
    #: Seconds from any fixed moment.
    monotonic: Callable[[], float] = time.monotonic

    @cached_property
    def backoff(self) -> Backoff:
        """The waits between checks."""
        settings = self.settings
        return Backoff(
            settings.backoff_min, settings.backoff_max, settings.max_checks, settings.slow_check_interval
        )

    @cached_property
    def dispatch_grace_seconds(self) -> float:
        """Seconds after which a claimed order without news is in doubt: longer than any call can take."""
        return max(self.settings.first_check_delay, self.settings.call_timeout + BOOKKEEPING_SECONDS)

    def settle(self, arrivals: Sequence[Arrival]) -> list[order.Settled]:
        """Apply outcomes to their orders; see `models.order.settle`. Needs an open session."""
        settled = order.settle(arrivals, order_timeout_seconds=self.settings.order_timeout)
        if any(one.told for one in settled):
            self.tell()
        return settled
