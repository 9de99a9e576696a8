"""The periodic search for whatever was missed. PostgreSQL knows; the queue may have forgotten."""

import time
from collections.abc import Callable

import dramatiq
import peewee
from periodiq import cron

from actors.dispatch import settle
from actors.queue import enqueue_all, waiting, worth_retrying
from actors.setup import settings
from gateway import log
from gateway.broker import QUEUES
from models import idempotency, inbox, plans, sweep_run
from models.db import database, sealed
from models.outcome import Arrival
from models.plans import DueOrder
from models.status import ExternalStatus

logger = log.get(__name__)

#: A sweep leaves what it could not do in this time to the next one.
MAX_SECONDS = 240
#: Messages that may wait for one actor; what else is due waits in the database, as the workers have enough to do.
MAX_HINTS = 20_000
#: Who gets a due order that was never sent, and any other.
DISPATCH, CHECK = "dispatch_order", "check_order_status"
#: How long an Idempotency-Key gives the first answer again: longer than any storefront retries.
IDEMPOTENCY_SECONDS = 7 * 86_400
#: What the scheduler is called among the heartbeats.
SCHEDULER = "scheduler"
#: Does one batch; how much it did, or None where nothing is left.
Step = Callable[[], int | None]


@dramatiq.actor(
    queue_name=QUEUES["sweep"], priority=20, periodic=cron(settings.sweep_cron), retry_when=worth_retrying
)
def sweep(started_by: str = SCHEDULER) -> None:
    """Sweep, unless a sweep is under way."""
    with database.session(), sweep_run.only_one() as mine:
        if mine:
            _sweep(started_by)


@dramatiq.actor(
    queue_name=QUEUES["record_scheduler_tick"], priority=20, periodic=cron("* * * * *"), max_retries=0
)
def record_scheduler_tick() -> None:
    """Show `gateway doctor` that scheduler, queue and worker are alive."""
    with database.session():
        sweep_run.beat(SCHEDULER)


def _sweep(started_by: str) -> None:
    sweep_id = sweep_run.begin(started_by)
    counts = dict.fromkeys(STEPS, 0)
    errors: list[str] = []
    deadline = time.monotonic() + MAX_SECONDS
    for name, make_step in STEPS.items():
        try:
            _run_step(name, make_step(), counts, deadline)
        except Exception as error:  # what one step cannot do holds up none of the others
            errors.append(f"{name}: {type(error).__name__}: {log.mask(str(error))}")
            logger.exception(
                "A step of the sweep failed; the next sweep goes on.", action="sweep_failed", step=name
            )
    sweep_run.end(sweep_id, counts, error="; ".join(errors) or None)
    logger.info("Swept.", action="swept", started_by=started_by, **counts)


def _run_step(name: str, step: Step, counts: dict[str, int], deadline: float) -> None:
    while time.monotonic() < deadline and (done := step()) is not None:
        counts[name] += done


def _settle_unmatched() -> Step:
    last_id = spoilt = 0

    def step() -> int | None:
        nonlocal last_id, spoilt
        found = inbox.unmatched(settings.sweep_batch, last_id)
        if not found and spoilt:
            raise sealed.Unsealable(
                f"{spoilt} callbacks do not open; see: gateway callbacks list --result unmatched"
            )
        if not found:
            return None
        last_id, said = found[-1].id, inbox.readable(found)
        spoilt += len(found) - len(said)
        _settle_again(said)
        return len(said)

    return step


def _settle_again(arrivals: list[Arrival]) -> None:
    """All at once; where the database refuses one of them, each on its own."""
    try:
        settle(arrivals)
    except (peewee.OperationalError, peewee.InterfaceError):  # it refuses none of them: it is away
        raise
    except peewee.DatabaseError as error:
        if len(arrivals) == 1:
            logger.error("A callback cannot be settled.", action="settle_failed", error=str(error))
            return
        for arrival in arrivals:
            _settle_again([arrival])


def _adopt() -> Step:
    return lambda: plans.adopt(settings.order_timeout, settings.sweep_batch) or None


def _enqueue_due() -> Step:
    """Lost messages: orders not sent, orders in doubt, checks and expiries that are due, longest due first."""
    after: DueOrder | None = None
    room = {actor: MAX_HINTS - waiting(actor) for actor in (DISPATCH, CHECK)}

    def step() -> int | None:
        nonlocal after
        due = plans.due(settings.sweep_batch, after)
        if not due:
            return None
        after = due[-1]
        hints = [
            (DISPATCH if one.external_status == ExternalStatus.NOT_SENT else CHECK, one.id) for one in due
        ]
        hints = [hint for hint in hints if room[hint[0]] > 0]
        enqueue_all(hints)
        for actor, _ in hints:
            room[actor] -= 1
        return len(hints)

    return step


def _purge() -> Step:
    return lambda: inbox.purge(settings.callback_retention, settings.sweep_batch) or None


def _forget_keys() -> Step:
    return lambda: idempotency.forget(IDEMPOTENCY_SECONDS, settings.sweep_batch) or None


#: In this order: outcomes first, they spare checks.
STEPS: dict[str, Callable[[], Step]] = {
    "unmatched_settled": _settle_unmatched,
    "adopted": _adopt,
    "enqueued": _enqueue_due,
    "callbacks_deleted": _purge,
    "idempotency_keys_deleted": _forget_keys,
}
