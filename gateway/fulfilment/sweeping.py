"""The periodic search for whatever was missed. PostgreSQL knows; the queue may have forgotten."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import peewee

from gateway import log
from gateway.fulfilment import balances, bulk, following, reconciling, reporting
from gateway.fulfilment.worker import CHECK, DISPATCH, Worker
from gateway.said import Said
from models import (
    alert,
    balance_trend,
    callback_shares,
    idempotency,
    inbox,
    outbox,
    placing,
    plans,
    sign_in,
    stuck,
    sweep_run,
)
from models.db import database, sealed
from models.outcome import Arrival
from models.plans import DueOrder
from models.status import ExternalStatus
from models.stuck import Limits

logger = log.get(__name__)

#: Seconds of one sweep; what it has not done by then is left to the next one.
MAX_SECONDS = 240
#: Messages that may wait for one actor. Whatever else is due waits in the database, as the workers have enough to do.
MAX_HINTS = 20_000
#: Seconds for which an Idempotency-Key repeats the first answer: longer than any storefront retries.
IDEMPOTENCY_SECONDS = 7 * 86_400
#: The scheduler's name in `heartbeats` and `sweeps`.
SCHEDULER = "scheduler"
#: Does the work of one step in batches; yields the count of each.
Step = Callable[[Worker], Iterator[int]]


def record_tick() -> None:
    """Note that scheduler, queue and worker are alive, for `gateway doctor`."""
    with database.session():
        sweep_run.beat(SCHEDULER)


@dataclass(frozen=True, slots=True)
class Swept:
    """What a sweep did."""

    #: By step, how much was done.
    counts: dict[str, int]
    #: Steps that failed, and why.
    error: str | None


def sweep(
    worker: Worker, started_by: str = SCHEDULER, tell: Callable[[str, int], None] = lambda step, done: None
) -> Swept | None:
    """Run every step until nothing is left or MAX_SECONDS have passed; None if another sweep is under way.

    `tell` hears how much of a step is done, after each batch and at its end.
    """
    with database.session(), sweep_run.only_one() as mine:
        if not mine:
            return None
        sweep_id = sweep_run.begin(started_by)
        counts = dict.fromkeys(STEPS, 0)
        errors: list[str] = []
        deadline = worker.monotonic() + MAX_SECONDS
        for name, step in STEPS.items():
            try:
                batches = step(worker)
                while worker.monotonic() < deadline and (done := next(batches, None)) is not None:
                    counts[name] += done
                    tell(name, counts[name])
                tell(name, counts[name])
            except Exception as error:  # a step that fails delays none of the others
                errors.append(f"{name}: {type(error).__name__}: {log.mask_error(str(error))}")
                logger.exception(
                    "A step of the sweep failed; the next sweep goes on.", action="sweep_failed", step=name
                )
        swept = Swept(counts, "; ".join(errors) or None)
        sweep_run.end(sweep_id, swept.counts, swept.error)
        logger.info("Swept.", action="swept", started_by=started_by, **counts)
        return swept


def _settle_unmatched(worker: Worker) -> Iterator[int]:
    """Settle callbacks whose order has appeared. Raises Unsealable at the end if some of them do not open."""
    last_id = unopened = 0
    while found := inbox.unmatched(worker.settings.sweep_batch, last_id):
        last_id, arrivals = found[-1].id, inbox.readable(found)
        unopened += len(found) - len(arrivals)
        _settle(worker, arrivals)
        yield len(arrivals)
    if unopened:
        raise sealed.Unsealable(
            Said(
                "{callbacks} callbacks do not open; see: gateway callbacks list --result unmatched",
                callbacks=unopened,
            )
        )


def _settle(worker: Worker, arrivals: list[Arrival]) -> None:
    """Settle all at once; if the database refuses one of them, each on its own."""
    try:
        worker.settle(arrivals)
    except database.UNAVAILABLE:  # it refused none of them
        raise
    except peewee.DatabaseError as error:
        if len(arrivals) == 1:
            logger.error("A callback cannot be settled.", action="settle_failed", error=str(error))
            return
        for arrival in arrivals:
            _settle(worker, [arrival])


def _enqueue_due(worker: Worker) -> Iterator[int]:
    """Replace lost hints: orders not sent, orders in doubt, checks and expiries that are due, longest due first."""
    while plans.drop_ended(worker.settings.sweep_batch):
        pass
    after: DueOrder | None = None
    room = {actor: MAX_HINTS - worker.hints.waiting(actor) for actor in (DISPATCH, CHECK)}
    while due := plans.due(worker.settings.sweep_batch, after):
        after = due[-1]
        hints = [
            (DISPATCH if one.external_status == ExternalStatus.NOT_SENT else CHECK, one.id) for one in due
        ]
        hints = [hint for hint in hints if room[hint[0]] > 0]
        worker.hints.send(hints)
        for actor, _ in hints:
            room[actor] -= 1
        yield len(hints)


def _tell_attention(worker: Worker) -> Iterator[int]:
    """Tell the storefront of orders that have come to need a person."""
    limits = Limits.of(worker.settings)
    while told := stuck.tell(limits, worker.settings.sweep_batch):
        yield told


def _tell_notifiers(worker: Worker) -> Iterator[int]:
    """Have a worker deliver what is due; how much that is."""
    if due := outbox.count_due():
        worker.tell()
    yield due


def _bury_notifications(worker: Worker) -> Iterator[int]:
    while buried := outbox.bury_disabled(worker.settings.sweep_batch):
        yield buried


def _purge_notifications(worker: Worker) -> Iterator[int]:
    while purged := outbox.purge(worker.settings.notify_retention, worker.settings.sweep_batch):
        yield purged


def _purge_callbacks(worker: Worker) -> Iterator[int]:
    while purged := inbox.purge(worker.settings.callback_retention, worker.settings.sweep_batch):
        yield purged


def _forget_keys(worker: Worker) -> Iterator[int]:
    while placing.forget_guards(worker.settings.sweep_batch):
        pass
    while forgotten := idempotency.forget(IDEMPOTENCY_SECONDS, worker.settings.sweep_batch):
        yield forgotten


def _forget_alerts(worker: Worker) -> Iterator[int]:
    while forgotten := alert.forget(worker.settings.sweep_batch):
        yield forgotten


def _forget_sign_ins(worker: Worker) -> Iterator[int]:
    while forgotten := sign_in.forget(worker.settings.sweep_batch):
        yield forgotten


def _note_balances(worker: Worker) -> Iterator[int]:
    yield balance_trend.note()


def _look_at_callbacks(worker: Worker) -> Iterator[int]:
    """Have the orders of providers whose callbacks fall short asked about more often."""
    low = callback_shares.note()
    if low:
        logger.warning("Callbacks fall short.", action="callbacks_low", providers=low)
    yield len(low)


#: In this order: settled outcomes first, because they make checks unnecessary; calls to providers last, which may hang.
STEPS: dict[str, Step] = {
    "unmatched_settled": _settle_unmatched,
    "adopted": following.plan_checks,
    "enqueued": _enqueue_due,
    "bulk_continued": bulk.go_on,
    "statements_continued": reconciling.go_on,
    "attention_told": _tell_attention,
    "notifications_due": _tell_notifiers,
    "notifications_dead": _bury_notifications,
    "notifications_deleted": _purge_notifications,
    "callbacks_deleted": _purge_callbacks,
    "idempotency_keys_deleted": _forget_keys,
    "sign_ins_deleted": _forget_sign_ins,
    "alerts_deleted": _forget_alerts,
    "days_summed_up": reporting.sum_up,
    "callbacks_low": _look_at_callbacks,
    "balances_noted": _note_balances,
    "balances_asked": balances.ask_due,
    "balances_followed": balances.follow,
    "balances_deleted": balances.purge,
}
