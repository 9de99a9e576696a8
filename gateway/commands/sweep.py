"""`gateway sweep`: finds now whatever was missed."""

import sys
from contextlib import closing

import typer

from gateway import broker, outbound
from gateway.commands import printing
from gateway.commands.context import Problem, gateway
from gateway.fulfilment import sweeping
from gateway.fulfilment.permits import Permits
from gateway.fulfilment.sweeping import STEPS, Swept
from gateway.fulfilment.worker import Worker
from gateway.settings import REQUIRED, Settings

#: What each step does, for people.
TEXTS = {
    "unmatched_settled": "callbacks settled whose order has appeared",
    "adopted": "orders of another system followed",
    "enqueued": "orders handed to workers",
    "bulk_continued": "actions on many orders gone on with",
    "statements_continued": "comparisons of statements gone on with",
    "attention_told": "orders told of that need a person",
    "notifications_due": "notifications that are due",
    "notifications_dead": "notifications given up, as their receiver is disabled",
    "notifications_deleted": "old notifications deleted",
    "callbacks_deleted": "old callbacks deleted",
    "idempotency_keys_deleted": "old idempotency keys deleted",
    "sign_ins_deleted": "sign-ins deleted that were over",
    "alerts_deleted": "old incidents deleted",
    "days_summed_up": "days summed up for the reports",
    "callbacks_low": "providers whose callbacks fall short",
    "balances_noted": "balances noted for the reports",
    "balances_asked": "providers asked for our balance",
    "balances_followed": "answers compared with the balance before",
    "balances_deleted": "old balances deleted",
}


def sweep(json: bool = typer.Option(False, "--json", help="Print JSON.")) -> None:
    """Find now whatever was missed, instead of within SWEEP_CRON; works without scheduler and worker.

    Orders that are due are handed to workers, so that those need a worker. One sweep runs at a time: while another one
    is under way this one ends with an error. Exits with 1 if a step fails; the others are done all the same.

    Example: gateway sweep
    """
    with gateway(require=REQUIRED) as settings:
        swept = _sweep(settings)
    if swept is None:
        raise Problem("another sweep is under way; it does the same: see `gateway doctor`")
    if json:
        printing.as_json({"counts": swept.counts, "error": swept.error})
    else:
        for step, count in swept.counts.items():
            printing.say(f"{count:>7} {TEXTS.get(step, step)}")
    if swept.error:
        raise Problem(swept.error)


def _sweep(settings: Settings) -> Swept | None:
    with closing(broker.make_broker(settings, strict=True)) as queue:
        hints = broker.Hints(queue, longest_delay_seconds=settings.sweep_period_seconds)
        worker = Worker(
            settings=settings,
            client=outbound.Client(deadline_seconds=settings.call_timeout),
            permits=Permits(queue.client, call_seconds=settings.call_timeout),
            hints=hints,
            tell=hints.tell,
        )
        swept = sweeping.sweep(worker, "command line", _progress)
    if sys.stderr.isatty():
        typer.echo("\r\x1b[K", err=True, nl=False)
    return swept


def _progress(step: str, done: int) -> None:
    """How far the sweep is, on a line of a terminal that is written over."""
    if sys.stderr.isatty():
        place = list(STEPS).index(step) + 1
        text = f"{place}/{len(STEPS)} {TEXTS.get(step, step)}: {done}"
        typer.echo(f"\r\x1b[K{text}", err=True, nl=False)
