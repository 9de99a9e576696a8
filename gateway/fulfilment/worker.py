"""What the work on orders depends on."""

import random
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

from gateway import outbound, providers
from gateway.counting import Counts
from gateway.fulfilment.backoff import Backoff, together_seconds
from gateway.fulfilment.permits import Permits
from gateway.measuring import SETTLING, Measures
from gateway.settings import Settings
from gateway.tracing import OFF, Traces
from models import order
from models.outcome import Arrival
from models.provider import Provider

#: The actors that orders are handed to.
DISPATCH, CHECK = "dispatch_order", "check_order_status"
#: The one that actions on many orders are handed to.
BULK = "work_on_bulk"
SWEEP = "sweep"
#: The one that statements of providers are handed to.
RECONCILE = "compare_statement"
#: Time for the statements around a call to a provider, in seconds.
BOOKKEEPING_SECONDS = 5
#: How often an order is asked about, for once otherwise, whose provider's callbacks fall short of what is usual.
TIGHTER = 2


class Hints(Protocol):
    """Wakes workers. PostgreSQL holds the plan, so the sweep finds whatever a lost hint left undone."""

    def send(self, hints: Iterable[tuple[str, str]]) -> None:
        """Hand orders to actors: pairs of an actor's name and an order's id. Raises redis.RedisError."""

    def check_later(self, order_id: str, delay_seconds: float) -> None:
        """Hint at a planned check; does nothing if the next sweep comes first. Never raises redis.RedisError."""

    def dispatch_later(self, order_id: str, delay_seconds: float) -> None:
        """The same for a send that was put off."""

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
    measures: Measures = field(default_factory=Measures)
    traces: Traces = OFF
    uniform: Callable[[float, float], float] = random.uniform
    #: Called once a notification was written: something is to be delivered.
    tell: Callable[[], None] = lambda: None
    #: Seconds from any fixed moment.
    monotonic: Callable[[], float] = time.monotonic
    #: Seconds since 1970.
    clock: Callable[[], float] = time.time
    #: Where a provider is to call back; empty if it is not to.
    callback_url: Callable[[Provider], str] = lambda provider: ""

    @cached_property
    def backoff(self) -> Backoff:
        """The waits between checks."""
        settings = self.settings
        return Backoff(
            settings.backoff_min, settings.backoff_max, settings.max_checks, settings.slow_check_interval
        )

    @cached_property
    def starts_seconds(self) -> list[float]:
        """See `Backoff.starts_seconds`."""
        return self.backoff.starts_seconds()

    def call_seconds(self, provider: Provider) -> float:
        """Seconds that a call to this provider can take."""
        return max(self.settings.call_timeout, providers.traits(provider.adapter).timeout_seconds or 0)

    @cached_property
    def dispatch_grace_seconds(self) -> float:
        """Seconds after which a claimed order without news is in doubt: longer than any usual call can take."""
        return max(self.settings.first_check_delay, self.settings.call_timeout + BOOKKEEPING_SECONDS)

    def grace_seconds(self, provider: Provider | None) -> float:
        """The same for orders of this provider, whose calls may take longer than is usual."""
        if provider is None:
            return self.dispatch_grace_seconds
        return max(self.dispatch_grace_seconds, self.call_seconds(provider) + BOOKKEEPING_SECONDS)

    def first_check_seconds(self, provider: Provider) -> float:
        """Seconds from a send to this provider until it is asked for the order."""
        delay_seconds = self.settings.first_check_delay
        if providers.traits(provider.adapter).max_check == 1:
            return delay_seconds
        return together_seconds(delay_seconds, self.clock())

    def delays_seconds(self, provider: Provider | None, *, is_tight: bool = False) -> list[float]:
        """The wait after each check, longer than the check can take.

        Orders that are asked about together wait until the same moments. With `is_tight`, since callbacks fall short,
        the waits are a TIGHTER-th as long, and BACKOFF_MIN at least.
        """
        if provider is None:
            return self.backoff.delays_seconds(self.uniform)
        least_seconds, part = (self.settings.backoff_min, TIGHTER) if is_tight else (0.0, 1)
        of = providers.traits(provider.adapter)
        shortest_seconds = self.call_seconds(provider) + BOOKKEEPING_SECONDS if of.timeout_seconds else 0
        if of.max_check == 1:
            delays = self.backoff.delays_seconds(self.uniform)
            return [max(each / part, least_seconds, shortest_seconds) for each in delays]
        now, delays = self.clock(), self.backoff.delays_seconds(lambda low, high: low)
        return [together_seconds(max(each / part, least_seconds, shortest_seconds), now) for each in delays]

    @contextmanager
    def one_call(self, provider: Provider) -> Iterator[None]:
        """Hold a permit for one call while the block runs. Raises Busy, redis.RedisError."""
        with self.permits.one_call(provider, self.call_seconds(provider)):
            yield

    def settle(self, arrivals: Sequence[Arrival]) -> list[order.Settled]:
        """Apply outcomes to their orders; see `models.order.settle`. Needs an open session."""
        began = time.perf_counter()
        settled = order.settle(arrivals, order_timeout_seconds=self.settings.order_timeout)
        self.measures.observe(SETTLING, time.perf_counter() - began, "worker")
        if any(one.told for one in settled):
            self.tell()
        return settled
