"""How many calls a provider gets at once and in a minute, counted in Redis over all workers."""

import random
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import redis
from redis.lock import Lock

from gateway.fulfilment.call_window import CallWindow
from gateway.outbound import DEADLINE_SECONDS
from models.provider import Provider

#: Time for the statements around a call, in seconds, after which the permit of a killed worker is free again.
SPARE_SECONDS = 30
#: The span of `max_per_minute`, in microseconds.
MINUTE_US = 60_000_000
#: Bounds of the wait, in seconds, for another try to get a permit.
BUSY_WAIT_SECONDS = (0.5, 1.5)
#: Their mean.
BUSY_SECONDS = sum(BUSY_WAIT_SECONDS) / 2


class Busy(Exception):
    """The provider has enough to do. Nothing was claimed or counted; try again after about BUSY_SECONDS."""

    def __init__(self, provider_id: str) -> None:
        super().__init__(f"{provider_id} has enough to do")


class Permits:
    """Permits for calls that take up to `call_seconds`."""

    def __init__(self, client: redis.Redis, *, call_seconds: float = DEADLINE_SECONDS) -> None:
        #: How many of the last calls failed.
        self.window = CallWindow(client)
        self._client = client
        self._call_seconds = call_seconds
        self._count_call = client.register_script(COUNT_CALL)

    @contextmanager
    def one_call(self, provider: Provider, call_seconds: float = 0) -> Iterator[None]:
        """Hold a permit for one call while the block runs. Raises Busy, redis.RedisError.

        `call_seconds` is what a call to this provider can take, where that is longer than usual.
        """
        slot = self._free_slot(provider, max(call_seconds, self._call_seconds) + SPARE_SECONDS)
        if slot is None:
            raise Busy(provider.id)
        try:
            limit, key = provider.max_per_minute, f"referans:calls-by-time:{provider.id}"
            if limit is not None and not self._count_call(keys=[key], args=[limit, MINUTE_US]):
                raise Busy(provider.id)
            yield
        finally:
            with suppress(redis.RedisError):
                slot.release()

    def _free_slot(self, provider: Provider, expiry_seconds: float) -> Lock | None:
        """One of the provider's slots. Each is a lock that expires, so that a killed worker blocks none for long."""
        for number in random.sample(range(provider.max_concurrency), provider.max_concurrency):
            name = f"referans:calls:{provider.id}:{number}"
            slot: Lock = self._client.lock(name, timeout=expiry_seconds)
            if slot.acquire(blocking=False):
                return slot
        return None


#: Counts one call if fewer than ARGV[1] were counted in the last ARGV[2] microseconds; 1 if it did. The server's clock
#: is used, because all workers share it.
COUNT_CALL = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[2])
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[1]) then return 0 end
redis.call('ZADD', KEYS[1], now, time[1] .. '.' .. time[2])
redis.call('PEXPIRE', KEYS[1], math.ceil(ARGV[2] / 1000))
return 1
"""
