"""How many calls a provider gets at once and in a minute, counted in Redis over all workers."""

import random
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import dramatiq
from dramatiq.rate_limits import ConcurrentRateLimiter, WindowRateLimiter
from dramatiq.rate_limits.backends import RedisBackend

from actors.setup import broker
from models.provider import Provider

#: A permit whose holder was killed is free again after this many milliseconds without any call to its provider.
PERMIT_TTL_MS = 60_000
#: Bounds of the wait, in milliseconds, before an actor that got no permit tries again.
WAIT_MS = (500, 1500)

_backend = RedisBackend(client=broker.client)


@contextmanager
def one_call(provider: Provider) -> Iterator[None]:
    """Leave to call `provider`. Raises dramatiq.Retry where it has enough to do: nothing was claimed or counted."""
    with ExitStack() as held:
        concurrent = ConcurrentRateLimiter(
            _backend, f"referans:calls:{provider.id}", limit=provider.max_concurrency, ttl=PERMIT_TTL_MS
        )
        if not held.enter_context(concurrent.acquire(raise_on_failure=False)) or not _within_rate(provider):
            raise dramatiq.Retry(f"{provider.id} has enough to do", delay=random.randint(*WAIT_MS))
        yield


def _within_rate(provider: Provider) -> bool:
    if provider.max_per_minute is None:
        return True
    rate = WindowRateLimiter(
        _backend, f"referans:rate:{provider.id}", limit=provider.max_per_minute, window=60
    )
    with rate.acquire(raise_on_failure=False) as within:
        return bool(within)
