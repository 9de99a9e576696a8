"""How the gateway is: for load balancers, and for Prometheus."""

from collections.abc import Callable, Iterator
from typing import Any

import falcon
import redis
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from gateway import broker, log
from models import database, figures, migrate

OK = "ok"


class Live:
    """The process answers."""

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        resp.media = {"status": OK}


class Ready:
    """What an order needs is there; a 503 names what is not."""

    def __init__(self, redis_client: redis.Redis) -> None:
        self._probes: dict[str, Callable[[], Any]] = {
            "database": _database,
            "broker": redis_client.ping,
            "migrations": _migrations,
        }

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        found = {name: _outcome(probe) for name, probe in self._probes.items()}
        down = [name for name, outcome in found.items() if outcome != OK]
        resp.status = falcon.HTTP_503 if down else falcon.HTTP_200
        resp.media = {"status": f"down: {', '.join(down)}" if down else OK} | found


def _outcome(probe: Callable[[], Any]) -> str:
    try:
        probe()
    except Exception as error:
        return log.mask(f"down: {error}".strip().splitlines()[0])
    return OK


def _database() -> None:
    with database.session():
        database.rows("SELECT 1")


def _migrations() -> None:
    with database.session():
        pending = migrate.pending(database.database.obj)
    if pending:
        raise RuntimeError(f"{', '.join(pending)} not applied; run `gateway migrate`")


class Metrics:
    """Gauges, read from the database and the queue when they are asked for."""

    def __init__(self, redis_client: redis.Redis) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(_Gauges(redis_client))

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        resp.content_type = CONTENT_TYPE_LATEST
        resp.data = generate_latest(self._registry)


class _Gauges(Collector):
    def __init__(self, redis_client: redis.Redis) -> None:
        self._redis = redis_client

    def describe(self) -> list[Metric]:
        return []

    def collect(self) -> Iterator[Metric]:
        with database.session():
            yield _family(
                "referans_orders_waiting", "Orders that are not final.", "external_status", figures.waiting()
            )
            for name, (text, value) in figures.singles().items():
                if value is not None:
                    yield GaugeMetricFamily(name, text, value=value)
        try:
            lengths = broker.queue_lengths(self._redis)
        except redis.RedisError:
            lengths = {}
        yield _family("referans_queue_messages", "Messages that wait in the queue.", "queue", lengths)


def _family(name: str, text: str, label: str, values: dict[str, int]) -> Metric:
    family = GaugeMetricFamily(name, text, labels=[label])
    for key, value in values.items():
        family.add_metric([key], value)
    return family
