"""Actions on many orders, worked off in the background."""

from collections.abc import Iterator

from gateway import log
from gateway.fulfilment import deeds
from gateway.fulfilment.deeds import Action, Deed
from gateway.fulfilment.worker import BULK, Worker
from models import bulk
from models.bulk import Bulk
from models.db import database
from models.stuck import Limits

logger = log.get(__name__)

#: Seconds of one turn; then another message goes on, so that a worker that stops waits for no more than this.
TURN_SECONDS = 5.0
#: Orders after which it is noted that the work goes on.
NOTE_EVERY = 50
#: Unfinished ones that one sweep wakes workers for.
MOST_STALLED = 100


def work(worker: Worker, bulk_id: str) -> None:
    """Work on it for a turn; another message follows if there is more. May run twice at once."""
    until = worker.monotonic() + TURN_SECONDS
    with database.session():
        found = bulk.find(int(bulk_id))
        if found is None:
            return
        while is_left := _some(worker, found):
            bulk.note_progress(found.id)
            if worker.monotonic() >= until:
                break
        if is_left:
            worker.hints.send([(BULK, bulk_id)])
        elif bulk.note_progress(found.id):
            logger.info("An action on many orders is done.", action="bulk_done", bulk_id=found.id)


def _some(worker: Worker, found: Bulk) -> bool:
    """Up to NOTE_EVERY of its orders; False once none is left, or it was stopped."""
    deed, limits = _deed(found), Limits.of(worker.settings)
    wakes: list[tuple[str, str]] = []

    def act(order_id: str) -> None:
        if actor := deeds.carry_out(deed, order_id, limits):
            wakes.append((actor, order_id))

    worked_on = [bulk.work_on_next(found.id, act) for _ in range(NOTE_EVERY)]
    worker.hints.send(wakes)
    worker.tell()
    return worked_on[-1] is not None


def go_on(worker: Worker) -> Iterator[int]:
    """Go on with those that nobody works on."""
    found = bulk.stalled(MOST_STALLED)
    worker.hints.send([(BULK, str(each)) for each in found])
    yield len(found)


def _deed(found: Bulk) -> Deed:
    return Deed(
        Action(found.action),
        found.by,
        f"{found.reason} (one of {found.total} orders)",
        provider_id=found.options.get("provider_id"),
        may_buy_twice=bool(found.options.get("may_buy_twice")),
    )
