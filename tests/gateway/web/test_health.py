"""Whether the gateway is well, for load balancers and Prometheus."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import falcon
import pytest
from prometheus_client.parser import text_string_to_metric_families

from gateway import broker
from gateway.dev.embedded import free_port
from gateway.settings import Settings
from gateway.web import create_app
from models.db import database
from models.status import ExternalStatus
from tests import factories
from tests.gateway.web import calls
from tests.gateway.web.conftest import Client

NOWHERE = "127.0.0.1"


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


def test_ready_says_what_is_well(anonymous: Client) -> None:
    answer = anonymous.simulate_get("/health/ready")
    assert answer.status_code == 200
    assert answer.json == {"status": "ok", "database": "ok", "broker": "ok", "migrations": "ok"}


def test_ready_names_a_broker_that_is_away(without_broker: Client) -> None:
    answer = without_broker.simulate_get("/health/ready")
    assert answer.status_code == 503
    assert answer.json["status"] == "down: broker"
    assert (answer.json["database"], answer.json["migrations"]) == ("ok", "ok")


def test_ready_names_a_database_that_is_away(without_database: Client) -> None:
    answer = without_database.simulate_get("/health/ready")
    assert answer.status_code == 503
    assert answer.json["status"] == "down: database, migrations"
    assert answer.json["broker"] == "ok"


def test_ready_names_migrations_that_are_missing(anonymous: Client, empty_database_url: str) -> None:
    known, empty = database.database.obj, database.connect(empty_database_url)
    database.bind(empty)
    answer = anonymous.simulate_get("/health/ready")
    empty.close_all()
    database.bind(known)
    assert answer.status_code == 503
    assert answer.json["status"] == "down: migrations"
    assert (
        "0001_product_orders" in answer.json["migrations"] and "gateway migrate" in answer.json["migrations"]
    )


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
