"""How often a key may ask, and how often an address may fail."""

import socket
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import falcon
import pytest
import redis
from falcon.testing import TestClient, create_environ

from gateway import broker
from gateway.settings import Rate, Settings, load
from gateway.web import auth, create_app
from gateway.web.addresses import client_network
from gateway.web.limits import SLOTS, Limiter, Limits
from models import api_key, provider
from models.api_key import Scope
from models.db import database
from tests import factories
from tests.conftest import KEY
from tests.gateway.web import calls
from tests.gateway.web.calls import NOBODY
from tests.gateway.web.conftest import Client, ClientFor

#: An hour, so that no test waits for its end; a tenth of it for failures.
LIMIT = 20
FAILURES = LIMIT // 10
WRONG = {"Authorization": "Bearer rk_wrong"}
#: Addresses of documentation.
HERE, ELSEWHERE = "203.0.113.7", "198.51.100.9"


@pytest.fixture
def settings(database_url: str, redis_url: str) -> Settings:
    given = {"DATABASE_URL": database_url, "REDIS_URL": redis_url, "ENCRYPTION_KEYS": KEY}
    return load({**given, "RATE_LIMIT": f"{LIMIT}/hour", "TRUSTED_PROXIES": "1"})


def wrong_key(client: Client, address: str = HERE) -> falcon.testing.Result:
    return client.simulate_get("/orders", headers=WRONG | {"X-Forwarded-For": address})


def wrong_signature(client: Client, address: str = HERE) -> falcon.testing.Result:
    headers = calls.signed(b"{}", secret="whsec_d3Jvbmc=") | {"X-Forwarded-For": address}
    return client.simulate_post("/callbacks/sandbox", body=b"{}", headers=headers)


def exhaust(client: Client, address: str = HERE) -> None:
    """Fail until the limit of an address is reached."""
    for _ in range(FAILURES):
        calls.problem(wrong_key(client, address), 401)


# --- a key


def test_past_its_limit_a_key_is_told_when_to_try_again(client: Client, client_for: ClientFor) -> None:
    for number in range(LIMIT):
        path = ("/orders", f"/orders/{factories.NO_ORDER}")[number % 2]
        assert client.simulate_get(path).status_code in (200, 404)
    answer = client.simulate_post("/orders", json=calls.BODY)
    assert f"its {LIMIT}/hour requests" in calls.problem(answer, 429)["detail"]
    assert 3000 < int(answer.headers["retry-after"]) <= 3600
    assert database_is_empty()
    assert client_for(Scope.ORDERS_READ).simulate_get("/orders").status_code == 200


def database_is_empty() -> bool:
    with database.session():
        return database.rows("SELECT count(*) AS many FROM product_orders")[0]["many"] == 0


def test_health_has_no_limit(anonymous: Client) -> None:
    assert {anonymous.simulate_get("/health/live").status_code for _ in range(3 * LIMIT)} == {200}


# --- what is wrong


def test_past_its_failures_an_address_is_told_to_wait(anonymous: Client) -> None:
    exhaust(anonymous)
    for fail in (wrong_key, wrong_signature):
        answer = fail(anonymous)
        assert "from your address" in calls.problem(answer, 429)["detail"]
        assert 0 < int(answer.headers["retry-after"]) <= 3600
        calls.problem(fail(anonymous, ELSEWHERE), 401)
    assert calls.inbox() == []


def test_wrong_signatures_count_too(anonymous: Client) -> None:
    for _ in range(FAILURES):
        calls.problem(wrong_signature(anonymous), 401)
    calls.problem(wrong_key(anonymous), 429)


def test_what_is_right_is_never_refused_for_the_failures_of_others(anonymous: Client) -> None:
    """From the same address, also with a key and a provider that no process has seen before."""
    exhaust(anonymous)
    calls.problem(wrong_key(anonymous), 429)
    with database.session():
        made = api_key.create("made since", [Scope.ORDERS_READ])
        factories.add_provider("added-since")
    time.sleep(auth.LOOK_AGAIN_SECONDS)  # what such an address may cost
    headers = {"Authorization": f"Bearer {made}", "X-Forwarded-For": HERE}
    assert anonymous.simulate_get("/orders", headers=headers).status_code == 200
    for name in ("sandbox", "added-since"):
        body = f'{{"provider_referans": "{NOBODY}", "status": "completed"}}'.encode()
        signed = calls.signed(body) | {"X-Forwarded-For": HERE}
        answer = anonymous.simulate_post(f"/callbacks/{name}", body=body, headers=signed)
        assert calls.result(answer, 202) == "unmatched"


def counted(real: Callable[[], Any], calls: list[str]) -> Callable[[], Any]:
    """`real`, each of whose calls is noted."""

    def noted() -> Any:
        calls.append(real.__name__)
        return real()

    return noted


def test_past_its_failures_an_address_costs_the_database_next_to_nothing(
    anonymous: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    for module, name in ((api_key, "not_revoked"), (provider, "ids")):
        monkeypatch.setattr(module, name, counted(getattr(module, name), read))
    exhaust(anonymous)
    before, began = len(read), time.monotonic()
    for _ in range(200):
        wrong_key(anonymous)
        anonymous.simulate_post("/callbacks/unknown", headers={"X-Forwarded-For": HERE})
    allowed = 2 * (time.monotonic() - began) / auth.LOOK_AGAIN_SECONDS + 2
    assert len(read) - before <= allowed < 200


def test_an_unknown_provider_is_a_404_however_often(anonymous: Client) -> None:
    for _ in range(FAILURES + 2):
        calls.problem(anonymous.simulate_post("/callbacks/unknown", headers={"X-Forwarded-For": HERE}), 404)
    calls.problem(wrong_signature(anonymous), 429)


def test_without_any_key_nothing_is_counted(anonymous: Client) -> None:
    for _ in range(FAILURES + 2):
        calls.problem(anonymous.simulate_get("/orders", headers={"X-Forwarded-For": HERE}), 401)
    calls.problem(wrong_key(anonymous), 401)


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::", "2001:db8:1:2::/64"),
        ("unknown", "unknown"),
    ],
)
def test_of_an_ipv6_address_its_network_counts(address: str, network: str) -> None:
    request = falcon.Request(create_environ(headers={"X-Forwarded-For": f"198.51.100.1, {address}"}))
    assert client_network(request, 1) == network


# --- many processes


class Clock:
    """Goes on when it is told to."""

    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(redis_url: str) -> Iterator[redis.Redis]:
    with closing(redis.Redis.from_url(redis_url)) as client:
        yield client


def share(limiter: Limiter, client: redis.Redis) -> None:
    if waiting := limiter.asked():
        limiter.share(client, waiting)


@pytest.mark.parametrize("processes", [1, 2, 4, 8])
def test_all_processes_together_let_through_a_fifth_too_many_at_most(
    clock: Clock, store: redis.Redis, processes: int
) -> None:
    """Each of them is asked far more often than all may answer, for ten seconds."""
    limiters = [Limiter("key", Rate(100, 1), clock) for _ in range(processes)]
    through = 0
    for tick in range(1000):
        clock.now += 0.01
        through += sum(limiter.take("1") == 0 for limiter in limiters for _ in range(10))
        if tick % 20 == 0:
            for limiter in limiters:
                share(limiter, store)
    assert 900 <= through <= 1200 + 100 * processes  # at first none knows of the others


def test_a_client_of_one_process_gets_all_that_the_limit_allows(clock: Clock, store: redis.Redis) -> None:
    """The others are there, and are not asked."""
    limiters = [Limiter("key", Rate(100, 1), clock) for _ in range(4)]
    for tick in range(1000):
        clock.now += 0.0101
        assert limiters[0].take("1") == 0
        if tick % 20 == 0:
            for limiter in limiters:
                share(limiter, store)


@pytest.mark.parametrize("processes", [2, 4])
def test_a_client_that_moves_between_processes_is_not_refused(
    clock: Clock, store: redis.Redis, processes: int
) -> None:
    """It makes three fifths of what the limit allows, and goes to another process each second."""
    limiters = [Limiter("key", Rate(100, 1), clock) for _ in range(processes)]
    for tick in range(1000):
        clock.now += 1 / 60
        assert limiters[tick // 60 % processes].take("1") == 0
        if tick % 12 == 0:
            for limiter in limiters:
                share(limiter, store)


def test_what_one_process_counts_the_others_know(clock: Clock, store: redis.Redis) -> None:
    here, there = (Limiter("key", Rate(3, 60), clock) for _ in range(2))
    assert [here.take("1") > 0 for _ in range(4)] == [False, False, False, True]
    assert there.take("1") == 0
    share(here, store)
    share(there, store)
    assert there.take("1") > 0 and there.take("2") == 0


def test_room_comes_back_when_it_was_said(clock: Clock) -> None:
    limiter = Limiter("key", Rate(3, 60), clock)
    for _ in range(3):
        assert limiter.take("1") == 0
        clock.now += 10
    wait_seconds = limiter.take("1")
    assert 0 < wait_seconds <= 30
    clock.now += wait_seconds + 0.001
    assert limiter.take("1") == 0


def test_any_number_of_addresses_takes_no_more_memory(clock: Clock, store: redis.Redis) -> None:
    of_failures = Limiter("failure", Rate(10, 3600), clock)
    shared = Limits(load({"REDIS_URL": "redis://h"}, require=()), store)
    for number in range(2 * SLOTS):
        environ = create_environ(remote_addr=f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}")
        of_failures.take(shared._slot(falcon.Request(environ)))
    assert len(of_failures._counts) <= SLOTS
    while of_failures.asked():
        pass
    clock.now += 5 * 3600
    of_failures.asked()
    assert not of_failures._counts


def test_where_redis_is_away_each_process_counts_alone_and_no_request_waits(
    settings: Settings, pool: database.Pool
) -> None:
    with database.session():
        key = api_key.create("storefront", [Scope.ORDERS_READ])
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"redis://127.0.0.1:{silent.getsockname()[1]}"
        client = broker.make_client(load({"REDIS_URL": url}, require=()), strict=True)
        asking = TestClient(create_app(settings, client), headers={"Authorization": f"Bearer {key}"})
        asking.simulate_get("/orders")
        took, answers = [], []
        for _ in range(LIMIT):
            began = time.monotonic()
            answers.append(asking.simulate_get("/orders").status_code)
            took.append(time.monotonic() - began)
        # Of a busy machine one may be slow; where a request waits, each does.
        assert statistics.median(took) < broker.WEB_TIMEOUT_SECONDS
    assert answers == [200] * (LIMIT - 1) + [429]
