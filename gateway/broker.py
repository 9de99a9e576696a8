"""The queue: Dramatiq on Redis, the hints of workers, and the bell that HTTP rings without waiting.

Messages are hints. PostgreSQL knows what there is to do, and the sweep finds whatever a lost hint left undone.
"""

import copy
import os
import queue
import ssl
import threading
import time
from collections.abc import Iterable, Sequence
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
from gateway.background import Rounds
from gateway.settings import Settings
from models.readiness import Obstacle

logger = log.get(__name__)

#: The queue of each actor of `actors/tasks.py`: slow or plentiful messages never delay urgent ones.
QUEUES = {
    "dispatch_order": "dispatch",
    "check_order_status": "checks",
    "deliver_notifications": "notifications",
    "sweep": "maintenance",
    "work_on_bulk": "maintenance",
    "compare_statement": "maintenance",
    "record_scheduler_tick": "maintenance",
    "watch_catalogues": "maintenance",
}
#: The actor that has what is in the outbox delivered.
NOTIFY = "deliver_notifications"
#: Seconds for which hints to it are gathered: one is as good as many, and each costs a process of the web some time.
NOTIFY_SECONDS = 0.02
NAMESPACE = "referans"
#: Beginning of a worker's id among the heartbeats; `doctor` counts no others.
WORKER_PREFIX = "worker-"
#: Commands in a million that also look for dead workers' messages, each in its own queue only. A quiet queue gets two
#: commands a second: with a thousandth a takeover takes 17 minutes, with two hundredths often a minute.
MAINTENANCE_CHANCE = 200_000
#: Milliseconds for which a hint that was given up is kept; it is never read, the database knows what there is to do.
DEAD_MESSAGE_TTL_MS = 60_000
#: Longest time of one Redis command of the web, connecting included, in seconds.
WEB_TIMEOUT_SECONDS = 1
#: What is written to see whether Redis takes writes, and for how many milliseconds.
PROBE_KEY, PROBE_MS = f"{NAMESPACE}:probe", 1000
#: Seconds by which the mark of a waiting message ends before it is due, so that its own send finds no mark.
MARK_MARGIN_SECONDS = 0.5
#: Most hints in one round trip to Redis.
MAX_AT_ONCE = 100
#: Most hints that wait for Redis in one process; further ones are dropped, and the sweep takes over.
MAX_WAITING = 10_000


def make_client(settings: Settings, *, strict: bool) -> redis.Redis:
    """`strict` fails at once if Redis is away, as a web request must; otherwise it tries for some seconds."""
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
        heartbeat_timeout=round(1000 * settings.heartbeat_timeout),
        maintenance_chance=MAINTENANCE_CHANCE,
        dead_message_ttl=DEAD_MESSAGE_TTL_MS,
    )


def message(actor_name: str, *args: str) -> dramatiq.Message[None]:
    """A message for an actor: an order's id, as a rule. Raises KeyError for an actor without a queue."""
    return dramatiq.Message(
        queue_name=QUEUES[actor_name], actor_name=actor_name, args=args, kwargs={}, options={}
    )


class PatientConsumer(_RedisConsumer):
    """Survives a queue that is away: drops hints that cannot be given back. Dramatiq's own thread would end."""

    def requeue(self, messages: Iterable[Any]) -> None:
        try:
            super().requeue(messages)  # type: ignore[no-untyped-call]
        except redis.RedisError as error:
            logger.warning(
                "The queue is away; delayed messages are lost, and the sweep will find their orders.",
                action="requeue_failed",
                error=str(error),
            )


class PatientBroker(RedisBroker):
    """Drops a scheduler's tick that cannot be enqueued; an error would end the scheduler."""

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
            # The server was restarted and has forgotten the scripts. What it has taken all the same comes twice.
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
    """Run a script that the server has; redis-py would check that before every pipeline."""
    pipeline.evalsha(sha, len(keys), *keys, *args)


class _NamedWorker(Middleware):
    """Marks workers among the heartbeats, where dramatiq also puts every process that enqueues."""

    def before_worker_boot(self, broker: Broker, worker: Worker) -> None:
        assert isinstance(broker, RedisBroker)
        broker.broker_id = f"{WORKER_PREFIX}{broker.broker_id}"


class Hints:
    """The hints of a worker; see `gateway.fulfilment.worker.Hints`."""

    def __init__(self, broker: PatientBroker, *, longest_delay_seconds: float) -> None:
        self._broker = broker
        self._longest_delay_seconds = longest_delay_seconds

    def send(self, hints: Iterable[tuple[str, str]]) -> None:
        """Hand orders to actors: pairs of an actor's name and an order's id. Raises redis.RedisError."""
        self._broker.enqueue_all(message(actor_name, order_id) for actor_name, order_id in hints)

    def check_later(self, order_id: str, delay_seconds: float) -> None:
        """Enqueue a planned check, unless it is due after the next sweep, which then finds it.

        So Redis never holds more than one period of waiting messages, however many orders wait.
        """
        self._later("check_order_status", order_id, delay_seconds)

    def dispatch_later(self, order_id: str, delay_seconds: float) -> None:
        """The same for a send that was put off.

        While one waits that is due no later, no other is enqueued: an order that is sent early, because its provider is
        back, and put off again would from then on be sent once for each of them.
        """
        self._later("dispatch_order", order_id, delay_seconds, once=True)

    def _later(self, actor_name: str, order_id: str, delay_seconds: float, *, once: bool = False) -> None:
        if delay_seconds > self._longest_delay_seconds:
            return
        try:
            if once and self._is_expected(order_id, delay_seconds):
                return
            self._broker.enqueue(message(actor_name, order_id), delay=round(delay_seconds * 1000))
        except redis.RedisError as error:
            logger.warning(
                "A planned step was not enqueued; the sweep will find it.",
                action="enqueue_failed",
                error=str(error),
            )

    def _is_expected(self, order_id: str, delay_seconds: float) -> bool:
        """Whether a send of the order waits in the queue that is due no later; if none does, this one is marked so."""
        mark, due = f"{NAMESPACE}:waiting:{order_id}", time.time() + delay_seconds
        if (waiting := self._broker.client.get(mark)) and float(waiting) <= due:
            return True
        self._broker.client.set(mark, due, px=max(1, round(1000 * (delay_seconds - MARK_MARGIN_SECONDS))))
        return False

    def tell(self) -> None:
        """Have a worker look at what is to be delivered; never raises redis.RedisError."""
        try:
            self._broker.enqueue(message(NOTIFY))
        except redis.RedisError as error:
            logger.warning(
                "Workers were not told of notifications; they will find them.",
                action="enqueue_failed",
                error=str(error),
            )

    def waiting(self, actor_name: str) -> int:
        """How many messages wait for an actor, delayed ones not counted. Raises redis.RedisError."""
        return queue_lengths(self._broker.client)[QUEUES[actor_name]]

    def not_repeated(self, order_ids: Sequence[str], seconds: float) -> set[str]:
        """Those of `order_ids` for which no process has asked this within `seconds`. Raises redis.RedisError."""
        with self._broker.client.pipeline(transaction=False) as pipeline:
            for order_id in order_ids:
                pipeline.set(f"{NAMESPACE}:hinted:{order_id}", "1", nx=True, px=round(1000 * seconds))
            return {one for one, is_first in zip(order_ids, pipeline.execute(), strict=True) if is_first}


class Bell:
    """Hands hints to a thread of its own, so that no caller waits for Redis. Works on both sides of a fork."""

    def __init__(self, broker: PatientBroker) -> None:
        self._broker = broker
        self._begin()
        os.register_at_fork(after_in_child=self._begin)

    def _begin(self) -> None:
        """The thread, its lock and its hints stay with the parent of a fork."""
        self._lock = threading.Lock()
        self._waiting: queue.Queue[dramatiq.Message[Any]] = queue.Queue(MAX_WAITING)
        # Counted here, because gevent's queue does not tell how much of it is done.
        self._done = threading.Condition()
        self._unfinished = 0
        self._thread: threading.Thread | None = None
        self._failing = False
        self._is_told = False
        self._telling = Rounds("bell-notify", self._take_told, self._tell, delay_seconds=NOTIFY_SECONDS)

    def ring(self, actor_name: str, *order_ids: str | None) -> None:
        """A hint for each order, or (None) for none in particular. Never blocks and never raises."""
        try:
            for order_id in order_ids:
                self._put(message(actor_name, *([order_id] if order_id else [])))
            self._start()
        except Exception as error:
            self._report(error)

    def notify(self) -> None:
        """A hint that something is to be delivered; many at the same time are one. Never blocks and never raises."""
        if self._is_told:
            return
        self._is_told = True
        try:
            self._telling.begin()
        except Exception as error:
            self._is_told = False
            self._report(error)

    def _take_told(self) -> bool:
        told, self._is_told = self._is_told, False
        return told

    def _tell(self, _: bool) -> None:
        self.ring(NOTIFY, None)

    def _put(self, message: dramatiq.Message[Any]) -> None:
        self._count(1)
        try:
            self._waiting.put_nowait(message)
        except BaseException:
            self._count(-1)
            raise

    def drain(self, timeout_seconds: float) -> bool:
        """Wait until every hint was sent or given up; False if some are left after `timeout_seconds`."""
        deadline = time.monotonic() + timeout_seconds
        told = self._telling.drain(timeout_seconds)
        with self._done:
            left = max(0.0, deadline - time.monotonic())
            return self._done.wait_for(lambda: not self._unfinished, left) and told

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


_bell: Bell | None = None


def install(bell: Bell | None) -> None:
    """Let `wake` ring this bell; called once by each process."""
    global _bell  # noqa: PLW0603
    _bell = bell


def wake(actor_name: str, *order_ids: str) -> None:
    """Hint to workers that these orders need them. Best effort: never waited for, never trusted."""
    if _bell is None:
        logger.debug("No bell is installed; the sweep will find it.", action="wake_skipped", actor=actor_name)
    else:
        _bell.ring(actor_name, *order_ids)


def wake_notifier() -> None:
    """Hint to workers that the storefront is to be told of something. Best effort, like `wake`."""
    if _bell is not None:
        _bell.notify()


def drain(timeout_seconds: float) -> bool:
    """See `Bell.drain`."""
    return _bell is None or _bell.drain(timeout_seconds)


def ping(settings: Settings) -> None:
    """Ask Redis for a sign of life. Raises redis.RedisError within about a second."""
    with make_client(settings, strict=True) as client:
        client.ping()


def obstacle(client: redis.Redis) -> Obstacle | None:
    """What keeps the queue from taking messages; None if nothing does. Raises redis.RedisError where it is away."""
    try:
        client.set(PROBE_KEY, "1", px=PROBE_MS)
    except redis.exceptions.OutOfMemoryError:
        cure = (
            "give Redis more memory (maxmemory), or delete what else is in it; only hints of ours are there"
        )
        return Obstacle("full", "full: it has used its maxmemory, and takes no more writes", cure)
    except redis.exceptions.ReadOnlyError:
        return Obstacle("read-only", "read-only: it is a replica", "point REDIS_URL to the primary")
    except redis.ResponseError as error:
        return Obstacle("it takes no writes", f"it takes no writes: {error}", "see the log of Redis")
    return None


def workers_alive(client: redis.Redis, heartbeat_timeout_seconds: float) -> int:
    """How many worker processes gave a sign of life within the timeout. Raises redis.RedisError."""
    since_ms = 1000 * (time.time() - heartbeat_timeout_seconds)
    alive: Any = client.zrangebyscore(f"{NAMESPACE}:__heartbeats__", since_ms, "+inf")
    return sum(name.startswith(WORKER_PREFIX.encode()) for name in alive)


def worker_silence_seconds(client: redis.Redis) -> float | None:
    """Seconds since the last sign of life of any worker, which gives several a second; None if none is known.

    Raises redis.RedisError.
    """
    known: Any = client.zrevrange(f"{NAMESPACE}:__heartbeats__", 0, -1, withscores=True)
    at_ms = next((at for name, at in known if name.startswith(WORKER_PREFIX.encode())), None)
    return None if at_ms is None else max(0.0, time.time() - at_ms / 1000)


def queue_lengths(client: redis.Redis) -> dict[str, int]:
    """Messages that wait in each queue, delayed ones under `….DQ`. Raises redis.RedisError."""
    names = sorted({name for queue_name in QUEUES.values() for name in (queue_name, f"{queue_name}.DQ")})
    with client.pipeline(transaction=False) as pipeline:
        for name in names:
            pipeline.llen(f"{NAMESPACE}:{name}")
        return dict(zip(names, pipeline.execute(), strict=True))
