"""Gauges for Prometheus, read from the database and the queue on each scrape."""

from collections.abc import Iterable, Iterator

import falcon
import redis
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from gateway import broker
from models import gauges
from models.db import database


class Metrics:
    """What is waiting. Also answers while the database or the queue is down, and reports that."""

    def __init__(self, redis_client: redis.Redis) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(_Gauges(redis_client))

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        resp.content_type = CONTENT_TYPE_LATEST
        resp.data = generate_latest(self._registry)


class _Gauges(Collector):
    def __init__(self, redis_client: redis.Redis) -> None:
        self._redis = redis_client

    def describe(self) -> Iterable[Metric]:
        return []

    def collect(self) -> Iterator[Metric]:
        stored, queued = _stored(), self._queued()
        yield _up("referans_database_up", "Whether the database answers.", stored)
        yield from stored
        yield _up("referans_broker_up", "Whether the queue answers.", queued)
        yield from queued

    def _queued(self) -> list[Metric]:
        try:
            lengths = broker.queue_lengths(self._redis)
        except redis.RedisError:
            return []
        return [_labelled("referans_queue_messages", "Messages waiting in the queue.", "queue", lengths)]


def _stored() -> list[Metric]:
    try:
        with database.session():
            waiting, singles = gauges.waiting(), gauges.singles()
    except database.UNAVAILABLE:
        return []
    others = [
        GaugeMetricFamily(name, text, value=value)
        for name, (text, value) in singles.items()
        if value is not None
    ]
    return [
        _labelled("referans_orders_waiting", "Orders that are not final.", "external_status", waiting),
        *others,
    ]


def _up(name: str, text: str, found: list[Metric]) -> Metric:
    return GaugeMetricFamily(name, text, value=int(bool(found)))


def _labelled(name: str, text: str, label: str, values: dict[str, int]) -> Metric:
    family = GaugeMetricFamily(name, text, labels=[label])
    for key, value in values.items():
        family.add_metric([key], value)
    return family
