"""Taking up within a minute what a fault of ours had put off, once it is mended: hints that Redis did not take while it
was full or away, work for which the database took no writes, or for which our keys opened nothing.

Such orders are late although the queue is nearly empty. The sweep would find them, some minutes later.
"""

import redis

from gateway import log
from gateway.fulfilment.worker import CHECK, DISPATCH, Worker
from models import plans, readiness, sweep_run
from models.db import database
from models.plans import DueOrder
from models.status import ExternalStatus

logger = log.get(__name__)

#: Seconds by which a plan is overdue, or which a new order has waited, when its hint counts as lost.
LATE_SECONDS = 15
#: Seconds until an order is handed to a worker again if it is still late: its work may fail each time.
AGAIN_SECONDS = 30
#: Messages up to which a queue counts as nearly empty: a longer one has the hints, and workers that are behind.
NEARLY_EMPTY = 100
#: Orders taken up at once.
MOST = 5_000
#: The name in `heartbeats` of a worker whose keys open nothing; `gateway doctor` looks for it.
WRONG_KEYS = "worker with wrong ENCRYPTION_KEYS"


def take_up(worker: Worker) -> int:
    """Hand late orders to workers again, each at most once in AGAIN_SECONDS; how many.

    Does nothing while the fault lasts. Raises what the database raises.
    """
    with database.session():
        late = plans.late(LATE_SECONDS, worker.settings.first_check_delay, MOST)
        if not late or _is_hindered():
            return 0
    try:
        taken = _hint(worker, late)
    except redis.RedisError as error:
        logger.warning(
            "Orders are late, and the queue takes no hints.", action="not_taken_up", error=str(error)
        )
        return 0
    if taken:
        logger.info("Orders whose hints were lost are taken up.", action="recovered", count=taken)
    return taken


def _is_hindered() -> bool:
    """Whether the work would fail all the same in this process."""
    if readiness.keys_open_nothing():
        logger.error("Orders are late: no key of ENCRYPTION_KEYS opens what is stored.", action="wrong_keys")
        sweep_run.beat(WRONG_KEYS)
        return True
    if obstacle := readiness.obstacle():
        logger.error("Orders are late: nothing can be written.", action="no_writes", reason=obstacle.cause)
        return True
    return False


def _hint(worker: Worker, late: list[DueOrder]) -> int:
    """Raises redis.RedisError."""
    hints = [(DISPATCH if one.external_status == ExternalStatus.NOT_SENT else CHECK, one.id) for one in late]
    free = {actor for actor in (DISPATCH, CHECK) if worker.hints.waiting(actor) < NEARLY_EMPTY}
    wanted = [order_id for actor, order_id in hints if actor in free]
    first = worker.hints.not_repeated(wanted, AGAIN_SECONDS) if wanted else set()
    worker.hints.send(hint for hint in hints if hint[1] in first)
    return len(first)
