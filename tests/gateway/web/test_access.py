"""Scopes of API keys, and what surrounds every call."""

import threading
import time
from datetime import timedelta

import pytest

from gateway.web import auth
from models import api_key
from models.api_key import Scope
from models.db import database
from tests.gateway.web import calls
from tests.gateway.web.conftest import Client, ClientFor, Later
from tests.waiting import wait_until

ID = "00000000-0000-4000-8000-000000000000"
CALLS = [
    ("POST", "/orders", {Scope.ORDERS_WRITE}),
    ("GET", "/orders", {Scope.ORDERS_READ}),
    ("GET", f"/orders/{ID}", {Scope.ORDERS_READ}),
    ("GET", f"/orders/{ID}/events", {Scope.ORDERS_READ}),
    ("POST", f"/orders/{ID}/check", {Scope.ORDERS_WRITE, Scope.OPS}),
    ("POST", f"/orders/{ID}/cancel", {Scope.ORDERS_WRITE}),
    ("GET", "/metrics", {Scope.OPS}),
    ("POST", f"/orders/{ID}/resolve", {Scope.OPS}),
    ("POST", f"/orders/{ID}/resend", {Scope.OPS}),
]


def test_a_key_may_do_what_its_scopes_say_and_no_more(client_for: ClientFor) -> None:
    for scope in Scope:
        alone = client_for(scope)
        for method, path, enough in CALLS:
            answer = alone.simulate_request(method, path)
            assert (answer.status_code == 403) == (scope not in enough), (scope, method, path)
            if scope not in enough:
                calls.problem(answer, 403)


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        "Basic dXNlcjpwYXNz",
        "Bearer rk_nobody",
        "rk_nobody",
        "Bearer \xff\xfe",
        "Bearer " + "x" * 8000,
    ],
)
def test_without_a_valid_key_nothing_is_done(anonymous: Client, authorization: str | None) -> None:
    headers = {} if authorization is None else {"Authorization": authorization}
    for method, path, _ in CALLS:
        answer = anonymous.simulate_request(method, path, headers=headers)
        assert "rk_nobody" not in str(calls.problem(answer, 401))
        assert answer.headers["www-authenticate"] == "Bearer"


def test_the_scheme_is_read_in_any_case(anonymous: Client) -> None:
    key = api_key.create("any case", [Scope.ORDERS_READ])
    for scheme in ("bearer", "BEARER"):
        headers = {"Authorization": f"{scheme} {key}"}
        assert anonymous.simulate_get("/orders", headers=headers).status_code == 200


# --- what surrounds every call


def test_every_answer_has_a_request_id(client: Client, anonymous: Client) -> None:
    asked = [
        client.simulate_get("/orders"),
        anonymous.simulate_get("/orders"),
        anonymous.simulate_get("/nowhere"),
        anonymous.simulate_options("/orders"),
        anonymous.simulate_get("/health/live"),
    ]
    ids = [answer.headers["x-request-id"] for answer in asked]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize(
    ("given", "kept"), [("abc-123", True), ("a b", False), ("x" * 201, False), ("\xe9", False)]
)
def test_a_sane_request_id_is_passed_on(anonymous: Client, given: str, kept: bool) -> None:
    answer = anonymous.simulate_get("/health/live", headers={"X-Request-ID": given})
    assert (answer.headers["x-request-id"] == given) is kept


def test_no_request_keeps_a_connection(client: Client, anonymous: Client, pool: database.Pool) -> None:
    calls.place(client)
    for path in ("/orders", f"/orders/{ID}", "/orders?limit=x", "/nowhere", "/health/ready", "/metrics"):
        client.simulate_get(path)
        anonymous.simulate_get(path)
    calls.call_back(client, calls.neutral("1"))
    assert pool.is_closed() and not pool._in_use


# --- until when a key counts, and that it was used


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def test_a_key_that_is_made_counts_at_once(anonymous: Client) -> None:
    assert anonymous.simulate_get("/orders", headers=bearer("rk_none_yet")).status_code == 401
    key = api_key.create("just made", [Scope.ORDERS_READ])
    assert anonymous.simulate_get("/orders", headers=bearer(key)).status_code == 200


def test_a_revoked_key_ends_within_a_second_however_busy_it_is(client: Client, later: Later) -> None:
    assert client.simulate_get("/orders").status_code == 200
    database.rows("UPDATE referans.api_keys SET revoked_at = now()")
    for _ in range(9):
        later(0.1)
        client.simulate_get("/orders")
    later(0.1)
    assert client.simulate_get("/orders").status_code == 401


def test_an_expired_key_is_refused_and_says_so(anonymous: Client) -> None:
    key = api_key.create("for a moment", [Scope.ORDERS_READ], timedelta(seconds=0.3))
    assert anonymous.simulate_get("/orders", headers=bearer(key)).status_code == 200
    wait_until(lambda: anonymous.simulate_get("/orders", headers=bearer(key)).status_code == 401)
    said = calls.problem(anonymous.simulate_get("/orders", headers=bearer(key)), 401)["detail"]
    assert said.startswith("the API key expired at 20") and key not in said


def test_the_day_of_a_use_is_stored_once(client: Client) -> None:
    def stored() -> object:
        return database.rows(
            "SELECT last_used_on = current_date AS is_today, xmin::text FROM referans.api_keys"
        )[0]

    assert stored()["is_today"] is None
    client.simulate_get("/orders")
    wait_until(lambda: stored()["is_today"])
    before = stored()
    database.rows("SELECT 1")
    for _ in range(3):
        client.simulate_get("/orders")
    [key_id] = [row["id"] for row in database.rows("SELECT id FROM referans.api_keys")]
    api_key.record_use([key_id])
    assert stored() == before


def test_no_request_waits_for_the_keys_while_they_are_asked_for(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are read again in the background."""
    readers: list[str] = []
    real = api_key.not_revoked
    monkeypatch.setattr(
        api_key, "not_revoked", lambda: readers.append(threading.current_thread().name) or real()
    )
    until = time.monotonic() + 3 * auth.CACHE_SECONDS
    client.simulate_get("/orders")
    while time.monotonic() < until:
        client.simulate_get("/orders")
    assert readers[2:] and set(readers[2:]) == {"snapshot"}
