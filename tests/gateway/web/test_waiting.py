"""Requests that wait for an order: what ends the wait, and that no connection and no question is held for each."""

import threading
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing
from typing import Any

import falcon
import pytest
from falcon.testing import Result, TestClient

from gateway import broker
from gateway.settings import Settings
from gateway.web import create_app, seen, waiting
from gateway.web.auth import Keys
from gateway.web.errors import Problem
from gateway.web.limits import Limits
from gateway.web.waiting import Waiting
from models.api_key import Scope
from models.db import database
from models.status import ExternalStatus
from tests import factories
from tests.gateway.web import calls
from tests.waiting import wait_until

#: Longest wait that is asked for, in seconds; no test waits so long unless something is wrong.
LONG_SECONDS = 30
#: Seconds within which something happens at once.
SOON_SECONDS = 15


class Watch:
    """What the watcher of the application asks for, and what becomes of it."""

    def __init__(self) -> None:
        self.asked: list[int] = []
        #: False: it learns nothing, as if nobody changed anything.
        self.looks = True
        self.trouble: Exception | None = None
        self.gone: set[str] = set()

    def look(self, waited_for: Sequence[tuple[str, ExternalStatus | None]]) -> Collection[int]:
        self.asked.append(len(waited_for))
        if self.trouble:
            raise self.trouble
        return seen.changed(waited_for) if self.looks else []

    def hung_up(self, environments: Sequence[Mapping[str, Any]]) -> list[int]:
        return [at for at, env in enumerate(environments) if env.get("HTTP_X_REQUEST_ID") in self.gone]


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def waiters(watch: Watch) -> Waiting:
    return Waiting(watch.look, most=40, hung_up=watch.hung_up)


@pytest.fixture
def app(settings: Settings, pool: database.Pool, waiters: Waiting) -> Iterator[falcon.App[Any, Any]]:
    with (
        closing(broker.make_client(settings, strict=True)) as client,
        closing(broker.make_broker(settings, strict=True)) as queue,
    ):
        broker.install(broker.Bell(queue))
        limits = Limits(settings, client, share_seconds=0.01)
        keys = Keys(limits)
        yield create_app(settings, client, limits=limits, keys=keys, waiting=waiters)
        waiters.end()
        waiters.drain(5)
        keys.drain(5)
        limits.drain(5)
        broker.drain(5)
        broker.install(None)


class Crowd:
    """Clients that wait, each in a thread of its own."""

    def __init__(self, threads: ThreadPoolExecutor, waiters: Waiting) -> None:
        self._threads = threads
        self._waiters = waiters
        self._count = 0

    def wait(self, client: TestClient, order: Mapping[str, Any], **query: Any) -> "Future[Result]":
        """Begin to wait; returns once the request does."""
        self._count += 1
        before = len(self._waiters)
        params = {"wait": LONG_SECONDS} | {name.rstrip("_"): value for name, value in query.items()}
        headers = {"X-Request-ID": f"waiter-{self._count}"}
        asked = self._threads.submit(
            client.simulate_get, f"/orders/{order['id']}", params=params, headers=headers
        )
        wait_until(lambda: len(self._waiters) > before or asked.done())
        return asked


@pytest.fixture
def crowd(waiters: Waiting) -> Iterator[Crowd]:
    with ThreadPoolExecutor(40) as threads:
        yield Crowd(threads, waiters)
        waiters.end()


def status(asked: "Future[Result]") -> str:
    answer = asked.result(SOON_SECONDS)
    assert answer.status_code == 200, answer.text
    return str(answer.json["externalStatus"])


def elsewhere(order: Mapping[str, Any], external_status: str) -> None:
    """Another process changes the order."""
    factories.put(dict(order), externalStatus=external_status)


# --- what ends a wait


@pytest.mark.parametrize("end", ["completed", "failed", "reversed"])
def test_the_end_of_an_order_ends_the_wait(
    crowd: Crowd, client: TestClient, order: dict[str, Any], end: str
) -> None:
    asked = crowd.wait(client, order)
    elsewhere(order, "processing")
    time.sleep(0.5)
    assert not asked.done()
    elsewhere(order, end)
    assert status(asked) == end


def test_with_from_any_other_status_ends_the_wait(
    crowd: Crowd, client: TestClient, order: dict[str, Any]
) -> None:
    asked = crowd.wait(client, order, from_="sent")
    elsewhere(order, "processing")
    assert status(asked) == "processing"


def test_what_this_process_settles_ends_the_wait_at_once(
    crowd: Crowd, client: TestClient, order: dict[str, Any], watch: Watch
) -> None:
    watch.looks = False
    by_callback = crowd.wait(client, order)
    said = calls.neutral(order["provider_referans"], pin_code="PIN-1")
    assert calls.result(calls.call_back(client, said)) == "applied"
    assert status(by_callback) == "completed"
    placed = calls.place(client)
    cancelled = crowd.wait(client, placed)
    client.simulate_post(f"/orders/{placed['id']}/cancel")
    assert status(cancelled) == "failed"


def test_what_a_person_decides_ends_the_wait_at_once(
    crowd: Crowd, trusted: TestClient, order: dict[str, Any], watch: Watch
) -> None:
    watch.looks = False
    asked = crowd.wait(trusted, order)
    body = {"externalStatus": "completed", "pinCode": "PIN-1", "reason": "seen at the panel"}
    trusted.simulate_post(f"/orders/{order['id']}/resolve", json=body)
    assert (status(asked), asked.result().json["pinCode"]) == ("completed", "PIN-1")


@pytest.mark.parametrize(
    ("stands", "query"), [("sent", "wait=0"), ("sent", "wait=30&from=processing"), ("failed", "wait=30")]
)
def test_what_differs_already_is_answered_at_once(
    client: TestClient, order: dict[str, Any], watch: Watch, stands: str, query: str
) -> None:
    elsewhere(order, stands)
    assert client.simulate_get(f"/orders/{order['id']}?{query}").json["externalStatus"] == stands
    assert watch.asked == []


def test_words_of_another_system_are_read_as_ours(
    crowd: Crowd, client: TestClient, order: dict[str, Any]
) -> None:
    factories.put(order, placedByGateway=None, routeParams=None, externalStatus="Forwarded")
    asked = crowd.wait(client, order)
    elsewhere(order, "QUEUED")
    time.sleep(0.3)
    assert not asked.done()
    elsewhere(order, "Delivered")
    assert status(asked) == "completed"


def test_after_the_time_the_present_state_is_answered(client: TestClient, order: dict[str, Any]) -> None:
    began = time.monotonic()
    answer = client.simulate_get(f"/orders/{order['id']}?wait=0.6")
    assert (answer.status_code, answer.json["externalStatus"]) == (200, "sent")
    assert 0.6 <= time.monotonic() - began < SOON_SECONDS


def test_when_the_process_ends_whoever_waits_or_comes_is_answered_at_once(
    crowd: Crowd, client: TestClient, order: dict[str, Any], waiters: Waiting
) -> None:
    asked = [crowd.wait(client, order) for _ in range(3)]
    waiters.end()
    assert [status(one) for one in asked] == ["sent"] * 3
    assert client.simulate_get(f"/orders/{order['id']}?wait=30").json["externalStatus"] == "sent"


def test_a_client_that_goes_away_frees_its_place(
    crowd: Crowd, client: TestClient, order: dict[str, Any], waiters: Waiting, watch: Watch
) -> None:
    gone, other = crowd.wait(client, order), crowd.wait(client, order)
    watch.gone.add("waiter-1")
    gone.result(SOON_SECONDS)
    assert (len(waiters), other.done()) == (1, False)


@pytest.mark.parametrize(
    "query",
    [
        "wait=-1",
        "wait=61",
        "wait=x",
        "wait=nan",
        "wait=inf",
        "wait=",
        "wait=1&wait=2",
        "from=done",
        "from=",
        "from=Sent",
    ],
)
def test_a_wait_that_cannot_be(client: TestClient, order: dict[str, Any], query: str) -> None:
    name = query.partition("=")[0]
    assert calls.pointers(client.simulate_get(f"/orders/{order['id']}?{query}"), 400) == [f"/{name}"]


# --- whose wait it is


def test_who_waits_sees_what_the_key_sees(
    client_for: Any, crowd: Crowd, client: TestClient, order: dict[str, Any], watch: Watch
) -> None:
    other = client_for(Scope.ORDERS_READ, tenant_id=factories.TENANT)
    for path in (
        f"/orders/{order['id']}?wait=30",
        f"/orders/{factories.NO_ORDER}?wait=30",
        "/orders/x?wait=30",
    ):
        calls.problem(other.simulate_get(path), 404)
    assert watch.asked == []
    asked = crowd.wait(client, order)
    factories.settle(factories.arrival(order, ExternalStatus.COMPLETED, pin="PIN-1"))
    assert "pinCode" not in asked.result(SOON_SECONDS).json


def test_a_key_that_is_revoked_meanwhile_gets_no_answer(
    crowd: Crowd, client: TestClient, order: dict[str, Any]
) -> None:
    asked = crowd.wait(client, order)
    database.rows("UPDATE referans.api_keys SET revoked_at = now()")
    time.sleep(1)
    elsewhere(order, "completed")
    calls.problem(asked.result(SOON_SECONDS), 401)


# --- what a wait costs


def test_many_are_asked_for_in_one_statement_and_hold_no_connection(
    crowd: Crowd, client: TestClient, watch: Watch, pool: database.Pool
) -> None:
    orders = [factories.sent(f"player{number}") for number in range(20)]
    database.database.close()
    asked = [crowd.wait(client, order) for order in orders]
    wait_until(lambda: 20 in watch.asked)
    wait_until(lambda: not pool._in_use)
    database.rows("UPDATE product_orders SET \"externalStatus\" = 'completed'")
    assert {status(one) for one in asked} == {"completed"}
    assert max(watch.asked) == 20


def test_who_waits_for_the_same_is_asked_for_once(
    crowd: Crowd, client: TestClient, order: dict[str, Any], watch: Watch
) -> None:
    asked = [crowd.wait(client, order, **({"from_": "sent"} if n % 2 else {})) for n in range(6)]
    wait_until(lambda: watch.asked[-1:] == [2])
    elsewhere(order, "failed")
    assert {status(one) for one in asked} == {"failed"}


def test_nothing_is_asked_once_nobody_waits(
    crowd: Crowd, client: TestClient, order: dict[str, Any], watch: Watch, waiters: Waiting
) -> None:
    asked = crowd.wait(client, order)
    elsewhere(order, "completed")
    status(asked)
    assert waiters.drain(SOON_SECONDS)
    assert "waiting requests" not in [thread.name for thread in threading.enumerate()]
    elsewhere(order, "sent")
    again = crowd.wait(client, order, wait=LONG_SECONDS)
    elsewhere(order, "completed")
    assert status(again) == "completed"


def test_where_every_place_is_taken_a_503_says_when_to_come_again(
    crowd: Crowd, client: TestClient, order: dict[str, Any], waiters: Waiting
) -> None:
    waiters._most = 2
    asked = [crowd.wait(client, order) for _ in range(2)]
    refused = client.simulate_get(f"/orders/{order['id']}?wait=30")
    assert calls.problem(refused, 503)["type"] == "/docs/problems/too-many-waiting"
    assert refused.headers["retry-after"] == str(waiting.RETRY_AFTER_SECONDS)
    elsewhere(order, "completed")
    assert {status(one) for one in asked} == {"completed"}
    assert waiters.drain(SOON_SECONDS) and len(waiters) == 0


def test_no_tenant_can_take_every_place(pool: object) -> None:
    waiters = Waiting(lambda wanted: [], most=20)
    with ExitStack() as places:

        def take(holder: str, count: int) -> None:
            for _ in range(count):
                places.enter_context(waiters.place("1", None, 5, {}, holder))

        take("greedy", 18)
        with pytest.raises(Problem) as refused:
            take("greedy", 1)
        assert "18 of them yours" in str(refused.value.description)
        take("other", 2)
        with pytest.raises(Problem):
            take("other", 1)
    assert waiters.drain(SOON_SECONDS)
    assert (len(waiters), waiters._held) == (0, {})


def test_trouble_with_the_database_is_no_answer(
    crowd: Crowd, client: TestClient, order: dict[str, Any], watch: Watch
) -> None:
    watch.trouble = database.Unavailable("every connection is in use")
    asked = crowd.wait(client, order)
    elsewhere(order, "completed")
    wait_until(lambda: len(watch.asked) > 2)
    assert not asked.done()
    watch.trouble = None
    assert status(asked) == "completed"


def test_a_wait_ends_with_the_request(pool: object) -> None:
    """Also where what is done with the place fails."""
    waiters = Waiting(lambda wanted: [])
    with pytest.raises(LookupError), waiters.place("1", None, 5, {}, "a"):
        assert len(waiters) == 1
        raise LookupError
    assert len(waiters) == 0 and waiters.drain(SOON_SECONDS)
