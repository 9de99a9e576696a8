"""Letting a plan run on a stage."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import psycopg2

from tests.acceptance.storm import books
from tests.acceptance.storm.audit import Audit
from tests.acceptance.storm.plan import Plan
from tests.acceptance.storm.stage import BACKUP, Stage
from tests.acceptance.storm.storefront import Storefront
from tests.acceptance.storm.weather import Weather

#: Seconds between two sweeps. SWEEP_CRON cannot go below a minute, so the storm sends the message that the
#: schedulers send each minute; like theirs it goes to any worker, or is lost.
SWEEP_SECONDS = 2.0
PROGRESS_SECONDS = 5.0
#: Seconds between two looks at what is due.
TICK_SECONDS = 0.05


class Storm:
    """One run of a plan. `echo` takes lines of progress."""

    def __init__(self, plan: Plan, stage: Stage, echo: Callable[[str], None]) -> None:
        self._plan, self._stage, self._echo = plan, stage, echo
        self._storefront = Storefront(
            plan, lambda: stage.system.url, stage.system.authorization, stage.receivers.url_of
        )
        self._weather = Weather(stage, list(plan.faults), self._say)
        self._sweep, self._progress, self._look = (
            Every(seconds) for seconds in (SWEEP_SECONDS, PROGRESS_SECONDS, 1.0)
        )
        self._began = time.monotonic()
        for order in plan.orders:
            if order.words_of_backup:
                stage.providers[BACKUP].words[order.user] = order.words_of_backup

    def run(self, drain_seconds: float) -> Audit:
        """The storm, up to `drain_seconds` of calm in which everything must settle, and the audit."""
        memory = self._stage.memory_mib()
        self._began = time.monotonic()
        self._storefront.open()
        while not self._is_over():
            self._weather.step(self._seconds())
            self._keep_going()
        stormed_seconds = self._seconds()
        self._say("the storm is over; waiting for what is open")
        self._drain(stormed_seconds + drain_seconds)
        return Audit(
            plan=self._plan,
            books=books.read(self._stage),
            accepted=dict(self._storefront.accepted),
            retries=self._storefront.retries,
            complaints=[
                *self._storefront.complaints,
                *self._stage.complaints,
                *self._stage.receivers.complaints,
            ],
            injected=self._weather.injected,
            stormed_seconds=stormed_seconds,
            took_seconds=self._seconds(),
            memory_mib=(memory, self._stage.memory_mib()),
            spoken=self._stage.spoken,
        )

    def _is_over(self) -> bool:
        in_time = self._seconds() < self._plan.seconds
        return not in_time and self._weather.is_over() and self._storefront.is_done()

    def _drain(self, until_seconds: float) -> None:
        while self._seconds() < until_seconds:
            self._keep_going()
            if not self._look.is_due(self._seconds()) or not self._stage.is_quiet():
                continue
            if not books.read(self._stage).open_orders():
                return

    def _keep_going(self) -> None:
        if self._sweep.is_due(self._seconds()):
            self._stage.system.sweep()
        if self._progress.is_due(self._seconds()):
            self._say(f"{len(self._storefront.accepted)} accepted, {self._shown()}")
        time.sleep(TICK_SECONDS)

    def _shown(self) -> str:
        try:
            found = self._stage.rows(
                'SELECT "externalStatus", count(*) FROM product_orders GROUP BY 1 ORDER BY 1'
            )
        except psycopg2.Error:
            return "the database is away"
        return ", ".join(f"{count} {status}" for status, count in found)

    def _say(self, text: str) -> None:
        self._echo(f"{self._seconds():6.1f} s  {text}")

    def _seconds(self) -> float:
        return time.monotonic() - self._began


@dataclass
class Every:
    """Due every so many seconds."""

    seconds: float
    next_at: float = 0.0

    def is_due(self, now_seconds: float) -> bool:
        """True once a period."""
        if now_seconds < self.next_at:
            return False
        self.next_at = now_seconds + self.seconds
        return True
