"""Orders over HTTP: placed, read, checked, cancelled."""

from datetime import datetime
from typing import Any

import dramatiq
import pytest
import redis

from models import provider, route
from models.db import database
from models.status import ExternalStatus
from tests import factories
from tests.gateway.web import calls
from tests.gateway.web.conftest import Client
from tests.waiting import wait_until

#: The contract's order, word for word; `pinCode` is there for those who may see it.
FIELDS = ["id", "orderNo", "productId", "packageId", "quantity", "userIdentifier", "extraField"]
FIELDS += ["status", "externalStatus", "providerId", "providerReferans", "externalOrderId", "pinCode"]
FIELDS += ["lastMessage", "createdAt", "sentAt", "lastSyncAt", "completedAt", "durationMs"]


def test_a_placed_order_is_shown_in_full(client: Client) -> None:
    answer = client.simulate_post("/orders", json=calls.BODY | {"extraField": "TR", "quantity": 2})
    assert answer.status_code == 201
    assert list(answer.json) == [name for name in FIELDS if name != "pinCode"]
    shown = answer.json
    assert shown["status"], shown["externalStatus"] == ("pending", "not_sent")
    assert (shown["extraField"], shown["quantity"], shown["providerId"]) == ("TR", 2, factories.SANDBOX)
    assert shown["providerReferans"].isdigit()
    assert shown["createdAt"].endswith("Z") and datetime.fromisoformat(shown["createdAt"])


@pytest.mark.parametrize("path", ["/orders", "/orders/", "/api-dj/orders", "/api-dj/orders/"])
def test_both_prefixes_take_orders_and_say_where_they_are(client: Client, path: str) -> None:
    answer = client.simulate_post(path, json=calls.BODY)
    assert answer.status_code == 201
    assert answer.headers["location"] == f"{path.rstrip('/')}/{answer.json['id']}"
    assert client.simulate_get(answer.headers["location"]).json == answer.json


def test_a_placed_order_wakes_a_worker(client: Client, redis_url: str) -> None:
    placed = calls.place(client)
    with redis.Redis.from_url(redis_url) as queue:
        messages: Any = wait_until(lambda: queue.hvals("referans:dispatch.msgs"))
    message: dramatiq.Message[Any] = dramatiq.Message.decode(messages[0])
    assert (message.actor_name, message.args) == ("dispatch_order", (placed["id"],))


def test_text_is_kept_as_it_came(client: Client) -> None:
    name = "Oyuncu ş😀 ' \" \\ <b>\u202e"
    placed = calls.place(client, userIdentifier=name)
    assert client.simulate_get(f"/orders/{placed['id']}").json["userIdentifier"] == name


def test_without_a_route_nothing_is_placed(client: Client) -> None:
    database.rows("DELETE FROM routes")
    answer = client.simulate_post("/orders", json=calls.BODY)
    assert calls.pointers(answer) == ["/packageId"]
    assert database.rows("SELECT 1 FROM product_orders") == []


def test_the_order_goes_to_the_provider_of_its_route(client: Client) -> None:
    provider.save(provider.Provider("other", "znet", "http://127.0.0.1:1", "token", factories.CREDENTIALS))
    route.add("game", "60", "other", {"oyun": "1", "kupur": "1"})
    assert calls.place(client)["providerId"] == "other"


@pytest.mark.parametrize(
    "url", ["https://shop.example/orders/1?a=b#c", "http://127.0.0.1:8080/", "HTTPS://x"]
)
def test_the_url_to_notify_is_stored_as_it_was_given(client: Client, url: str) -> None:
    answer = client.simulate_post("/orders", json=calls.BODY | {"notifyUrl": url})
    assert answer.status_code == 201
    assert factories.column(answer.json, "notifyUrl") == url


# --- PINs


@pytest.fixture
def completed(pool: object) -> dict[str, Any]:
    order = factories.sent()
    factories.settle(factories.arrival(order, ExternalStatus.COMPLETED, pin="PIN-1"))
    return order


def test_a_pin_is_shown_only_to_keys_that_may_read_it(
    completed: dict[str, Any], client: Client, trusted: Client
) -> None:
    path = f"/orders/{completed['id']}"
    hidden, shown = client.simulate_get(path), trusted.simulate_get(path)
    assert "pinCode" not in hidden.json and "PIN-1" not in hidden.text
    assert shown.json["pinCode"] == "PIN-1"
    assert list(shown.json) == FIELDS
    assert (shown.json["status"], shown.json["externalStatus"]) == ("approved", "completed")


def test_each_read_of_a_pin_is_on_the_timeline(
    completed: dict[str, Any], client: Client, trusted: Client
) -> None:
    path = f"/orders/{completed['id']}"
    for reader in (trusted, client, trusted):
        reader.simulate_get(path)
    assert [event for event in calls.timeline(completed["id"]) if "PIN" in event[1]] == [
        ("api", "PIN read with key storefront")
    ] * 2


def test_no_other_call_shows_a_pin(completed: dict[str, Any], trusted: Client) -> None:
    path = f"/orders/{completed['id']}"
    answers = [
        trusted.simulate_get("/orders"),
        trusted.simulate_get(f"{path}/events"),
        trusted.simulate_post(f"{path}/check"),
        trusted.simulate_post(f"{path}/cancel"),
        trusted.simulate_get("/metrics"),
    ]
    assert [answer.status_code for answer in answers] == [200, 200, 202, 409, 200]
    assert not any("PIN-1" in answer.text or "pinCode" in answer.text for answer in answers)


def test_without_a_pin_null_is_shown_and_no_reading_recorded(trusted: Client) -> None:
    placed = calls.place(trusted)
    assert trusted.simulate_get(f"/orders/{placed['id']}").json["pinCode"] is None
    assert len(calls.timeline(placed["id"])) == 1


def test_a_pin_stored_before_sealing_was_turned_on_is_shown(
    completed: dict[str, Any], trusted: Client
) -> None:
    factories.put(completed, pinCode="IN-CLEAR", pinDigest=None)
    assert trusted.simulate_get(f"/orders/{completed['id']}").json["pinCode"] == "IN-CLEAR"


def test_a_pin_that_does_not_open_is_an_error_that_shows_nothing(
    completed: dict[str, Any], trusted: Client
) -> None:
    moved = factories.sent("another player")
    factories.put(moved, pinCode=factories.column(completed, "pinCode"))
    found = calls.problem(trusted.simulate_get(f"/orders/{moved['id']}"), 500)
    assert "ENCRYPTION_KEYS" in found["detail"] and "sealed:" not in found["detail"]


# --- the timeline


def test_the_timeline_tells_what_happened_oldest_first(completed: dict[str, Any], client: Client) -> None:
    events = client.simulate_get(f"/orders/{completed['id']}/events").json
    assert [set(event) for event in events] == [{"at", "source", "from", "to", "message"}] * len(events)
    assert [(event["source"], event["from"], event["to"]) for event in events] == [
        ("api", None, "not_sent"),
        ("dispatch", "not_sent", "pending"),
        ("dispatch", "pending", "sent"),
        ("callback", "sent", "completed"),
    ]
    assert [event["at"] for event in events] == sorted(event["at"] for event in events)


def test_the_timeline_of_a_conflict_keeps_the_other_pin_to_itself(
    completed: dict[str, Any], client: Client
) -> None:
    factories.settle(factories.arrival(completed, ExternalStatus.COMPLETED, pin="PIN-2"))
    answer = client.simulate_get(f"/orders/{completed['id']}/events")
    assert "conflict" in answer.text and "PIN-2" not in answer.text


# --- asking and cancelling


def test_a_check_is_planned_for_now_also_where_a_callback_came(client: Client) -> None:
    order = factories.sent()
    calls.call_back(client, calls.neutral(order["provider_referans"], "processing"))
    answer = client.simulate_post(f"/orders/{order['id']}/check")
    assert (answer.status_code, answer.json["id"]) == (202, order["id"])
    assert factories.column(order, "checkRequestedAt") is not None
    assert calls.timeline(order["id"])[-1] == ("api", "check requested with key storefront")


def test_an_order_that_was_never_sent_cannot_be_checked(client: Client) -> None:
    placed = calls.place(client)
    calls.problem(client.simulate_post(f"/orders/{placed['id']}/check"), 409)
    assert len(calls.timeline(placed["id"])) == 1


def test_what_was_not_sent_is_cancelled_once(client: Client) -> None:
    path = f"/orders/{calls.place(client)['id']}"
    answer = client.simulate_post(f"{path}/cancel")
    assert answer.status_code == 200
    assert (answer.json["status"], answer.json["externalStatus"]) == ("rejected", "failed")
    assert client.simulate_get(path).json == answer.json
    calls.problem(client.simulate_post(f"{path}/cancel"), 409)
    assert len(client.simulate_get(f"{path}/events").json) == 2


def test_what_was_sent_is_not_cancelled(client: Client) -> None:
    order = factories.sent()
    found = calls.problem(client.simulate_post(f"/orders/{order['id']}/cancel"), 409)
    assert "sent" in found["detail"]
    assert factories.column(order, "externalStatus") == "sent"


@pytest.mark.parametrize(
    ("stored", "shown"),
    [
        ("queued", "pending"),
        ("done", "completed"),
        ("delivered", "completed"),
        ("cancelled", "failed"),
        ("rejected", "failed"),
    ],
)
def test_older_systems_words_are_read_in_ours(client: Client, stored: str, shown: str) -> None:
    order = factories.place()
    factories.put(order, externalStatus=stored)
    assert client.simulate_get(f"/orders/{order['id']}").json["externalStatus"] == shown
    listed = client.simulate_get("/orders", params={"externalStatus": shown}).json["data"]
    assert [one["externalStatus"] for one in listed] == [shown]
