"""How many calls a provider gets at once and in a minute, counted in Redis over all workers."""

import random
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import redis
from dramatiq.rate_limits import WindowRateLimiter
from dramatiq.rate_limits.backends import RedisBackend
from redis.lock import Lock

from actors.queue import Busy
from actors.setup import broker
from gateway.outbound import DEADLINE_SECONDS
from models.provider import Provider

#: Seconds after which the permit of a killed worker is free again: no call takes longer, its bookkeeping included.
PERMIT_SECONDS = DEADLINE_SECONDS + 30

_client = broker.client
_backend = RedisBackend(client=_client)


@contextmanager
def one_call(provider: Provider) -> Iterator[None]:
    """Leave to call `provider`. Raises Busy where it has enough to do."""
    slot = _free_slot(provider)
    if slot is None:
        raise Busy(provider.id)
    try:
        if not _within_rate(provider):
            raise Busy(provider.id)
        yield
    finally:
        with suppress(redis.RedisError):
            slot.release()


def _free_slot(provider: Provider) -> Lock | None:
    """One of the provider's slots, each a lock with an end of its own, so that none is lost with its holder."""
    for number in random.sample(range(provider.max_concurrency), provider.max_concurrency):
        slot: Lock = _client.lock(f"referans:calls:{provider.id}:{number}", timeout=PERMIT_SECONDS)
        if slot.acquire(blocking=False):
            return slot
    return None


def _within_rate(provider: Provider) -> bool:
    if provider.max_per_minute is None:
        return True
    rate = WindowRateLimiter(
        _backend, f"referans:rate:{provider.id}", limit=provider.max_per_minute, window=60
    )
    with rate.acquire(raise_on_failure=False) as within:
        return bool(within)
