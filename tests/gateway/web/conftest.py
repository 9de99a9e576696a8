"""The application as gunicorn loads it, within the test's own process."""

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from types import SimpleNamespace
from typing import Any

import falcon
import pytest
from falcon.testing import Result, TestClient

from gateway import broker
from gateway.counting import Counts
from gateway.settings import Settings, load
from gateway.web import cache, create_app
from gateway.web.auth import Keys
from gateway.web.limits import Limits
from models import api_key
from models.api_key import Scope
from models.db import binding, database, sealed
from tests import factories, warm
from tests.conftest import KEY, UNLIMITED
from tests.gateway.web import contract

#: Connections of the application under test; a test sees at once where a request keeps one.
POOL_SIZE = 4


class Client(TestClient):
    """Holds each answer against the document at `/openapi.json`."""

    def simulate_request(self, *args: Any, **kwargs: Any) -> Result:
        answer: Result = super().simulate_request(*args, **kwargs)
        contract.current().check(
            args[0] if args else kwargs.get("method", "GET"), _path(args, kwargs), answer
        )
        return answer


def _path(args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    return str(args[1] if len(args) > 1 else kwargs.get("path", "/"))


ClientFor = Callable[..., Client]
#: Makes whatever is cached so many seconds older.
Later = Callable[[float], None]


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Later:
    passed = [0.0]
    clock = SimpleNamespace(monotonic=lambda: time.monotonic() + sum(passed))
    monkeypatch.setattr(cache, "time", clock)
    return passed.append


@pytest.fixture
def database_url(emptied_database_url: str) -> str:
    """A database with the tables in it and nothing in them."""
    return emptied_database_url


@pytest.fixture
def settings(database_url: str, redis_url: str) -> Settings:
    return load({"DATABASE_URL": database_url, "REDIS_URL": redis_url, "ENCRYPTION_KEYS": KEY, **UNLIMITED})


@pytest.fixture
def pool(settings: Settings) -> Iterator[database.Pool]:
    """The models bound to a fresh database that has the provider `sandbox`, with sealing on."""
    pool = warm.fill(binding.bind_from(settings, pool_size=POOL_SIZE, name="referans-test"))
    with database.session():
        factories.add_provider()
    yield pool
    sealed.bind([])
    warm.close(pool)


@pytest.fixture
def app(settings: Settings, pool: database.Pool) -> Iterator[falcon.App[Any, Any]]:
    with (
        closing(broker.make_client(settings, strict=True)) as client,
        closing(broker.make_broker(settings, strict=True)) as queue,
    ):
        broker.install(broker.Bell(queue))
        counts = Counts(write_seconds=0.01)
        limits = Limits(settings, client, share_seconds=0.01)
        keys = Keys(limits)
        yield create_app(settings, client, counts=counts, limits=limits, keys=keys)
        keys.drain(5)
        limits.drain(5)
        counts.drain(5)
        broker.drain(5)
        broker.install(None)


@pytest.fixture
def anonymous(app: falcon.App[Any, Any]) -> Client:
    """A client without a key, as providers are."""
    return Client(app)


@pytest.fixture
def client_for(app: falcon.App[Any, Any]) -> ClientFor:
    """Makes a client whose key has the scopes given."""

    def make(*scopes: Scope, tenant_id: str | None = None) -> Client:
        key = api_key.create("storefront", list(scopes), tenant_id=tenant_id)
        return Client(app, headers={"Authorization": f"Bearer {key}"})

    return make


@pytest.fixture
def client(client_for: ClientFor) -> Client:
    """A storefront that places and reads, and may not see PINs."""
    return client_for(Scope.ORDERS_WRITE, Scope.ORDERS_READ)


@pytest.fixture
def trusted(client_for: ClientFor) -> Client:
    """A client with every scope."""
    return client_for(*Scope)


@pytest.fixture
def order(pool: object) -> dict[str, Any]:
    """An order that `sandbox` has accepted."""
    return factories.sent()
