"""A provider never gets more calls than it was configured to take, at once or in a minute."""

from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import replace

import pytest
import redis

from gateway import broker
from gateway.fulfilment.permits import MINUTE_US, Busy, Permits
from gateway.settings import load
from models.provider import Provider

PROVIDER = Provider("panel", "znet", "http://127.0.0.1:1", "token", {}, max_concurrency=2)


@pytest.fixture
def permits(redis_client: redis.Redis) -> Permits:
    return Permits(redis_client)


def is_free(permits: Permits, provider: Provider = PROVIDER) -> bool:
    try:
        with permits.one_call(provider):
            return True
    except Busy:
        return False


def test_calls_at_once_are_limited_over_all_workers(permits: Permits, redis_url: str) -> None:
    with closing(redis.Redis.from_url(redis_url)) as client, ExitStack() as held:
        other = Permits(client)
        held.enter_context(permits.one_call(PROVIDER))
        held.enter_context(other.one_call(PROVIDER))
        assert not is_free(permits)
        assert not is_free(other)
        assert is_free(permits, replace(PROVIDER, id="another panel"))
    assert is_free(permits)


def test_a_call_that_fails_gives_its_permit_back(permits: Permits) -> None:
    for _ in range(3):
        with pytest.raises(ZeroDivisionError), permits.one_call(PROVIDER):
            raise ZeroDivisionError
    assert is_free(permits)


def test_the_permit_of_a_killed_worker_expires_after_the_longest_call(redis_client: redis.Redis) -> None:
    permits = Permits(redis_client, call_seconds=20)
    with permits.one_call(PROVIDER):
        [name] = redis_client.keys("referans:calls:*")  # type: ignore[misc]
        assert 40 < redis_client.ttl(name) <= 50


def test_calls_in_a_minute_are_limited_over_all_workers(permits: Permits, redis_url: str) -> None:
    provider = replace(PROVIDER, max_per_minute=3)
    with closing(redis.Redis.from_url(redis_url)) as client:
        other = Permits(client)
        assert [is_free(each, provider) for each in (permits, other, permits, other, permits)] == [
            True, True, True, False, False,
        ]  # fmt: skip


def test_a_call_that_is_a_minute_old_counts_no_more(permits: Permits, redis_client: redis.Redis) -> None:
    provider = replace(PROVIDER, max_per_minute=2)
    assert [is_free(permits, provider) for _ in range(3)] == [True, True, False]
    [key] = redis_client.keys("referans:calls-by-time:*")  # type: ignore[misc]
    oldest, _ = redis_client.zrange(key, 0, -1)  # type: ignore[misc]
    redis_client.zincrby(key, -MINUTE_US, oldest)
    assert [is_free(permits, provider) for _ in range(2)] == [True, False]
    assert 59_000 < redis_client.pttl(key) <= 60_000


def test_a_call_over_the_rate_holds_no_permit(permits: Permits, redis_client: redis.Redis) -> None:
    provider = replace(PROVIDER, max_per_minute=1)
    assert is_free(permits, provider)
    assert not is_free(permits, provider)
    assert not redis_client.keys("referans:calls:*")


def test_without_a_rate_calls_are_not_limited(permits: Permits, redis_client: redis.Redis) -> None:
    assert all(is_free(permits) for _ in range(20))
    assert not redis_client.keys("*")


@pytest.fixture
def away() -> Iterator[redis.Redis]:
    """A client whose server is not there; it fails at once."""
    settings = load({"REDIS_URL": "redis://127.0.0.1:1"}, require=())
    with broker.make_client(settings, strict=True) as client:
        yield client


def test_a_permit_that_has_expired_spoils_no_call(permits: Permits, redis_client: redis.Redis) -> None:
    with permits.one_call(PROVIDER):
        redis_client.flushdb()
    assert is_free(permits)


def test_a_permit_that_cannot_be_given_back_spoils_no_call(
    redis_url: str, away: redis.Redis, redis_client: redis.Redis
) -> None:
    with broker.make_client(load({"REDIS_URL": redis_url}, require=()), strict=True) as client:
        with Permits(client).one_call(PROVIDER):
            client.connection_pool = away.connection_pool
        assert redis_client.keys("referans:calls:*"), "it was given back: the test shows nothing"


def test_while_redis_is_away_no_call_is_made(away: redis.Redis) -> None:
    with pytest.raises(redis.RedisError), Permits(away).one_call(PROVIDER):
        pytest.fail("a call without a permit")
