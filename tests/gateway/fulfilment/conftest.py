"""A worker within the test's own process: a real database, a real queue, and the simulator over HTTP."""

from collections.abc import Callable, Iterator, MutableMapping
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest
import redis
import structlog

from gateway import broker, outbound
from gateway.counting import Counts
from gateway.dev.simulator import Simulator
from gateway.fulfilment.permits import Permits
from gateway.fulfilment.worker import Worker
from gateway.settings import load
from models import provider
from models.provider import Provider
from tests import factories
from tests.conftest import KEY
from tests.gateway.fulfilment.orders import Queue

#: A provider that is tried when the sandbox refuses; it is the same simulator.
BACKUP = "backup"

WorkerFor = Callable[..., Worker]
Lines = list[MutableMapping[str, Any]]


@pytest.fixture(autouse=True)
def lines() -> Iterator[Lines]:
    """What is logged, one mapping a line."""
    with structlog.testing.capture_logs() as captured:
        yield captured


@pytest.fixture(scope="session")
def panel() -> Iterator[Simulator]:
    credentials = {name: factories.CREDENTIALS[name] for name in ("kod", "sifre")}
    with Simulator(settle_after_seconds=0, echo=None, **credentials) as simulator:
        yield simulator


@pytest.fixture
def simulator(panel: Simulator) -> Simulator:
    """A simulator that has seen no order."""
    panel.book.reset()
    return panel


@pytest.fixture(scope="session")
def client() -> outbound.Client:
    return outbound.Client()


@pytest.fixture
def redis_client(redis_url: str) -> Iterator[redis.Redis]:
    with closing(redis.Redis.from_url(redis_url)) as client:
        yield client


@pytest.fixture
def queue(redis_client: redis.Redis) -> Queue:
    return Queue(redis_client)


@pytest.fixture
def models(emptied_database_url: str, simulator: Simulator) -> Iterator[None]:
    """The models bound to an empty database whose provider `sandbox` is the simulator."""
    with factories.bound(emptied_database_url, keys=[KEY]):
        factories.add_provider(base_url=simulator.url)
        yield


@pytest.fixture
def backup(models: None, simulator: Simulator) -> str:
    """The id of a second provider."""
    factories.add_provider(BACKUP, base_url=simulator.url)
    return BACKUP


@pytest.fixture
def worker_for(models: None, redis_url: str, client: outbound.Client) -> Iterator[WorkerFor]:
    """Makes a worker: settings by their variables, other dependencies by their names."""
    counts = Counts(write_seconds=0.01)
    with closing(broker.make_broker(load({"REDIS_URL": redis_url}, require=()), strict=True)) as dramatiq:

        def make(variables: dict[str, str] | None = None, **dependencies: Any) -> Worker:
            settings = load({"REDIS_URL": redis_url, **(variables or {})}, require=())
            hints = broker.Hints(dramatiq, longest_delay_seconds=settings.sweep_period_seconds)
            permits = Permits(dramatiq.client)
            made = Worker(settings, client, permits, hints, counts, uniform=lambda low, high: low)
            return replace(made, **dependencies)

        yield make
        counts.drain(5)


@pytest.fixture
def worker(worker_for: WorkerFor) -> Worker:
    """A worker with the default settings, whose waits are not stretched."""
    return worker_for()


@pytest.fixture
def single(models: None) -> Provider:
    """The provider that orders go to, which now takes one call at a time."""
    found = provider.find(factories.SANDBOX)
    assert found
    found = replace(found, max_concurrency=1)
    provider.save(found)
    return found
