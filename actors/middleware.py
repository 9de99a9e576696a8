"""What surrounds every message and every worker process."""

import signal
import threading
from types import FrameType
from typing import Any

import dramatiq
from dramatiq.middleware import Middleware
from periodiq import PeriodiqMiddleware

from gateway import log
from models import sweep_run
from models.db import database

logger = log.get(__name__)

#: Seconds between two looks at whether the scheduler is alive.
WATCH_SECONDS = 15


class Periodic(PeriodiqMiddleware):  # type: ignore[misc]
    """periodiq's own: gives actors their `periodic` option."""


class LogContext(Middleware):
    """Every line logged while a message is handled carries what it is about; nothing leaks into the next."""

    def before_process_message(self, broker: dramatiq.Broker, message: Any) -> None:
        log.clear()
        log.bind(actor=message.actor_name, message_id=message.message_id)
        if message.args:
            log.bind(order_id=message.args[0])

    def after_process_message(self, broker: dramatiq.Broker, message: Any, **_: Any) -> None:
        log.clear()

    after_skip_message = after_process_message


class OneShutdownSignal(Middleware):
    """Platforms signal every process and Dramatiq's parent passes the signal on: the second must not kill."""

    def after_process_boot(self, broker: dramatiq.Broker) -> None:
        for number in (signal.SIGTERM, signal.SIGHUP):
            _listen_once(number)


def _listen_once(number: signal.Signals) -> None:
    handler = signal.getsignal(number)
    if not callable(handler):
        return

    def once(received: int, frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_IGN)
        handler(received, frame)

    signal.signal(number, once)


class SweepWatch(Middleware):
    """Sweeps from the worker itself when the scheduler has not for `overdue_seconds`, and with no queue needed."""

    def __init__(self, overdue_seconds: float) -> None:
        self._overdue_seconds = overdue_seconds
        self._stopping = threading.Event()

    def after_worker_boot(self, broker: dramatiq.Broker, worker: dramatiq.Worker) -> None:
        self._stopping.clear()
        threading.Thread(target=self._watch, args=(broker,), name="sweep-watch", daemon=True).start()

    def before_worker_shutdown(self, broker: dramatiq.Broker, worker: dramatiq.Worker) -> None:
        self._stopping.set()

    def _watch(self, broker: dramatiq.Broker) -> None:
        while not self._stopping.wait(min(WATCH_SECONDS, self._overdue_seconds / 4)):
            try:
                self._sweep_if_overdue(broker)
            except Exception:
                logger.warning(
                    "The sweep watch could not look; it tries again.",
                    action="sweep_watch_failed",
                    exc_info=True,
                )

    def _sweep_if_overdue(self, broker: dramatiq.Broker) -> None:
        with database.session():
            overdue = sweep_run.overdue(self._overdue_seconds)
        if overdue:
            broker.get_actor("sweep")("worker")
