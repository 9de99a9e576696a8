"""Following orders that another system sent to a provider of ours: it is told, and the gateway asks."""

from collections.abc import Iterator

import redis

from gateway import log
from gateway.fulfilment.worker import CHECK, Worker
from models import plans
from models.db import database
from models.plans import Adopted

logger = log.get(__name__)

#: Messages for checks that may wait; further ones wait in the database (`recovery` hands them over, and the sweep).
MAX_HINTS = 5_000


def take_up(worker: Worker) -> int:
    """Follow the orders that another system has sent meanwhile; how many. Raises what the database raises."""
    taken = 0
    with database.session():
        for adopted in _adopt(worker):
            _hint_at_due(worker, adopted)
            taken += len(adopted)
    return taken


def plan_checks(worker: Worker) -> Iterator[int]:
    """The same as a step of the sweep, which hints at what is due by itself; how many each batch had."""
    yield from map(len, _adopt(worker))


def _adopt(worker: Worker) -> Iterator[list[Adopted]]:
    """Plan the first check of each order that is not followed yet, in batches, and hint at those that are not due."""
    while adopted := plans.adopt(worker.settings.first_check_delay, worker.settings.sweep_batch):
        for each in adopted:
            if each.check_in_seconds > 0:
                worker.hints.check_later(each.id, each.check_in_seconds)
        yield adopted


def _hint_at_due(worker: Worker, adopted: list[Adopted]) -> None:
    """The plans stand: what is not hinted at is found when it is late."""
    due = [(CHECK, each.id) for each in adopted if each.check_in_seconds <= 0]
    try:
        worker.hints.send(due[: max(0, MAX_HINTS - worker.hints.waiting(CHECK))])
    except redis.RedisError as error:
        logger.warning("Orders are followed without hints.", action="not_hinted", error=str(error))
