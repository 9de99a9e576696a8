"""When a message is tried again, in Dramatiq's terms."""

import random
from collections.abc import Callable
from functools import wraps

import dramatiq

from gateway.fulfilment.permits import BUSY_SECONDS, BUSY_WAIT_SECONDS, Busy
from gateway.fulfilment.recovery import AGAIN_SECONDS
from models.db import database

#: Tries for a permit; after them `recovery` hands the order over once more.
BUSY_TRIES = round(AGAIN_SECONDS / BUSY_SECONDS)
#: Tries while the database is away for a moment.
AWAY_TRIES = 5


class BusyRetry(dramatiq.Retry):
    """The provider was busy: nothing was claimed or counted, try again in a moment."""


def retried_when_busy(work: Callable[[str], None]) -> Callable[[str], None]:
    """`work`, whose Busy becomes a Retry after BUSY_WAIT_SECONDS."""

    @wraps(work)
    def translated(order_id: str) -> None:
        try:
            work(order_id)
        except Busy as busy:
            delay_ms = round(1000 * random.uniform(*BUSY_WAIT_SECONDS))  # noqa: S311  (spreads the load)
            raise BusyRetry(str(busy), delay=delay_ms) from None

    return translated


def worth_retrying(retries: int, error: BaseException) -> bool:
    """Whether another try soon may succeed. Everything else is left to the sweep."""
    if isinstance(error, BusyRetry):
        return retries < BUSY_TRIES
    return retries < AWAY_TRIES and isinstance(error, database.UNAVAILABLE)
