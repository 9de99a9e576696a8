"""The queue: Dramatiq on Redis, and the bell that HTTP rings without waiting.

Messages are hints. PostgreSQL knows what there is to do, and the sweep finds whatever a lost hint left undone.
"""

import copy
import os
import queue
import ssl
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from functools import partial
from typing import Any

import dramatiq
import redis
from dramatiq import Broker, Worker
from dramatiq.brokers.redis import RedisBroker, _RedisConsumer
from dramatiq.middleware import Middleware
from redis.backoff import ExponentialBackoff, NoBackoff
from redis.retry import Retry

from gateway import log
from gateway.settings import Settings

logger = log.get(__name__)

#: Which queue each actor listens on: what is slow or plentiful never stands in front of what is urgent.
QUEUES = {
    "dispatch_order": "dispatch",
    "check_order_status": "checks",
    "sweep": "maintenance",
    "record_scheduler_tick": "maintenance",
}
NAMESPACE = "referans"
#: How the ids of workers begin in the heartbeats; `doctor` counts no others.
WORKER_PREFIX = "worker-"
#: Milliseconds without a sign of life after which a worker's messages are handed to others.
HEARTBEAT_TIMEOUT_MS = 30_000
#: Commands in a million that also look for dead workers' messages, each in its own queue only. A quiet queue sees two
#: commands a second: with a thousandth it takes 17 minutes, with two hundredths often a minute.
MAINTENANCE_CHANCE = 200_000
#: Milliseconds that a hint is kept which was given up; nobody reads them, the database knows what there is to do.
DEAD_MESSAGE_TTL_MS = 60_000
#: Seconds that the web may spend on one Redis command, connecting included.
WEB_TIMEOUT_SECONDS = 1
#: Hints that go to Redis in one round trip.
MAX_AT_ONCE = 100
#: Hints that may wait for Redis; past that they are dropped, and the sweep takes over.
MAX_WAITING = 10_000


def make_client(settings: Settings, *, strict: bool) -> redis.Redis:
    """`strict` fails at once where Redis is away, as a web request must; otherwise it tries for some seconds."""
    url = settings.redis_url.get_secret_value()
    retry = Retry(NoBackoff(), 0) if strict else Retry(ExponentialBackoff(cap=1, base=0.05), 3)
    options: dict[str, Any] = {"retry": retry, "socket_connect_timeout": WEB_TIMEOUT_SECONDS if strict else 5}
    options["socket_timeout"] = WEB_TIMEOUT_SECONDS if strict else 10
    if url.startswith("rediss://") and not settings.redis_tls_verify:
        options |= {"ssl_cert_reqs": ssl.CERT_NONE, "ssl_check_hostname": False}
    return redis.Redis.from_url(url, **options)


def make_broker(
    settings: Settings, *, strict: bool, middleware: list[Middleware] | None = None
) -> "PatientBroker":
    """The broker of this process; nothing connects yet."""
    return PatientBroker(  # type: ignore[no-untyped-call]
        client=make_client(settings, strict=strict),
        middleware=[_NamedWorker(), *(middleware or [])],
        namespace=NAMESPACE,
        heartbeat_timeout=HEARTBEAT_TIMEOUT_MS,
        maintenance_chance=MAINTENANCE_CHANCE,
        dead_message_ttl=DEAD_MESSAGE_TTL_MS,
    )


class PatientConsumer(_RedisConsumer):
    """Loses hints that cannot be given back, and not the thread that consumes: dramatiq's would never come back."""

    def requeue(self, messages: Iterable[Any]) -> None:
        try:
            super().requeue(messages)  # type: ignore[no-untyped-call]
        except redis.RedisError as error:
            logger.warning(
                "The queue is away; delayed messages are lost and the sweep will find their orders.",
                action="requeue_failed",
                error=str(error),
            )


class PatientBroker(RedisBroker):
    """Loses a tick that cannot be enqueued, and not the scheduler: a platform restarts one later each time."""

    @property
    def consumer_class(self) -> type[PatientConsumer]:
        return PatientConsumer

    def enqueue(self, message: dramatiq.Message[Any], *, delay: int | None = None) -> dramatiq.Message[Any]:
        try:
            return super().enqueue(message, delay=delay)
        except redis.RedisError as error:
            if "scheduled_at" not in message.options:
                raise
            logger.warning("The queue is away; this tick is lost.", action="tick_lost", error=str(error))
            return message

    def enqueue_all(self, messages: Iterable[dramatiq.Message[Any]]) -> None:
        """`enqueue` for many, in one round trip. Raises redis.RedisError; some may have been enqueued then."""
        self._max_unpack_size()  # type: ignore[no-untyped-call]  # asks Redis the first time: a pipeline cannot
        together = list(messages)
        try:
            self._enqueue_together(together)
        except redis.exceptions.NoScriptError:
            # The server is a new one; what came in all the same comes in twice.
            for script in self.scripts.values():
                self.client.script_load(script.script)
            self._enqueue_together(together)

    def _enqueue_together(self, messages: list[dramatiq.Message[Any]]) -> None:
        with self.client.pipeline(transaction=False) as pipeline:
            beside = copy.copy(self)
            beside.scripts = {name: partial(_run, pipeline, one.sha) for name, one in self.scripts.items()}
            for message in messages:
                super(PatientBroker, beside).enqueue(message)
            pipeline.execute()


def _run(pipeline: Any, sha: str, *, keys: list[Any], args: list[Any]) -> None:
    """A script that is there already; redis-py would ask for it before every pipeline."""
    pipeline.evalsha(sha, len(keys), *keys, *args)


class _NamedWorker(Middleware):
    """Marks workers in the heartbeats, where dramatiq also puts whoever enqueued something."""

    def before_worker_boot(self, broker: Broker, worker: Worker) -> None:
        assert isinstance(broker, RedisBroker)
        broker.broker_id = f"{WORKER_PREFIX}{broker.broker_id}"


class Bell:
    """Hands hints to a thread of its own, so that nobody waits for Redis. Works on both sides of a fork."""

    def __init__(self, broker: PatientBroker) -> None:
        self._broker = broker
        self._begin()
        os.register_at_fork(after_in_child=self._begin)

    def _begin(self) -> None:
        """The thread stays with the parent, and so do its lock and its hints."""
        self._lock = threading.Lock()
        self._waiting: queue.Queue[dramatiq.Message[Any]] = queue.Queue(MAX_WAITING)
        # Counted here, because gevent's queue tells nobody how much of it is done.
        self._done = threading.Condition()
        self._unfinished = 0
        self._thread: threading.Thread | None = None
        self._failing = False

    def ring(self, actor_name: str, *order_ids: str) -> None:
        """A hint for each order. Never blocks and never raises."""
        try:
            for order_id in order_ids:
                self._put(_message(actor_name, order_id))
            self._start()
        except Exception as error:
            self._report(error)

    def _put(self, message: dramatiq.Message[Any]) -> None:
        self._count(1)
        try:
            self._waiting.put_nowait(message)
        except BaseException:
            self._count(-1)
            raise

    def drain(self, timeout_seconds: float) -> bool:
        """Wait until every hint was sent or given up; False where the time did not suffice."""
        with self._done:
            return self._done.wait_for(lambda: not self._unfinished, timeout_seconds)

    def _count(self, change: int) -> None:
        with self._done:
            self._unfinished += change
            self._done.notify_all()

    def _start(self) -> None:
        with self._lock:
            if self._thread is None:
                thread = threading.Thread(target=self._run, args=(self._waiting,), name="bell", daemon=True)
                thread.start()
                self._thread = thread

    def _run(self, waiting: "queue.Queue[dramatiq.Message[Any]]") -> None:
        while True:
            messages = [waiting.get()]
            with suppress(queue.Empty):
                while len(messages) < MAX_AT_ONCE:
                    messages.append(waiting.get_nowait())
            self._send(messages)
            self._count(-len(messages))

    def _send(self, messages: list[dramatiq.Message[Any]]) -> None:
        try:
            self._broker.enqueue_all(messages)
        except Exception as error:
            self._report(error)
        else:
            self._failing = False

    def _report(self, error: Exception) -> None:
        """Once per outage, not once per hint."""
        with self._lock:
            known, self._failing = self._failing, True
        if not known:
            logger.warning(
                "The queue is away; orders are kept and the sweep will find them.",
                action="wake_failed",
                error=f"{type(error).__name__}: {error}",
            )


def _message(actor_name: str, order_id: str) -> dramatiq.Message[Any]:
    return dramatiq.Message(
        queue_name=QUEUES[actor_name], actor_name=actor_name, args=(order_id,), kwargs={}, options={}
    )


_bell: Bell | None = None


def install(bell: Bell | None) -> None:
    """What `wake` rings from now on; called once by each process."""
    global _bell  # noqa: PLW0603
    _bell = bell


def wake(actor_name: str, *order_ids: str) -> None:
    """Hint to workers that these orders need them. Best effort: never waited for, never trusted."""
    if _bell is None:
        logger.debug("No bell is installed; the sweep will find it.", action="wake_skipped", actor=actor_name)
    else:
        _bell.ring(actor_name, *order_ids)


def drain(timeout_seconds: float) -> bool:
    """See `Bell.drain`."""
    return _bell is None or _bell.drain(timeout_seconds)


def ping(settings: Settings) -> None:
    """Ask Redis for a sign of life. Raises redis.RedisError, within about a second."""
    with make_client(settings, strict=True) as client:
        client.ping()


def workers_alive(client: redis.Redis) -> int:
    """How many worker processes gave a sign of life within the heartbeat timeout. Raises redis.RedisError."""
    since_ms = time.time() * 1000 - HEARTBEAT_TIMEOUT_MS
    alive: Any = client.zrangebyscore(f"{NAMESPACE}:__heartbeats__", since_ms, "+inf")
    return sum(name.startswith(WORKER_PREFIX.encode()) for name in alive)


def queue_lengths(client: redis.Redis) -> dict[str, int]:
    """Messages that wait in each queue, delayed ones under `….DQ`. Raises redis.RedisError."""
    names = sorted({name for queue_name in QUEUES.values() for name in (queue_name, f"{queue_name}.DQ")})
    with client.pipeline(transaction=False) as pipeline:
        for name in names:
            pipeline.llen(f"{NAMESPACE}:{name}")
        return dict(zip(names, pipeline.execute(), strict=True))
