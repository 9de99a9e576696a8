"""Summing up the days of the reports, as a step of the sweep."""

from collections.abc import Iterator

from gateway.fulfilment.worker import Worker
from models import report

#: Seconds of one sweep for it. The days of the past, the first time or in another zone, are left to the next sweeps.
MAX_SECONDS = 30.0


def sum_up(worker: Worker) -> Iterator[int]:
    """Sum up the days that have changed, newest first, and then their months; one for each day."""
    zone = worker.settings.timezone
    until = worker.monotonic() + MAX_SECONDS
    report.begin(zone)
    while report.note_changes(zone) == report.EVENTS and worker.monotonic() < until:
        yield 0
    while report.sum_up_next(zone) is not None:
        yield 1
        if worker.monotonic() >= until:
            return
    while worker.monotonic() < until and report.sum_up_next_month(zone) is not None:
        yield 0
