"""While the database is away nothing gets a 2xx; as soon as it is back everything works, and nothing was lost."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from falcon.testing import Result

from gateway.dev.servers import EmbeddedPostgres
from models import api_key
from models.api_key import Scope
from models.db import database
from models.db.migrate import migrate
from tests import factories, servers
from tests.gateway.web import calls
from tests.gateway.web.conftest import Client
from tests.waiting import wait_until


@pytest.fixture(scope="module")
def server(open_directory: Path) -> Iterator[EmbeddedPostgres]:
    """A PostgreSQL that these tests may stop."""
    with servers.postgres(open_directory / "fragile", durable=False) as server:
        migrate(server.url, echo=lambda line: None)
        yield server


@pytest.fixture
def shared_database_url(server: EmbeddedPostgres) -> Iterator[str]:
    yield server.start()
    server.start()


@pytest.fixture
def key(pool: database.Pool) -> str:
    return api_key.create("storefront", list(Scope))


def unavailable(answer: Result) -> None:
    problem = calls.problem(answer, 503)
    assert "database" in problem["detail"]
    assert int(answer.headers["retry-after"]) > 0


def test_an_outage(server: EmbeddedPostgres, anonymous: Client, key: str) -> None:
    headers = {"Authorization": f"Bearer {key}", "Idempotency-Key": "1"}
    order = factories.sent()
    said = calls.neutral(order["provider_referans"], pin_code="PIN-1")
    anonymous.simulate_get("/orders", headers=headers)  # the key is remembered, the pool is warm
    server.stop()
    for _ in range(2):
        unavailable(anonymous.simulate_post("/orders", json=calls.BODY, headers=headers))
        unavailable(anonymous.simulate_get("/orders", headers=headers))
        unavailable(anonymous.simulate_get(f"/orders/{order['id']}", headers=headers))
        unavailable(calls.call_back(anonymous, said, webhook_id="1"))
        unavailable(calls.call_back(anonymous, b"not JSON"))
        unavailable(anonymous.simulate_post("/callbacks/nobody", body=b"{}"))
    assert anonymous.simulate_get("/health/live").status_code == 200
    server.start()
    assert calls.call_back(anonymous, said, webhook_id="1").json == {"result": "applied"}
    placed = anonymous.simulate_post("/orders", json=calls.BODY, headers=headers)
    assert placed.status_code == 201 and "idempotency-replayed" not in placed.headers


def test_who_waits_for_an_order_is_answered_after_the_outage(
    server: EmbeddedPostgres, anonymous: Client, key: str
) -> None:
    headers = {"Authorization": f"Bearer {key}"}
    order = factories.sent()
    said = calls.neutral(order["provider_referans"], pin_code="PIN-1")
    with ThreadPoolExecutor(1) as threads:
        asked = threads.submit(anonymous.simulate_get, f"/orders/{order['id']}?wait=30", headers=headers)
        wait_until(lambda: "waiting requests" in [thread.name for thread in threading.enumerate()])
        server.stop()
        time.sleep(0.5)
        assert not asked.done()
        server.start()
        wait_until(lambda: calls.call_back(anonymous, said, webhook_id="1").status_code == 200)
        answer = asked.result(20)
    assert (answer.status_code, answer.json["pinCode"]) == (200, "PIN-1")


def test_a_wait_that_ends_within_the_outage_is_a_503(
    server: EmbeddedPostgres, anonymous: Client, key: str
) -> None:
    headers = {"Authorization": f"Bearer {key}"}
    order = factories.sent()
    with ThreadPoolExecutor(1) as threads:
        asked = threads.submit(anonymous.simulate_get, f"/orders/{order['id']}?wait=1", headers=headers)
        wait_until(lambda: "waiting requests" in [thread.name for thread in threading.enumerate()])
        server.stop()
        unavailable(asked.result(20))
    server.start()


def test_the_first_request_after_a_restart_succeeds(
    server: EmbeddedPostgres, anonymous: Client, key: str
) -> None:
    headers = {"Authorization": f"Bearer {key}"}
    order = factories.sent()
    anonymous.simulate_get("/orders", headers=headers)
    for end in (server.stop, server.kill):
        end()
        server.start()
        assert anonymous.simulate_get(f"/orders/{order['id']}", headers=headers).status_code == 200


def test_connections_that_the_server_ended_are_replaced(anonymous: Client, key: str) -> None:
    headers = {"Authorization": f"Bearer {key}"}
    anonymous.simulate_get("/orders", headers=headers)
    database.rows(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname IS NOT NULL"
    )
    assert anonymous.simulate_get("/orders", headers=headers).status_code == 200


def test_without_a_free_connection_there_is_a_503_and_then_none(
    server: EmbeddedPostgres,
    anonymous: Client,
    key: str,
    pool: database.Pool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(database, "POOL_WAIT_SECONDS", 1)
    small = database.connect(server.url, pool_size=1)
    database.bind(small)
    headers = {"Authorization": f"Bearer {key}"}
    with ThreadPoolExecutor(1) as elsewhere:
        with database.session():
            unavailable(elsewhere.submit(anonymous.simulate_get, "/orders", headers=headers).result())
        assert (
            elsewhere.submit(anonymous.simulate_get, "/orders", headers=headers).result().status_code == 200
        )
    small.close_all()


def test_a_database_that_takes_no_writes_gets_no_2xx(anonymous: Client, pool: database.Pool) -> None:
    order = factories.sent()
    database.rows("ALTER DATABASE postgres SET default_transaction_read_only = on")
    pool.close_all()
    answer = calls.call_back(anonymous, calls.neutral(order["provider_referans"]))
    database.rows("SET default_transaction_read_only = off")
    database.rows("ALTER DATABASE postgres RESET default_transaction_read_only")
    pool.close_all()
    assert calls.problem(answer, answer.status_code)["status"] >= 500
    assert factories.column(order, "externalStatus") == "sent"
