"""However much is read, orders are placed and callbacks are settled; and what is read waits, or is told why not."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest

from models.db import binding, database, sealed
from models.db.database import Shares, Use
from tests import factories
from tests.gateway.web import calls
from tests.gateway.web.conftest import Client


@pytest.fixture
def pool(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[database.Pool]:
    """Three connections: two for requests about one order, of these one for lists."""
    monkeypatch.setattr(database, "POOL_WAIT_SECONDS", 0.2)
    made = binding.bind_from(settings, pool_size=3, shares=Shares(requests=2, lists=1), name="referans-test")
    with database.session():
        factories.add_provider()
    yield made
    sealed.bind([])
    made.close_all()


@contextmanager
def in_use(*uses: Use) -> Iterator[None]:
    """A connection for each of these is held by somebody else."""
    let_go = threading.Event()
    began = threading.Barrier(len(uses) + 1)

    def hold(use: Use) -> None:
        with database.session(use):
            began.wait(10)
            let_go.wait()

    with ThreadPoolExecutor(len(uses)) as others, ExitStack() as held:
        held.callback(let_go.set)
        for use in uses:
            others.submit(hold, use)
        began.wait(10)
        yield


def test_reads_that_take_all_they_may_keep_no_order_and_no_callback_waiting(trusted: Client) -> None:
    order = calls.place(trusted)
    factories.put(order, externalStatus="sent", providerId="sandbox")
    calls.call_back(trusted, calls.neutral(calls.NOBODY))  # the provider is known from now on
    with in_use(Use.LIST, Use.REQUEST):
        calls.place(trusted)
        said = calls.neutral(order["providerReferans"], pin_code="PIN-1")
        assert calls.result(calls.call_back(trusted, said)) == "applied"
        assert trusted.simulate_get("/health/ready").json["database"] == "ok"
        for path in ("/orders", f"/orders/{order['id']}", f"/orders/{order['id']}/events", "/metrics"):
            answer = trusted.simulate_get(path)
            if path == "/metrics":
                assert "referans_database_up 0.0" in answer.text
                continue
            problem = calls.problem(answer, 503)
            assert "every database connection for this is in use" in problem["detail"]
            assert int(answer.headers["retry-after"]) > 0


def test_lists_that_take_all_they_may_keep_no_single_order_waiting(trusted: Client) -> None:
    order = calls.place(trusted)
    with in_use(Use.LIST):
        assert trusted.simulate_get(f"/orders/{order['id']}").status_code == 200
        assert trusted.simulate_post(f"/orders/{order['id']}/cancel").status_code == 200
        assert "referans_database_up 1.0" in trusted.simulate_get("/metrics").text
        calls.problem(trusted.simulate_get("/orders"), 503)
    assert trusted.simulate_get("/orders").status_code == 200


def test_a_key_that_is_known_is_read_again_however_much_is_read(
    trusted: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls.place(trusted)
    monkeypatch.setattr("gateway.web.cache.time.monotonic", lambda: 10.0**9)
    with in_use(Use.LIST, Use.REQUEST):
        calls.place(trusted)
