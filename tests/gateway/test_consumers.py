"""A worker's consumers survive faults of the queue: they fetch again as soon as it works."""

from collections.abc import Iterator
from pathlib import Path

import dramatiq
import pytest
import redis

from gateway.broker import make_broker
from gateway.dev.servers import EmbeddedValkey
from gateway.settings import load
from tests.waiting import wait_until

#: Milliseconds that outlast the test.
FAR_MS = 600_000


@pytest.fixture
def valkey(open_directory: Path, tmp_path: Path) -> Iterator[EmbeddedValkey]:
    """A queue of this test's own, to be filled."""
    with EmbeddedValkey(open_directory / tmp_path.name / "valkey", durable=False) as server:
        yield server


def test_delayed_messages_are_delivered_after_the_queue_was_full(
    valkey: EmbeddedValkey, caplog: pytest.LogCaptureFixture
) -> None:
    broker = make_broker(
        load({"DATABASE_URL": "postgresql://x", "REDIS_URL": valkey.url}, require=()), strict=False
    )
    heard: list[str] = []
    hear = dramatiq.actor(heard.append, actor_name="hear", queue_name="checks", broker=broker)
    worker = dramatiq.Worker(broker, worker_threads=1, worker_timeout=50)
    worker.start()
    try:
        with redis.Redis.from_url(valkey.url) as client:
            hear.send_with_options(args=("far",), delay=FAR_MS)
            wait_until(lambda: client.llen("referans:checks.DQ") == 0, what="the consumer has it in memory")
            client.config_set("maxmemory", 1)
            wait_until(
                lambda: _stumbles(caplog) > 1, 20, what="the consumer meets the full queue, again and again"
            )
            client.config_set("maxmemory", 0)

        hear.send_with_options(args=("after",), delay=50)
        wait_until(lambda: "after" in heard, 20, what="the delayed message")
    finally:
        worker.stop()


def _stumbles(caplog: pytest.LogCaptureFixture) -> int:
    return sum("checks.DQ" in one.name and "unexpected error" in one.message for one in caplog.records)


def test_many_messages_go_out_together_and_each_is_heard_once(redis_url: str) -> None:
    broker = make_broker(
        load({"DATABASE_URL": "postgresql://x", "REDIS_URL": redis_url}, require=()), strict=False
    )
    heard: list[int] = []
    hear = dramatiq.actor(heard.append, actor_name="hear", queue_name="checks", broker=broker)
    broker.enqueue_all(hear.message(number) for number in range(250))
    worker = dramatiq.Worker(broker, worker_threads=2, worker_timeout=50)
    worker.start()
    try:
        wait_until(lambda: len(heard) >= 250, what="every message")
        wait_until(lambda: broker.do_qsize("checks") == 0, what="every acknowledgement")
    finally:
        worker.stop()
    assert sorted(heard) == list(range(250))


def test_enqueueing_many_raises_while_the_queue_is_away(valkey: EmbeddedValkey) -> None:
    broker = make_broker(
        load({"DATABASE_URL": "postgresql://x", "REDIS_URL": valkey.url}, require=()), strict=True
    )
    hear = dramatiq.actor(print, actor_name="hear", queue_name="checks", broker=broker)
    valkey.kill()
    with pytest.raises(redis.RedisError):
        broker.enqueue_all([hear.message("unheard")])
    valkey.start()
