"""Whether the gateway is well, for load balancers and Prometheus."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import falcon
import pytest
import redis
from prometheus_client.parser import text_string_to_metric_families

from gateway import broker
from gateway.settings import Settings
from gateway.web import create_app, metrics
from models import api_key, claims, provider_counts, provider_health, stock, sweep_run
from models.api_key import Scope
from models.codes import Code
from models.db import database, sealed
from models.provider_counts import Addition, Counted
from models.status import Attention, ExternalStatus
from models.stock import NewCode
from tests import factories
from tests.conftest import KEY
from tests.gateway.web import calls
from tests.gateway.web.conftest import Client, ClientFor
from tests.ports import free_port
from tests.refusing import execute, full, limited_role, read_only
from tests.waiting import wait_until

NOWHERE = "127.0.0.1"
OTHER_KEY = "b3RoZXIta2V5LW90aGVyLWtleS1vdGhlci1rZXktb3Q="


def away(settings: Settings, open_directory: Path, **urls: str) -> Settings:
    """Settings with servers at an address without a listener."""
    port = free_port()
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
        execute(emptied_database_url, f"REVOKE INSERT ON ALL TABLES IN SCHEMA public, referans FROM {role}")
        said = {"status": "down: database", **WELL, "database": "down: writing is not permitted"}
        assert ready(anonymous) == said
        calls.problem(client.simulate_post("/orders", json=calls.BODY), 503)

        execute(emptied_database_url, f"GRANT INSERT ON ALL TABLES IN SCHEMA public, referans TO {role}")
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


@pytest.fixture
def ops_key(pool: database.Pool) -> str:
    with database.session():
        return api_key.create("prometheus", [Scope.OPS])


@pytest.fixture
def read_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is kept from one scrape to the next."""
    monkeypatch.setattr("gateway.web.metrics.KEPT_SECONDS", -1.0)


@pytest.mark.usefixtures("read_at_once")
class TestMetrics:
    @pytest.fixture(autouse=True)
    def authorization(self, ops_key: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("gateway.web.auth.CACHE_SECONDS", -1.0)
        self.headers = {"Authorization": f"Bearer {ops_key}"}

    def metrics(self, client: Client) -> dict[tuple[str, str], float]:
        """(name, label's value) of each sample."""
        answer = client.simulate_get("/metrics", headers=self.headers)
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"].startswith("text/plain")
        families = text_string_to_metric_families(answer.text)
        samples = [sample for family in families for sample in family.samples]
        return {(one.name, " ".join(one.labels.values())): one.value for one in samples}

    def test_what_the_sweep_has_counted_are_counters(self, client: Client) -> None:
        counted = [
            ("orders_ended", "completed", "callback", 7),
            *(("seconds", "12", "", 5), ("seconds", "13", "", 2)),
        ]
        with database.session():
            for each in counted:
                database.rows("INSERT INTO referans.counters VALUES (%s, 'kuzey', %s, %s, %s)", each)
        text = client.simulate_get("/metrics", headers=self.headers).text
        for line in (
            'referans_orders_ended_total{by="callback",end="completed",provider="kuzey"} 7.0',
            'referans_order_seconds_bucket{le="8",provider="kuzey"} 0.0',
            'referans_order_seconds_bucket{le="16",provider="kuzey"} 7.0',
            'referans_order_seconds_count{provider="kuzey"} 7.0',
            'referans_incidents{rule="provider_down"} 0.0',
        ):
            assert line in text, line

    def test_they_show_what_waits(self, client: Client) -> None:
        assert ("referans_orders_waiting", "not_sent") not in self.metrics(client)
        calls.place(client)
        factories.age(factories.sent(), 3600)
        factories.settle(factories.arrival(factories.sent(), ExternalStatus.COMPLETED))
        calls.call_back(client, calls.neutral("1"))
        broker.drain(5)
        shown = self.metrics(client)
        assert shown["referans_orders_waiting", "not_sent"] == 1
        assert shown["referans_orders_waiting", "sent"] == 1
        assert ("referans_orders_waiting", "completed") not in shown
        assert shown["referans_checks_due", ""] == 1
        assert shown["referans_oldest_due_seconds", ""] > 3000
        assert shown["referans_callbacks_unmatched", ""] == 1
        assert shown["referans_queue_messages", "dispatch"] == 1
        assert ("referans_last_sweep_age_seconds", "") not in shown
        assert ("referans_scheduler_age_seconds", "") not in shown

    def test_they_show_the_servers_and_processes(self, client: Client, redis_url: str) -> None:
        shown = self.metrics(client)
        names = ("database_up", "database_writable", "encryption_ok", "broker_up", "broker_writable")
        assert [shown[f"referans_{name}", ""] for name in names] == [1] * 5
        assert shown["referans_workers_alive", ""] == 0
        sweep_run.beat("scheduler")
        sweep_run.begin("scheduler")
        with closing(redis.Redis.from_url(redis_url)) as queue:
            queue.zadd(f"{broker.NAMESPACE}:__heartbeats__", {f"{broker.WORKER_PREFIX}1": time.time() * 1000})
        shown = self.metrics(client)
        assert shown["referans_workers_alive", ""] == 1
        assert shown["referans_scheduler_age_seconds", ""] < 60
        assert shown["referans_last_sweep_age_seconds", ""] < 60

    def test_they_show_orders_that_need_a_person_by_kind(self, client: Client) -> None:
        shown = self.metrics(client)
        assert {kind: shown["referans_orders_attention", kind] for kind in Attention} == dict.fromkeys(
            Attention, 0
        )
        order = factories.sent()
        for pin in ("PIN-1", "PIN-2"):
            factories.settle(factories.arrival(order, ExternalStatus.COMPLETED, pin))
        shown = self.metrics(client)
        assert shown["referans_orders_attention", "conflict"] == 1
        assert shown["referans_provider_conflicts_last_hour", "sandbox"] == 1

    def test_they_show_how_each_provider_does(self, client: Client) -> None:
        good = {"up": 1, "paused": 0, "has_balance": 1, "refusals_last_hour": 0, "orders_unknown": 0}
        good |= {
            "conflicts_last_hour": 0,
            "callbacks_refused_last_hour": 0,
            "balance_low": 0,
            "balance_gaps": 0,
        }
        assert self.providers(client) == good

        for _ in range(provider_health.BREAKER_THRESHOLD):
            provider_health.failed("sandbox", "no answer", 30)
        provider_health.pause("sandbox", "cleaning", "mona")
        for kind, count in ((Counted.ORDER_REFUSED, 3), (Counted.CALLBACK_REFUSED, 2)):
            provider_counts.add([Addition("sandbox", kind, count, "reason")])
        order = factories.sent()
        for _ in range(claims.ASKS):
            claims.unknown_to_provider(order["id"], 0)
        database.rows("UPDATE referans.provider_health SET balance = 12.5")
        database.rows("UPDATE referans.providers SET low_balance = 13")

        bad = {"up": 0, "paused": 1, "refusals_last_hour": 3, "orders_unknown": 1, "balance_low": 1}
        assert self.providers(client) == good | bad | {"callbacks_refused_last_hour": 2, "balance": 12.5}

    def test_they_show_our_own_stock(self, client: Client) -> None:
        stock.load("cards", [NewCode(Code(f"CODE-{number}")) for number in range(3)])
        shown = self.metrics(client)
        assert (shown["referans_stock_available", "cards"], shown["referans_stock_low", "cards"]) == (3, 0)

    def providers(self, client: Client) -> dict[str, float]:
        """What is said of the sandbox."""
        begin = "referans_provider_"
        shown = self.metrics(client)
        return {
            name.removeprefix(begin): value for (name, label), value in shown.items() if label == "sandbox"
        }

    def test_they_do_without_the_queue(self, without_broker: Client) -> None:
        factories.place()
        shown = self.metrics(without_broker)
        assert shown["referans_orders_waiting", "not_sent"] == 1
        assert shown["referans_broker_up", ""] == 0
        unknown = {"referans_queue_messages", "referans_broker_writable", "referans_workers_alive"}
        assert not unknown & {name for name, _ in shown}

    def test_a_queue_that_is_full_is_up_and_takes_nothing(
        self, settings: Settings, pool: database.Pool, own_redis_url: str
    ) -> None:
        client = Client(create_app(settings, redis.Redis.from_url(own_redis_url)))
        with full(own_redis_url):
            shown = self.metrics(client)
        assert (shown["referans_broker_up", ""], shown["referans_broker_writable", ""]) == (1, 0)

    def test_a_database_that_takes_no_writes_is_up(
        self, client: Client, pool: database.Pool, emptied_database_url: str
    ) -> None:
        with read_only(emptied_database_url):
            pool.close_all()
            shown = self.metrics(client)
        assert (shown["referans_database_up", ""], shown["referans_database_writable", ""]) == (1, 0)

    def test_keys_that_open_nothing_are_shown(self, client: Client) -> None:
        sealed.bind([OTHER_KEY])
        assert self.metrics(client)["referans_encryption_ok", ""] == 0
        sealed.bind([KEY])

    def test_without_the_database_a_key_that_is_known_still_counts(
        self, settings: Settings, anonymous: Client, pool: database.Pool, open_directory: Path
    ) -> None:
        """The key is looked up each time here, as it is after some seconds."""
        assert self.metrics(anonymous)["referans_database_up", ""] == 1
        lost = away(settings, open_directory, database_url="postgresql").database_url.get_secret_value()
        database.bind(database.connect(lost))
        assert self.metrics(anonymous)["referans_database_up", ""] == 0
        stranger = anonymous.simulate_get("/metrics", headers={"Authorization": "Bearer rk_nobody"})
        database.bind(pool)
        calls.problem(stranger, 503)


def test_many_that_ask_for_metrics_at_once_share_one_reading_however_long_it_takes(
    client_for: ClientFor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes longer than an answer is kept."""
    prometheus = client_for(Scope.OPS)
    prometheus.simulate_get("/orders")  # the key is known
    readings: list[str] = []
    asking: list[int] = []
    real = metrics.generate_latest

    def read_slowly(registry: Any) -> bytes:
        readings.append("one")
        wait_until(lambda: len(asking) == 64)
        time.sleep(0.6)
        return real(registry)

    def ask(number: int) -> int:
        asking.append(number)
        return int(prometheus.simulate_get("/metrics").status_code)

    monkeypatch.setattr(metrics, "generate_latest", read_slowly)
    monkeypatch.setattr(metrics, "KEPT_SECONDS", 0.5)
    with ThreadPoolExecutor(64) as scrapers:
        answers = list(scrapers.map(ask, range(64)))
    assert answers == [200] * 64
    assert len(readings) == 1


def test_metrics_are_read_once_in_a_few_seconds_however_many_ask(
    client_for: ClientFor, monkeypatch: pytest.MonkeyPatch
) -> None:
    prometheus = client_for(Scope.OPS)
    first = prometheus.simulate_get("/metrics").text
    factories.place()
    assert prometheus.simulate_get("/metrics").text == first
    monkeypatch.setattr("gateway.web.metrics.KEPT_SECONDS", -1.0)
    assert prometheus.simulate_get("/metrics").text != first
