"""What surrounds every message and every worker process."""

import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from typing import Any

import dramatiq
from dramatiq.middleware import Middleware
from periodiq import PeriodiqMiddleware

from gateway import log
from gateway.fulfilment.alerting import Alerts
from gateway.fulfilment.notifying import Notifier
from gateway.fulfilment.worker import CHECK, DISPATCH
from gateway.measuring import Measures
from gateway.posting import TRY_SECONDS
from gateway.tracing import OFF, Kind, Traces
from models import sweep_run
from models.db import database

logger = log.get(__name__)

#: Longest time between two looks at whether the scheduler is alive, no hint was lost, and no order is to be followed,
#: in seconds.
WATCH_SECONDS = 15
#: Seconds for the calls that are under way when a worker ends: no try takes longer, and a platform kills after 30.
FAREWELL_SECONDS = TRY_SECONDS + 3
#: Seconds for what is still to be written, or sent, of measures and of traces, when a worker ends.
LEAVE_SECONDS = 1.0
#: Probes that one worker process has under way at once, at most.
MOST_PROBES = 4


class Periodic(PeriodiqMiddleware):  # type: ignore[misc]
    """periodiq's own: gives actors their `periodic` option."""


class LogContext(Middleware):
    """Puts the actor and the ids on every line that is logged while a message is handled."""

    def before_process_message(self, broker: dramatiq.Broker, message: Any) -> None:
        log.clear()
        log.bind(actor=message.actor_name, message_id=message.message_id)
        if message.args:
            log.bind(order_id=message.args[0])

    def after_process_message(self, broker: dramatiq.Broker, message: Any, **_: Any) -> None:
        log.clear()

    after_skip_message = after_process_message


class Observing(Middleware):
    """Writes what the worker measures for as long as it runs; and each message about an order is part of its trace."""

    def __init__(self, measures: Measures, traces: Traces) -> None:
        self._measures = measures
        self._traces = traces
        self._under_way = threading.local()

    def after_worker_boot(self, broker: dramatiq.Broker, worker: dramatiq.Worker) -> None:
        self._measures.begin()

    def after_worker_shutdown(self, broker: dramatiq.Broker, worker: dramatiq.Worker) -> None:
        self._measures.end(LEAVE_SECONDS)
        self._traces.end(LEAVE_SECONDS)

    def before_process_message(self, broker: dramatiq.Broker, message: Any) -> None:
        if self._traces is OFF or message.actor_name not in (DISPATCH, CHECK):
            return
        attributes = {"messaging.system": "dramatiq", "messaging.message.id": message.message_id}
        self._under_way.stack = stack = ExitStack()
        stack.enter_context(
            self._traces.working(message.args[0], message.actor_name, Kind.CONSUMER, attributes)
        )

    def after_process_message(self, broker: dramatiq.Broker, message: Any, **_: Any) -> None:
        if stack := getattr(self._under_way, "stack", None):
            self._under_way.stack = None
            stack.close()

    after_skip_message = after_process_message


class SweepWatch(Middleware):
    """Does from within the worker, without the queue, what must not wait for the next sweep.

    Sweeps if none has begun for `overdue_seconds`, and lets each of `looks` look for orders: those whose hints were
    lost, and those that another system has sent. They look first at once, since the worker that had no right keys may
    have been replaced by this one.
    """

    def __init__(self, overdue_seconds: float, *looks: Callable[[], object]) -> None:
        self._overdue_seconds = overdue_seconds
        self._looks = looks
        self._stopping = threading.Event()

    def after_worker_boot(self, broker: dramatiq.Broker, worker: dramatiq.Worker) -> None:
        self._stopping.clear()
        threading.Thread(target=self._watch, args=(broker,), name="sweep-watch", daemon=True).start()

    def before_worker_shutdown(self, broker: dramatiq.Broker, worker: dramatiq.Worker) -> None:
        self._stopping.set()

    def _watch(self, broker: dramatiq.Broker) -> None:
        for look in self._looks:
            _guarded(look)
        while not self._stopping.wait(min(WATCH_SECONDS, self._overdue_seconds / 4)):
            _guarded(partial(self._sweep_if_overdue, broker))
            for look in self._looks:
                _guarded(look)

    def _sweep_if_overdue(self, broker: dramatiq.Broker) -> None:
        with database.session():
            overdue = sweep_run.overdue(self._overdue_seconds)
        if overdue:
            broker.get_actor("sweep")("worker")


class ProviderWatch(Middleware):
    """Looks, without the queue and without traffic, after providers that get no orders; one thread for each probe."""

    def __init__(
        self,
        look: Callable[[Callable[[str], None]], None],
        probe: Callable[[str], None],
        every_seconds: float,
    ) -> None:
        self._look = look
        self._probe = probe
        self._every_seconds = every_seconds
        self._stopping = threading.Event()
        self._probed: set[str] = set()

    def after_worker_boot(self, broker: dramatiq.Broker, worker: dramatiq.Worker) -> None:
        self._stopping.clear()
        threading.Thread(target=self._watch, name="provider-watch", daemon=True).start()

    def before_worker_shutdown(self, broker: dramatiq.Broker, worker: dramatiq.Worker) -> None:
        self._stopping.set()

    def _watch(self) -> None:
        while not self._stopping.wait(self._every_seconds):
            _guarded(partial(self._look, self._start), "provider_watch_failed")

    def _start(self, provider_id: str) -> None:
        """Probe in a thread of its own: a provider that hangs must not delay the others."""
        if provider_id in self._probed or len(self._probed) >= MOST_PROBES:
            return
        self._probed.add(provider_id)
        threading.Thread(
            target=self._run, args=(provider_id,), name=f"probe-{provider_id}", daemon=True
        ).start()

    def _run(self, provider_id: str) -> None:
        try:
            _guarded(partial(self._probe, provider_id), "provider_watch_failed")
        finally:
            self._probed.discard(provider_id)


class Alerting(Middleware):
    """Watches for what people are to be told of, for as long as the worker runs."""

    def __init__(self, alerts: Alerts) -> None:
        self._alerts = alerts

    def after_worker_boot(self, broker: dramatiq.Broker, worker: dramatiq.Worker) -> None:
        threading.Thread(target=self._alerts.run, name="alerts", daemon=True).start()

    def before_worker_shutdown(self, broker: dramatiq.Broker, worker: dramatiq.Worker) -> None:
        self._alerts.stop()


class Notifying(Middleware):
    """Runs the notifier for as long as the worker runs; what it has under way then ends first."""

    def __init__(self, notifier: Notifier, *, farewell_seconds: float = FAREWELL_SECONDS) -> None:
        self._notifier = notifier
        self._farewell_seconds = farewell_seconds
        self._thread: threading.Thread | None = None
        self._stopped_at = 0.0

    def after_worker_boot(self, broker: dramatiq.Broker, worker: dramatiq.Worker) -> None:
        self._thread = threading.Thread(target=self._notifier.run, name="notifier", daemon=True)
        self._thread.start()

    def before_worker_shutdown(self, broker: dramatiq.Broker, worker: dramatiq.Worker) -> None:
        self._notifier.stop()
        self._stopped_at = time.monotonic()

    def after_worker_shutdown(self, broker: dramatiq.Broker, worker: dramatiq.Worker) -> None:
        if self._thread:
            self._thread.join(max(0.0, self._stopped_at + self._farewell_seconds - time.monotonic()))


def _guarded(work: Callable[[], object], action: str = "sweep_watch_failed") -> None:
    """Let no error end the thread of a watch; the next look tries again."""
    try:
        work()
    except Exception:
        logger.warning("A watch of the worker failed; it will try again.", action=action, exc_info=True)
