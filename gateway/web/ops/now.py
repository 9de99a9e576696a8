"""Whether all is well, in one sentence; then what needs a person, what waits, and how the gateway itself does."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import falcon
import redis

from gateway import broker
from gateway.web.ops import language, pulses, sentences, troubles
from gateway.web.ops.desk import Page
from gateway.web.ops.providers import curves, is_well, news, state
from models import alert, callback_shares, catalogue_watches, gauges, stuck, sweep_run
from models.alert import Incident
from models.db import database
from models.db.database import Use
from models.gauges import Stage
from models.person import Role
from models.status import Attention, ExternalStatus

#: Seconds without a tick after which the scheduler counts as dead; one comes each minute.
SCHEDULER_SECONDS = 90
#: Seconds without a sign of life after which no worker counts as alive; each gives several a second.
WORKER_SECONDS = 15.0
#: How often an open page looks again by itself: each 10 s, for an hour. A page that was forgotten must not keep its
#: sign-in alive.
MOST_LOOKS = 360
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
    #: None where it cannot be known while another part is not well.
    is_well: bool | None
    figure: float | None = None
    #: What is wrong, by its name in troubles.SAID.
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class Queue:
    """What is known of the queue while it answers."""

    #: What keeps it from taking messages, by its name in troubles.SAID; None if nothing does.
    trouble: str | None
    workers: int
    #: Seconds since the last sign of life of a worker; None without any.
    silence_seconds: float | None
    lengths: dict[str, int]


class Now(Page):
    """The first page."""

    least = Role.VIEWER

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        with database.session(Use.LIST):
            kinds = stuck.summary(self.desk.limits)
            waiting = gauges.stages()
            alone = {
                each.kind: stuck.orders(self.desk.limits, 1, Attention(each.kind))
                for each in kinds
                if each.count == 1 and each.kind in set(Attention)
            }
            singles = {name: value for name, (_, value) in gauges.singles().items()}
            providers = gauges.providers()
            sweeps = sweep_run.newest(SWEEPS)
            trends = curves(language.now())
            low = [each for each in callback_shares.every().values() if each.low_since]
            watches = catalogue_watches.every()
            refused = troubles.refused_callbacks()
            incidents = alert.newest(INCIDENTS)
            pulse = pulses.of(language.now())
        queue, reader_now = self._queue(), language.now()
        parts = list(self._parts(queue, singles))
        troubled = [each for each in providers if not is_well(each)]
        teller = troubles.Teller(self.desk.reader(req))
        is_explained = any(each.is_well is False for each in parts) or any(map(troubles.obstacle, providers))
        others = [each for each in kinds if not (is_explained and each.kind in troubles.FOLLOWING)]
        of_stuck = list(teller.of_stuck(others, alone))
        told = [
            *teller.of_parts([(each.trouble, each.figure) for each in parts if each.is_well is False]),
            *teller.of_providers(providers, refused),
            *of_stuck,
            *teller.of_warnings(providers, low),
        ]
        looks = min(req.get_param_as_int("looks") or 0, MOST_LOOKS)
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
            troubles=told,
            also=[each for each in told[1:] if each not in of_stuck],  # those have a list of their own
            alone={kind: some[0].id for kind, some in alone.items() if some},
            advice=sentences.advice,
            looks=looks + 1 if looks < MOST_LOOKS else None,
            state=state,
            health=parts,
            queue=queue,
            sweeps=sweeps,
            trends=trends,
            low=low,
            news={name: found for name, each in watches.items() if (found := list(news(each)))},
            pulse=pulse,
            incidents=[each for each in incidents if is_recent(each, reader_now)],
        )

    def _queue(self) -> Queue | None:
        """Asks Redis, for a second at most each time; None if it does not answer."""
        client, longest = self.desk.redis, min(WORKER_SECONDS, self.desk.settings.heartbeat_timeout)
        try:
            found = broker.obstacle(client)
            workers, silence = broker.workers_alive(client, longest), broker.worker_silence_seconds(client)
            lengths = broker.queue_lengths(client)
        except redis.RedisError:
            return None
        trouble = ("queue full" if found.short == "full" else "queue refuses") if found else None
        return Queue(trouble, int(workers), silence, lengths)

    def _parts(self, queue: Queue | None, singles: dict[str, float | None]) -> Iterator[Part]:
        """What comes through a part that is not well cannot be known: a tick comes through queue and worker."""
        if queue is None or queue.trouble:
            figure = sum(queue.lengths.values()) if queue else None
            yield Part("Queue", False, figure, (queue and queue.trouble) or "queue away")
            yield from (Part(name, None) for name in ("Workers", "Scheduler", "Sweep", "Work in time"))
            return
        yield Part("Queue", True, sum(queue.lengths.values()))
        if not queue.workers:
            silence = queue.silence_seconds
            yield Part("Workers", False, silence, "worker" if silence is None else "worker silent")
            yield from (Part(name, None) for name in ("Scheduler", "Sweep", "Work in time"))
            return
        yield Part("Workers", True, queue.workers)
        ticked, swept = singles["referans_scheduler_age_seconds"], singles["referans_last_sweep_age_seconds"]
        is_ticking = ticked is not None and ticked < SCHEDULER_SECONDS
        yield Part("Scheduler", is_ticking, ticked, "scheduler never" if ticked is None else "scheduler")
        longest = self.desk.settings.sweep_period_seconds + 2 * sweep_run.GRACE_SECONDS
        yield Part("Sweep", swept is None or swept < longest, swept, "sweep")
        late = singles["referans_oldest_due_seconds"] or 0
        is_in_time = late < LATE_SECONDS + self.desk.settings.sweep_period_seconds
        yield Part("Work in time", is_in_time, late, "late")


def is_recent(incident: Incident, now: datetime) -> bool:
    """Whether it goes on, or was over within a day."""
    return incident.ended_at is None or now - incident.ended_at < timedelta(days=1)


#: The stages in which an order waits for something.
OPEN = (ExternalStatus.NOT_SENT, ExternalStatus.PENDING, ExternalStatus.SENT, ExternalStatus.PROCESSING)
