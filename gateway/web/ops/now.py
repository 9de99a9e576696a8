"""Whether all is well, in one sentence; then what needs a person, what waits, and how the gateway itself does."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import falcon
import redis

from gateway import broker
from gateway.web.ops import language, pulses
from gateway.web.ops.desk import Page
from gateway.web.ops.providers import curves, is_well, news, state
from models import alert, callback_shares, catalogue_watches, gauges, stuck, sweep_run
from models.alert import Incident
from models.db import database
from models.db.database import Use
from models.gauges import Stage
from models.person import Role
from models.status import ExternalStatus

#: Seconds without a tick after which the scheduler counts as dead; one comes each minute.
SCHEDULER_SECONDS = 180
#: Incidents that are shown at most.
INCIDENTS = 10
#: Sweeps that are shown.
SWEEPS = 5
#: Seconds by which the longest waiting step may be overdue.
LATE_SECONDS = 120


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the gateway: whether it is well, and what is known of it in numbers."""

    name: str
    is_well: bool
    figure: float | None = None


@dataclass(frozen=True, slots=True)
class Queue:
    """What is known of the queue; None while it is away."""

    workers: int
    lengths: dict[str, int]


class Now(Page):
    """The first page."""

    least = Role.VIEWER

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        with database.session(Use.LIST):
            kinds = stuck.summary(self.desk.limits)
            waiting = gauges.stages()
            singles = {name: value for name, (_, value) in gauges.singles().items()}
            providers = gauges.providers()
            sweeps = sweep_run.newest(SWEEPS)
            trends = curves(language.now())
            low = [each for each in callback_shares.every().values() if each.low_since]
            watches = catalogue_watches.every()
            incidents = alert.newest(INCIDENTS)
            pulse = pulses.of(language.now())
        queue, reader_now = self._queue(), language.now()
        parts = list(self._parts(queue, singles))
        troubled = [each for each in providers if not is_well(each)]
        self.desk.show(
            req,
            resp,
            "now.html",
            kinds=kinds,
            total=sum(each.count for each in kinds),
            stages=[waiting.get(each) or Stage(each.value, 0, None) for each in OPEN],
            under_way=sum(each.n for each in waiting.values()),
            oldest=min((each.oldest for each in waiting.values() if each.oldest), default=None),
            unmatched=int(singles["referans_callbacks_unmatched"] or 0),
            providers=providers,
            troubled=troubled,
            down=[each for each in providers if not each.is_up],
            state=state,
            health=parts,
            ill=[each for each in parts if not each.is_well],
            queue=queue,
            sweeps=sweeps,
            trends=trends,
            low=low,
            news={name: found for name, each in watches.items() if (found := list(news(each)))},
            pulse=pulse,
            incidents=[each for each in incidents if is_recent(each, reader_now)],
        )

    def _queue(self) -> Queue | None:
        """Asks Redis, for a second at most each time."""
        try:
            workers = broker.workers_alive(self.desk.redis, self.desk.settings.heartbeat_timeout)
            return Queue(int(workers), broker.queue_lengths(self.desk.redis))
        except redis.RedisError:
            return None

    def _parts(self, queue: Queue | None, singles: dict[str, float | None]) -> "list[Part]":
        swept, ticked = singles["referans_last_sweep_age_seconds"], singles["referans_scheduler_age_seconds"]
        late = singles["referans_oldest_due_seconds"] or 0
        longest = 2 * self.desk.settings.sweep_period_seconds + 60
        return [
            Part("Queue", queue is not None, sum(queue.lengths.values()) if queue else None),
            Part("Workers", queue is not None and queue.workers > 0, queue.workers if queue else None),
            Part("Scheduler", ticked is not None and ticked < SCHEDULER_SECONDS, ticked),
            Part("Sweep", swept is not None and swept < longest, swept),
            Part("Work in time", late < LATE_SECONDS + self.desk.settings.sweep_period_seconds, late),
        ]


def is_recent(incident: Incident, now: datetime) -> bool:
    """Whether it goes on, or was over within a day."""
    return incident.ended_at is None or now - incident.ended_at < timedelta(days=1)


#: The stages in which an order waits for something.
OPEN = (ExternalStatus.NOT_SENT, ExternalStatus.PENDING, ExternalStatus.SENT, ExternalStatus.PROCESSING)
