"""The periodic search for whatever was missed. PostgreSQL knows; the queue may have forgotten."""

import time
from collections.abc import Callable
from typing import Any

import dramatiq
import peewee
from periodiq import cron

from actors.dispatch import settle
from actors.queue import enqueue_all, waiting, worth_retrying
from actors.setup import settings
from gateway import log
from gateway.broker import QUEUES
from models import database, inbox, placing, plan, sealed, sweep_run
from models.outcome import Arrival
from models.status import ExternalStatus

logger = log.get(__name__)

#: A sweep leaves what it could not do in this time to the next one.
MAX_SECONDS = 240
#: Messages that may wait in the queue; what else is due waits in the database, as the workers have enough to do.
MAX_HINTS = 20_000
#: How long an Idempotency-Key gives the first answer again: longer than any storefront retries.
IDEMPOTENCY_SECONDS = 7 * 86_400
#: What the scheduler is called among the heartbeats.
SCHEDULER = "scheduler"


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


def _run_step(name: str, step: Callable[[], int], counts: dict[str, int], deadline: float) -> None:
    """In batches, until nothing is left or the time is up."""
    while time.monotonic() < deadline and (done := step()):
        counts[name] += done


def _settle_unmatched() -> Callable[[], int]:
    last_id = spoilt = 0

    def step() -> int:
        nonlocal last_id, spoilt
        found = inbox.unmatched(settings.sweep_batch, last_id)
        said = inbox.readable(found)
        spoilt += len(found) - len(said)
        if found:
            last_id = found[-1]["id"]
            _settle_again(said)
        elif spoilt:
            raise sealed.Unsealable(
                f"{spoilt} callbacks do not open; see: gateway callbacks list --result unmatched"
            )
        return len(found)

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


def _adopt() -> Callable[[], int]:
    return lambda: plan.adopt(settings.order_timeout, settings.sweep_batch)


def _enqueue_due() -> Callable[[], int]:
    """Lost messages: orders not sent, orders in doubt, checks and expiries that are due, longest due first."""
    cursor: tuple[Any, str] | None = None
    room = MAX_HINTS - waiting()

    def step() -> int:
        nonlocal cursor, room
        if room <= 0:
            return 0
        due = plan.due(settings.sweep_batch, cursor)
        if due:
            enqueue_all((ACTORS.get(one["status"], "check_order_status"), one["id"]) for one in due)
            cursor = (due[-1]["next_check_at"], due[-1]["id"])
            room -= len(due)
        return len(due)

    return step


def _purge() -> Callable[[], int]:
    return lambda: inbox.purge(settings.callback_retention, settings.sweep_batch)


def _forget_keys() -> Callable[[], int]:
    return lambda: placing.forget_keys(IDEMPOTENCY_SECONDS, settings.sweep_batch)


#: Who gets a due order; every other status is checked.
ACTORS = {ExternalStatus.NOT_SENT.value: "dispatch_order"}
#: In this order: outcomes first, they spare checks.
STEPS: dict[str, Callable[[], Callable[[], int]]] = {
    "unmatched_settled": _settle_unmatched,
    "adopted": _adopt,
    "enqueued": _enqueue_due,
    "callbacks_deleted": _purge,
    "idempotency_keys_deleted": _forget_keys,
}
