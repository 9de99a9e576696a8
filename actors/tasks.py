"""The actors: each takes an id, makes one call and returns. A message may come twice, early, late or never."""

import dramatiq
from periodiq import cron

from actors.queue import retried_when_busy, worth_retrying
from actors.setup import notifier, settings, worker
from gateway.broker import NOTIFY, QUEUES
from gateway.callbacks import replaying
from gateway.fulfilment import bulk, checking, dispatching, reconciling, sweeping, watching


@dramatiq.actor(queue_name=QUEUES["dispatch_order"], priority=0, retry_when=worth_retrying)
@retried_when_busy
def dispatch_order(order_id: str) -> None:
    """Give the order to its provider."""
    dispatching.dispatch(worker, order_id)


@dramatiq.actor(queue_name=QUEUES["check_order_status"], priority=10, retry_when=worth_retrying)
@retried_when_busy
def check_order_status(order_id: str) -> None:
    """Ask the order's provider for it."""
    checking.check(worker, order_id)


@dramatiq.actor(queue_name=QUEUES[NOTIFY], priority=0, max_retries=0)
def deliver_notifications() -> None:
    """Have this process look at what is to be delivered; it does so in threads of its own."""
    notifier.wake()


@dramatiq.actor(
    queue_name=QUEUES["sweep"], priority=20, periodic=cron(settings.sweep_cron), retry_when=worth_retrying
)
def sweep(started_by: str = sweeping.SCHEDULER) -> None:
    """Find whatever was missed."""
    sweeping.sweep(worker, started_by)


@dramatiq.actor(queue_name=QUEUES["work_on_bulk"], priority=30, retry_when=worth_retrying)
@retried_when_busy
def work_on_bulk(bulk_id: str) -> None:
    """Go on with an action on many orders, callbacks or notifications."""
    bulk.work(worker, bulk_id, replaying.for_person)


@dramatiq.actor(queue_name=QUEUES["compare_statement"], priority=30, retry_when=worth_retrying)
def compare_statement(statement_id: str) -> None:
    """Compare a provider's statement with our orders."""
    reconciling.work(worker, statement_id)


@dramatiq.actor(
    queue_name=QUEUES["record_scheduler_tick"], priority=20, periodic=cron("* * * * *"), max_retries=0
)
def record_scheduler_tick() -> None:
    """Show that scheduler, queue and worker are alive."""
    sweeping.record_tick()


@dramatiq.actor(
    queue_name=QUEUES["watch_catalogues"], priority=20, periodic=cron("23 * * * *"), max_retries=0
)
def watch_catalogues() -> None:
    """Read the catalogues that are watched: each once a day, and each hour those that could not be read."""
    watching.read_due(worker)
