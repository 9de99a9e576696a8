"""Whether the gateway is well, for load balancers and Prometheus."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import falcon
import pytest
import redis
from prometheus_client.parser import text_string_to_metric_families

from gateway import broker
from gateway.dev.embedded import free_port
from gateway.settings import Settings
from gateway.web import create_app
from models.db import database, sealed
from models.status import ExternalStatus
from tests import factories
from tests.conftest import KEY
from tests.gateway.web import calls
from tests.gateway.web.conftest import Client
from tests.refusing import execute, full, limited_role, read_only

NOWHERE = "127.0.0.1"
OTHER_KEY = "b3RoZXIta2V5LW90aGVyLWtleS1vdGhlci1rZXktb3Q="


def away(settings: Settings, open_directory: Path, **urls: str) -> Settings:
    """Settings with servers at an address without a listener."""
    port = free_port(seed=str(open_directory))
    given = {name: f"{scheme}://{NOWHERE}:{port}/0" for name, scheme in urls.items()}
    return settings.model_copy(update={name: type(settings.redis_url)(url) for name, url in given.items()})


@pytest.fixture
def without_broker(settings: Settings, pool: database.Pool, open_directory: Path) -> Iterator[Client]:
    with closing(broker.make_client(away(settings, open_directory, redis_url="redis"), strict=True)) as gone:
        yield Client(create_app(settings, gone))


@pytest.fixture
def without_database(app: falcon.App[Any, Any], settings: Settings, open_directory: Path) -> Iterator[Client]:
    known = database.database.obj
    lost = away(settings, open_directory, database_url="postgresql").database_url.get_secret_value()
    database.bind(database.connect(lost))
    yield Client(app)
    database.bind(known)


def metrics(client: Client) -> dict[tuple[str, str], float]:
    """(name, label's value) of each sample."""
    answer = client.simulate_get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain")
    families = text_string_to_metric_families(answer.text)
    samples = [sample for family in families for sample in family.samples]
    return {(one.name, "".join(one.labels.values())): one.value for one in samples}


def test_live_needs_nothing(without_database: Client) -> None:
    assert without_database.simulate_get("/health/live").json == {"status": "ok"}


WELL = {"database": "ok", "broker": "ok", "migrations": "ok", "encryption": "ok"}


def ready(client: Client) -> dict[str, str]:
    """What `/health/ready` says; its status code must say the same."""
    answer = client.simulate_get("/health/ready")
    assert answer.status_code == (200 if answer.json["status"] == "ok" else 503)
    return dict(answer.json)


def test_ready_says_what_is_well(anonymous: Client) -> None:
    assert ready(anonymous) == {"status": "ok", **WELL}


def test_ready_names_a_broker_that_is_away(without_broker: Client) -> None:
    found = ready(without_broker)
    assert found == {"status": "down: broker", **WELL, "broker": "down: ConnectionError"}


def test_ready_names_a_database_that_is_away(without_database: Client) -> None:
    unknown = "unknown without the database"
    found = ready(without_database)
    assert found.pop("database").startswith("down: ")
    assert found == {"status": "down: database", "broker": "ok", "migrations": unknown, "encryption": unknown}


def test_ready_names_migrations_that_are_missing(anonymous: Client, empty_database_url: str) -> None:
    known, empty = database.database.obj, database.connect(empty_database_url)
    database.bind(empty)
    found = ready(anonymous)
    empty.close_all()
    database.bind(known)
    assert found["status"] == "down: migrations"
    assert "0001_product_orders" in found["migrations"] and "gateway migrate" in found["migrations"]


class TestWhereNoOrderCouldBePlaced:
    """Everything answers, and all the same a process with this database, queue or keys must get no requests."""

    @pytest.fixture
    def database_url(self, emptied_database_url: str) -> Iterator[str]:
        with limited_role(emptied_database_url) as url:
            yield url

    def test_the_database_is_read_only(
        self, anonymous: Client, pool: database.Pool, emptied_database_url: str
    ) -> None:
        with read_only(emptied_database_url):
            pool.close_all()
            assert ready(anonymous) == {"status": "down: database", **WELL, "database": "down: read-only"}
        assert ready(anonymous)["status"] == "ok"

    def test_the_right_to_insert_was_taken_away(
        self, anonymous: Client, client: Client, settings: Settings, emptied_database_url: str
    ) -> None:
        role = urlsplit(settings.database_url.get_secret_value()).username
        execute(emptied_database_url, f"REVOKE INSERT ON ALL TABLES IN SCHEMA public FROM {role}")
        said = {"status": "down: database", **WELL, "database": "down: writing is not permitted"}
        assert ready(anonymous) == said
        calls.problem(client.simulate_post("/orders", json=calls.BODY), 503)

        execute(emptied_database_url, f"GRANT INSERT ON ALL TABLES IN SCHEMA public TO {role}")
        assert ready(anonymous)["status"] == "ok"
        calls.place(client)

    def test_no_key_opens_what_is_stored(self, anonymous: Client) -> None:
        sealed.bind([OTHER_KEY])
        found = ready(anonymous)
        sealed.bind([KEY])
        wrong = "down: ENCRYPTION_KEYS: no key opens what is stored"
        assert found == {"status": "down: encryption", **WELL, "encryption": wrong}


def test_ready_names_a_queue_that_takes_nothing_more(
    settings: Settings, pool: database.Pool, own_redis_url: str
) -> None:
    client = Client(create_app(settings, redis.Redis.from_url(own_redis_url)))
    assert ready(client)["status"] == "ok"
    with full(own_redis_url):
        assert ready(client) == {"status": "down: broker", **WELL, "broker": "down: full"}
    assert ready(client)["status"] == "ok"


def test_metrics_show_what_waits(client: Client) -> None:
    assert ("referans_orders_waiting", "not_sent") not in metrics(client)
    calls.place(client)
    factories.age(factories.sent(), 3600)
    factories.settle(factories.arrival(factories.sent(), ExternalStatus.COMPLETED))
    calls.call_back(client, calls.neutral("1"))
    broker.drain(5)
    shown = metrics(client)
    assert shown["referans_orders_waiting", "not_sent"] == 1
    assert shown["referans_orders_waiting", "sent"] == 1
    assert ("referans_orders_waiting", "completed") not in shown
    assert shown["referans_checks_due", ""] == 1
    assert shown["referans_oldest_due_seconds", ""] > 3000
    assert shown["referans_callbacks_unmatched", ""] == 1
    assert shown["referans_queue_messages", "dispatch"] == 1
    assert ("referans_last_sweep_age_seconds", "") not in shown


def test_metrics_do_without_the_queue(without_broker: Client) -> None:
    factories.place()
    shown = metrics(without_broker)
    assert shown["referans_orders_waiting", "not_sent"] == 1
    assert not [name for name, _ in shown if name == "referans_queue_messages"]


def test_metrics_without_the_database_say_so(without_database: Client) -> None:
    answer = without_database.simulate_get("/metrics")
    assert answer.status_code == 200
    assert "referans_database_up 0.0" in answer.text
