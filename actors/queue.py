"""Enqueueing from inside a worker: hints, like every message of ours."""

import dramatiq
import redis

from actors.setup import broker, settings
from gateway import log
from gateway.broker import QUEUES

logger = log.get(__name__)


def enqueue(actor_name: str, order_id: str, delay_seconds: float = 0) -> None:
    """Hand an order to an actor. Raises redis.RedisError."""
    message: dramatiq.Message[None] = dramatiq.Message(
        queue_name=QUEUES[actor_name], actor_name=actor_name, args=(order_id,), kwargs={}, options={}
    )
    broker.enqueue(message, delay=round(delay_seconds * 1000) or None)


def enqueue_check(order_id: str, delay_seconds: float) -> None:
    """Enqueue a planned check, if it is due before the next sweep; else, or where Redis is away, the sweep has it.

    So Redis never holds more than one period of waiting messages, however many orders wait.
    """
    if delay_seconds > settings.sweep_period_seconds:
        return
    try:
        enqueue("check_order_status", order_id, delay_seconds)
    except redis.RedisError as error:
        logger.warning(
            "The check was not enqueued; the sweep will find it.", action="enqueue_failed", error=str(error)
        )
