"""The share of a provider's last calls that failed."""

from contextlib import closing

import pytest
import redis

from gateway import broker
from gateway.fulfilment.call_window import BUCKET_SECONDS, WINDOW_SECONDS, CallWindow, Counts
from gateway.settings import load

KEY = "referans:call-window:panel"


@pytest.fixture
def window(redis_client: redis.Redis) -> CallWindow:
    return CallWindow(redis_client)


def call(window: CallWindow, answered: int, failed: int) -> Counts:
    """What the window holds after so many calls."""
    for _ in range(answered):
        window.answered("panel")
    counts = [window.failed("panel") for _ in range(failed)][-1]
    assert counts
    return counts


def grow_older(client: redis.Redis, buckets: int) -> None:
    """Let every call that was counted be so many buckets older."""
    counted: dict[bytes, bytes] = client.hgetall(KEY)  # type: ignore[assignment]
    client.delete(KEY)
    for name, count in counted.items():
        bucket, _, kind = name.decode().partition(":")
        client.hset(KEY, f"{int(bucket) - buckets}:{kind}" if kind else bucket, count.decode())


@pytest.mark.parametrize(
    ("answered", "failed", "too_many"),
    [
        (13, 7, True),
        (14, 6, False),
        (12, 7, False),
        (0, 19, False),
        (0, 20, True),
        (40, 19, False),
        (40, 20, True),
    ],
)
def test_a_third_of_at_least_twenty_calls_is_too_many(
    window: CallWindow, answered: int, failed: int, too_many: bool
) -> None:
    counts = call(window, answered, failed)
    assert counts == Counts(answered + failed, failed)
    assert counts.too_many_failed is too_many


def test_workers_share_it_and_each_provider_has_its_own(window: CallWindow, redis_url: str) -> None:
    with closing(redis.Redis.from_url(redis_url)) as client:
        CallWindow(client).failed("panel")
        CallWindow(client).failed("another")
    assert window.failed("panel") == Counts(2, 2)


def test_calls_count_for_five_minutes(window: CallWindow, redis_client: redis.Redis) -> None:
    call(window, 3, 2)
    grow_older(redis_client, WINDOW_SECONDS // BUCKET_SECONDS - 1)
    assert window.failed("panel") == Counts(6, 3)
    grow_older(redis_client, 1)
    assert window.failed("panel") == Counts(2, 2)


def test_it_takes_little_room_and_goes_by_itself(window: CallWindow, redis_client: redis.Redis) -> None:
    for _ in range(30):
        window.answered("panel")
        grow_older(redis_client, 1)
    window.answered("panel")
    assert redis_client.hlen(KEY) <= WINDOW_SECONDS // BUCKET_SECONDS
    assert WINDOW_SECONDS <= redis_client.ttl(KEY) <= WINDOW_SECONDS + BUCKET_SECONDS


def test_an_answer_knows_whether_the_call_before_it_failed(window: CallWindow) -> None:
    assert not window.answered("panel")
    window.failed("panel")
    window.failed("panel")
    assert window.answered("panel")
    assert not window.answered("panel")


def test_it_can_be_emptied(window: CallWindow) -> None:
    call(window, 20, 20)
    window.forget("panel")
    assert window.failed("panel") == Counts(1, 1)


def test_while_redis_is_away_nothing_is_counted() -> None:
    with broker.make_client(load({"REDIS_URL": "redis://127.0.0.1:1"}, require=()), strict=True) as away:
        window = CallWindow(away)
        assert window.failed("panel") is None
        assert not window.answered("panel")
        window.forget("panel")
