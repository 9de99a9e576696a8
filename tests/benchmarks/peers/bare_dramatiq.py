"""Dramatiq as it comes, with an actor that does nothing: what the queue itself allows.

dramatiq tests.benchmarks.peers.bare_dramatiq --processes 1 --threads 8
"""

import os

import dramatiq
from dramatiq.brokers.redis import RedisBroker

from gateway.broker import NAMESPACE, QUEUES

broker = RedisBroker(url=os.environ["REDIS_URL"], namespace=NAMESPACE)
dramatiq.set_broker(broker)


@dramatiq.actor(queue_name=QUEUES["check_order_status"])
def nothing(order_id: str) -> None:
    """Nothing."""
