"""Gauges for Prometheus, read from the database and the queue, at most once in a few seconds."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import accumulate

import falcon
import redis
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from gateway import broker
from gateway.measuring import BOUNDS, COUNTERS, HISTOGRAMS
from gateway.settings import Settings
from gateway.web.auth import Keys
from models import (
    alert,
    balances,
    denied,
    gauges,
    measurements,
    outbox,
    provider_counts,
    pulse,
    readiness,
    report_sums,
    stock,
    stuck,
)
from models.api_key import Scope
from models.db import database
from models.db.database import Use
from models.gauges import ProviderGauge
from models.measurements import Measured
from models.outbox import Standing
from models.provider_counts import Counted
from models.status import Attention
from models.stuck import Limits

#: Seconds for which an answer is given again, however many ask.
KEPT_SECONDS = 3.0
#: A gauge with one label: name, help, name of the label.
Labelled = tuple[str, str, str]
ATTENTION: Labelled = ("referans_orders_attention", "Orders that need a person, by why.", "kind")
WAITING: Labelled = ("referans_orders_waiting", "Orders that are not final.", "external_status")
QUEUED: Labelled = ("referans_queue_messages", "Messages waiting in the queue.", "queue")
#: What is told of each provider.
OF_PROVIDERS: dict[Labelled, Callable[[ProviderGauge], float | None]] = {
    ("referans_provider_up", "Whether its last calls were answered.", "provider"): lambda one: one.is_up,
    ("referans_provider_paused", "Whether it is paused.", "provider"): lambda one: one.is_paused,
    ("referans_provider_balance", "Its balance in its own currency, if it is known.", "provider"): (
        lambda one: None if one.balance is None else float(one.balance)
    ),
    ("referans_provider_balance_low", "Whether its balance is below its threshold.", "provider"): (
        lambda one: one.is_low
    ),
    ("referans_provider_has_balance", "0 where it refuses for lack of balance.", "provider"): (
        lambda one: one.has_balance
    ),
}
#: What is counted at each provider.
COUNTED: dict[Counted, Labelled] = {
    Counted.ORDER_REFUSED: (
        "referans_provider_refusals_last_hour",
        "Orders that it refused, not for the customer's own input.",
        "provider",
    ),
    Counted.CALLBACK_REFUSED: (
        "referans_provider_callbacks_refused_last_hour",
        "Callbacks in its name with a wrong signature or from a wrong address.",
        "provider",
    ),
}
CONFLICTS: Labelled = (
    "referans_provider_conflicts_last_hour",
    "Outcomes that contradict its orders.",
    "provider",
)
DENIED: Labelled = (
    "referans_provider_orders_unknown",
    "Orders that were sent to it and that it says it does not know.",
    "provider",
)
GAPS: Labelled = (
    "referans_provider_balance_gaps",
    "Times that its balance fell by what is no purchase of ours, which no person has acknowledged.",
    "provider",
)
#: What is told of the outbox.
NOTIFICATIONS: dict[str, tuple[str, Callable[[Standing], float]]] = {
    "referans_notifications_waiting": ("Notifications to be delivered.", lambda one: one.waiting),
    "referans_notifications_oldest_seconds": (
        "Age of the oldest notification that waits, in seconds.",
        lambda one: one.oldest_waiting_seconds or 0.0,
    ),
    "referans_notifications_dead": ("Notifications that were given up.", lambda one: one.dead),
    "referans_receivers_failing": (
        "Receivers of notifications whose last answer was a failure.",
        lambda one: one.failing_receivers,
    ),
    "referans_receivers_disabled": (
        "Receivers that get nothing until a person enables them.",
        lambda one: one.disabled_receivers,
    ),
}
ALERTS: Labelled = ("referans_incidents", "Incidents that go on.", "rule")
#: The rules of alerts, so that each has a line where nothing is wrong.
RULE_NAMES = (
    *("oldest_waiting", "scheduler_dead", "provider_down", "balance_low", "balance_gap", "callbacks_silent"),
    *("stuck_orders", "notification_dead"),
)
#: What is counted; by the sweep, as the timelines say.
ENDED = ("referans_orders_ended", "Orders that have ended, by how, and by what told.")
SECONDS = ("referans_order_seconds", "Seconds from sending to completion.")
#: The steps that bound its buckets: from half a second, each twice the one before, to about a day.
BUCKETS = range(-1 * report_sums.STEPS, 18 * report_sums.STEPS, report_sums.STEPS)
#: How `/metrics` writes the bounds of the buckets.
LIMITS = [*(f"{bound:.15g}" for bound in BOUNDS), "+Inf"]
STOCK: Labelled = ("referans_stock_available", "Codes of our own that can be sold.", "stock")
STOCK_LOW: Labelled = ("referans_stock_low", "Whether fewer are left than its providers want.", "stock")


class Metrics:
    """What is waiting and what is wrong. Also answers while the database or the queue is down, and reports that."""

    survives_outage = True

    def __init__(self, keys: Keys, settings: Settings, redis_client: redis.Redis) -> None:
        self._keys = keys
        self._registry = CollectorRegistry()
        self._registry.register(_Gauges(Limits.of(settings), settings.heartbeat_timeout, redis_client))
        self._lock = threading.Lock()
        #: When it was read (monotonic), and what.
        self._kept: tuple[float, bytes] | None = None

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        self._keys.require_whole(req, Scope.OPS)
        resp.content_type = CONTENT_TYPE_LATEST
        resp.data = self._latest()

    on_head = on_get

    def _latest(self) -> bytes:
        with self._lock:  # of several requests, one reads
            if self._kept is None or time.monotonic() - self._kept[0] > KEPT_SECONDS:
                text = generate_latest(self._registry)
                # From its end: those that waited take this one, however long it took.
                self._kept = time.monotonic(), text
            return self._kept[1]


class _Gauges(Collector):
    def __init__(self, limits: Limits, heartbeat_timeout_seconds: float, redis_client: redis.Redis) -> None:
        self._limits = limits
        self._heartbeat_timeout_seconds = heartbeat_timeout_seconds
        self._redis = redis_client

    def describe(self) -> Iterable[Metric]:
        return []

    def collect(self) -> Iterator[Metric]:
        stored, queued = self._stored(), self._queued()
        yield _single("referans_database_up", "Whether the database answers.", bool(stored))
        for metric in stored:
            time.sleep(0)  # lets other requests run: to write all of it takes some ten milliseconds
            yield metric
        yield _single("referans_broker_up", "Whether the queue answers.", bool(queued))
        yield from queued

    def _stored(self) -> list[Metric]:
        try:
            with database.session(Use.REQUEST):
                return [
                    *_of_the_database(),
                    *_of_orders(self._limits),
                    *_of_providers(),
                    *_of_stocks(),
                    *_of_notifications(),
                    *_of_alerts(),
                    *_counted(),
                    *_measured(),
                ]
        except database.UNAVAILABLE:
            return []

    def _queued(self) -> list[Metric]:
        try:
            writable = broker.obstacle(self._redis) is None
            lengths = broker.queue_lengths(self._redis)
            workers = broker.workers_alive(self._redis, self._heartbeat_timeout_seconds)
        except redis.RedisError:
            return []
        return [
            _single("referans_broker_writable", "Whether the queue takes messages.", writable),
            _labelled(QUEUED, lengths),
            _single("referans_workers_alive", "Worker processes with a sign of life.", workers),
        ]


def _of_the_database() -> Iterator[Metric]:
    writable = readiness.obstacle() is None
    yield _single("referans_database_writable", "Whether the database takes our writes.", writable)
    keys_open = not readiness.keys_open_nothing()
    yield _single("referans_encryption_ok", "0 if no key of this process opens what is stored.", keys_open)


def _of_orders(limits: Limits) -> Iterator[Metric]:
    yield _labelled(WAITING, gauges.waiting())
    yield _labelled(ATTENTION, dict.fromkeys(map(str, Attention), 0) | stuck.counts(limits))
    for name, (text, value) in gauges.singles().items():
        if value is not None:
            yield _single(name, text, value)


def _of_providers() -> Iterator[Metric]:
    known = gauges.providers()
    none = {one.id: 0 for one in known}
    for gauge, of in OF_PROVIDERS.items():
        yield _labelled(gauge, {one.id: of(one) for one in known})
    yield _labelled(GAPS, none | {each.provider_id: each.gaps for each in balances.standings()})
    counts = provider_counts.last_hour()
    for kind, gauge in COUNTED.items():
        yield _labelled(gauge, none | {each.provider_id: each.count for each in counts if each.kind == kind})
    conflicts = {each.provider_id: each.count for each in provider_counts.conflicts_last_hour()}
    yield _labelled(CONFLICTS, none | conflicts)
    yield _labelled(DENIED, none | {each.provider_id: each.count for each in denied.by_provider()})


def _of_stocks() -> Iterator[Metric]:
    levels = stock.levels()
    yield _labelled(STOCK, {level.name: level.available for level in levels})
    yield _labelled(STOCK_LOW, {level.name: int(level.is_low) for level in levels})


def _of_notifications() -> Iterator[Metric]:
    standing = outbox.standing()
    for name, (text, value) in NOTIFICATIONS.items():
        yield _single(name, text, value(standing))


def _of_alerts() -> Iterator[Metric]:
    none = dict.fromkeys(RULE_NAMES, 0)
    yield _labelled(ALERTS, none | Counter(each.rule for each in alert.going_on()))


def _counted() -> Iterator[Metric]:
    """What is counted in the database, so that it goes on over every restart of every process."""
    ended = CounterMetricFamily(*ENDED, labels=["provider", "end", "by"])
    steps: dict[str, dict[int, int]] = {}
    for each in pulse.counters():
        if each.name == "orders_ended":
            ended.add_metric([each.provider_id, each.label, each.further], each.value)
        elif each.name == "seconds":
            steps.setdefault(each.provider_id, {})[int(each.label)] = each.value
    seconds = HistogramMetricFamily(*SECONDS, labels=["provider"])
    for provider_id, counts in steps.items():
        seconds.add_metric([provider_id], *_histogram(counts))
    yield from (ended, seconds)


def _measured() -> Iterator[Metric]:
    """What the processes have written of what they counted, and of how long things took."""
    found: dict[str, list[Measured]] = {}
    for each in measurements.every():
        found.setdefault(each.name, []).append(each)
    for metric in COUNTERS:
        counter = CounterMetricFamily(metric.name, metric.text, labels=metric.labels)
        for each in found.get(metric.name, ()):
            counter.add_metric(each.labels, each.counts[0])
        yield counter
    for metric in HISTOGRAMS:
        histogram = HistogramMetricFamily(metric.name, metric.text, labels=metric.labels)
        for each in found.get(metric.name, ()):
            sums = [float(value) for value in accumulate(each.counts)]
            histogram.add_metric(each.labels, list(zip(LIMITS, sums, strict=False)), each.total)
        yield histogram


def _histogram(counts: dict[int, int]) -> tuple[list[tuple[str, float]], float]:
    """Buckets and the sum, from steps of durations; the bounds are those of steps, so that no bucket is a guess."""
    bounds = [(bound, 2.0 ** (bound / report_sums.STEPS)) for bound in BUCKETS]
    buckets = [
        (f"{seconds:.15g}", float(sum(count for step, count in counts.items() if step < bound)))
        for bound, seconds in bounds
    ]
    middle = sum(count * 2.0 ** ((step + 0.5) / report_sums.STEPS) for step, count in counts.items())
    return [*buckets, ("+Inf", float(sum(counts.values())))], middle


def _single(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value=float(value))


def _labelled(gauge: Labelled, values: dict[str, float | None] | dict[str, int]) -> Metric:
    name, text, label = gauge
    family = GaugeMetricFamily(name, text, labels=[label])
    for key, value in values.items():
        if value is not None:
            family.add_metric([key], float(value))
    return family
