"""Our worker, its broker and its middleware, with an actor that does nothing.

dramatiq tests.benchmarks.idle --processes 1 --threads 8
"""

import dramatiq

from actors import setup
from gateway.broker import QUEUES

__all__ = ["nothing", "setup"]


@dramatiq.actor(queue_name=QUEUES["check_order_status"], priority=10)
def nothing(order_id: str) -> None:
    """Nothing."""
