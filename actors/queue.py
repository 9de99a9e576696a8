"""Enqueueing from inside a worker: hints, like every message of ours."""

import random
from collections.abc import Iterable

import dramatiq
import redis

from actors.setup import broker, settings
from gateway import log
from gateway.broker import QUEUES, queue_lengths
from models.db import database

logger = log.get(__name__)

#: Bounds of the wait, in milliseconds, before an actor that got no permit tries again.
BUSY_WAIT_MS = (500, 1500)
#: Their mean.
BUSY_SECONDS = sum(BUSY_WAIT_MS) / 2000
#: Tries after which it leaves that to the sweep, whose next hint comes by then.
BUSY_TRIES = round(settings.sweep_period_seconds / BUSY_SECONDS)
#: Tries where the database is away for a moment.
AWAY_TRIES = 5


class Busy(dramatiq.Retry):
    """A provider has enough to do: nothing was claimed or counted, try again in a moment."""

    def __init__(self, provider_id: str) -> None:
        super().__init__(f"{provider_id} has enough to do", delay=random.randint(*BUSY_WAIT_MS))


def worth_retrying(retries: int, error: BaseException) -> bool:
    """What may be otherwise in a moment. The sweep takes care of all else."""
    if isinstance(error, Busy):
        return retries < BUSY_TRIES
    return retries < AWAY_TRIES and isinstance(error, database.UNAVAILABLE)


def waiting(actor_name: str) -> int:
    """How many messages wait for an actor's workers, those that wait for their time not counted.

    Raises redis.RedisError.
    """
    return queue_lengths(broker.client)[QUEUES[actor_name]]


def enqueue_all(orders: Iterable[tuple[str, str]]) -> None:
    """Hand orders to actors: pairs of an actor's name and an order's id. Raises redis.RedisError."""
    broker.enqueue_all(_message(actor_name, order_id) for actor_name, order_id in orders)


def enqueue_check(order_id: str, delay_seconds: float) -> None:
    """Enqueue a planned check, if it is due before the next sweep; else, or where Redis is away, the sweep has it.

    So Redis never holds more than one period of waiting messages, however many orders wait.
    """
    if delay_seconds > settings.sweep_period_seconds:
        return
    try:
        broker.enqueue(_message("check_order_status", order_id), delay=round(delay_seconds * 1000))
    except redis.RedisError as error:
        logger.warning(
            "The check was not enqueued; the sweep will find it.", action="enqueue_failed", error=str(error)
        )


def _message(actor_name: str, order_id: str) -> "dramatiq.Message[None]":
    return dramatiq.Message(
        queue_name=QUEUES[actor_name], actor_name=actor_name, args=(order_id,), kwargs={}, options={}
    )
