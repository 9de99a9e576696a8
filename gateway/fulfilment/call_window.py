"""How many of a provider's last calls failed, counted in Redis over all workers: a healthy one costs no statement."""

from dataclasses import dataclass

import redis

#: The span that counts, in seconds, and that of one bucket of it.
WINDOW_SECONDS, BUCKET_SECONDS = 300, 15
#: Calls in the window from which its share of failures says something.
MIN_CALLS = 20
#: The provider is down where at least one in this many calls failed.
FAILED_ONE_IN = 3


@dataclass(frozen=True, slots=True)
class Counts:
    """What the window holds."""

    calls: int
    failures: int

    @property
    def too_many_failed(self) -> bool:
        """Whether they are enough calls, and too many of them failed."""
        return self.calls >= MIN_CALLS and self.failures * FAILED_ONE_IN >= self.calls


class CallWindow:
    """Counts calls and failures. While Redis is away nothing is counted, and only failures in a row count."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._count = client.register_script(COUNT)

    def answered(self, provider_id: str) -> bool:
        """Count a call that was answered; whether the one before it had failed, as far as is known."""
        found = self._counted(provider_id, is_failure=False)
        return found is not None and bool(found[2])

    def failed(self, provider_id: str) -> Counts | None:
        """Count a call that failed; what the window now holds, or None if Redis is away."""
        found = self._counted(provider_id, is_failure=True)
        return Counts(found[0], found[1]) if found else None

    def forget(self, provider_id: str) -> None:
        """Empty the window, so that what is over does not count again."""
        try:
            self._client.delete(_key(provider_id))
        except redis.RedisError:
            return

    def _counted(self, provider_id: str, *, is_failure: bool) -> list[int] | None:
        """Calls and failures in the window (for a failure only), and the failures in a row before this call."""
        values = [BUCKET_SECONDS, WINDOW_SECONDS // BUCKET_SECONDS, int(is_failure)]
        try:
            found: list[int] = self._count(keys=[_key(provider_id)], args=values)
        except redis.RedisError:
            return None
        return found


def _key(provider_id: str) -> str:
    return f"referans:call-window:{provider_id}"


#: One hash for each provider, with the fields `<bucket>:calls` and `<bucket>:failures`, and `in_row`. It uses the clock
#: of the server, which all workers share. Buckets that are too old go when a new one begins.
COUNT = """
local key, span, most, failed = KEYS[1], ARGV[1], tonumber(ARGV[2]), ARGV[3] == '1'
local bucket = math.floor(redis.call('TIME')[1] / span)
local is_new = redis.call('HINCRBY', key, bucket .. ':calls', 1) == 1
redis.call('EXPIRE', key, span * (most + 1))
local in_row = tonumber(redis.call('HGET', key, 'in_row') or '0')
if failed then
    redis.call('HINCRBY', key, bucket .. ':failures', 1)
    redis.call('HINCRBY', key, 'in_row', 1)
elseif in_row > 0 then
    redis.call('HDEL', key, 'in_row')
end
local calls, failures = 0, 0
if failed or is_new then
    local all = redis.call('HGETALL', key)
    for i = 1, #all, 2 do
        local number, kind = string.match(all[i], '^(%d+):(%a+)$')
        if number and tonumber(number) <= bucket - most then
            redis.call('HDEL', key, all[i])
        elseif kind == 'calls' then
            calls = calls + all[i + 1]
        elseif kind == 'failures' then
            failures = failures + all[i + 1]
        end
    end
end
return {calls, failures, in_row}
"""
