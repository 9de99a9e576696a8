"""Orders over HTTP: placed, read, checked, cancelled."""

from datetime import datetime
from typing import Any

import dramatiq
import pytest
import redis
from falcon.testing import TestClient

from models import api_key, provider, provider_health, route
from models.api_key import Scope
from models.codes import Code
from models.db import database
from models.outcome import Arrival, Outcome
from models.status import ExternalStatus, Source
from tests import factories
from tests.gateway.web import calls
from tests.gateway.web.conftest import Client
from tests.waiting import wait_until

#: The contract's order, word for word; SECRET ones are there for keys that may read them.
FIELDS = ["id", "orderNo", "tenantId", "reference", "productId", "packageId", "quantity", "userIdentifier"]
FIELDS += ["extraField", "metadata", "status", "externalStatus", "failureReason", "attention"]
FIELDS += ["providerId", "providerReferans", "externalOrderId", "pinCode", "codes", "receipt", "cost"]
FIELDS += ["lastMessage"]
FIELDS += ["createdAt", "sentAt", "lastSyncAt", "completedAt", "reversedAt", "durationMs"]
SECRET = ("pinCode", "codes")
PUBLIC = [name for name in FIELDS if name not in SECRET]


def test_a_placed_order_is_shown_in_full(client: Client) -> None:
    given = {"extraField": "TR", "reference": "CART-1", "metadata": {"cart": "7"}}
    answer = client.simulate_post("/orders", json=calls.BODY | given)
    assert answer.status_code == 201
    assert list(answer.json) == PUBLIC
    shown = answer.json
    assert (shown["status"], shown["externalStatus"]) == ("pending", "not_sent")
    empty = ("failureReason", "attention", "receipt", "cost", "reversedAt")
    assert [shown[name] for name in empty] == [None] * len(empty)
    assert (shown["quantity"], shown["providerId"]) == (1, factories.SANDBOX)
    assert {name: shown[name] for name in given} == given
    assert shown["providerReferans"].isdecimal() and len(shown["providerReferans"]) == 15
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
    database.rows("DELETE FROM referans.routes")
    answer = client.simulate_post("/orders", json=calls.BODY)
    assert calls.pointers(answer) == ["/packageId"]
    assert database.rows("SELECT 1 FROM product_orders") == []


def test_the_order_goes_to_the_provider_of_its_route(client: Client) -> None:
    provider.save(provider.Provider("other", "znet", "http://127.0.0.1:1", "token", factories.CREDENTIALS))
    route.add("game", "60", "other", {"oyun": "1", "kupur": "1"})
    assert calls.place(client)["providerId"] == "other"


@pytest.mark.parametrize("given", [{}, {"userIdentifier": ""}, {"userIdentifier": None}])
def test_an_order_may_have_no_player(client: Client, given: dict[str, Any]) -> None:
    """The older storefront sends some without; the route's provider says whether it needs one."""
    body = {name: value for name, value in calls.BODY.items() if name != "userIdentifier"} | given
    answer = client.simulate_post("/api-dj/orders/", json=body)
    assert (answer.status_code, answer.json["userIdentifier"]) == (201, given.get("userIdentifier"))


@pytest.mark.parametrize("prefix", ["", "/api-dj"])
def test_the_list_of_the_older_api_is_not_found_and_what_to_use_is_said(client: Client, prefix: str) -> None:
    said = calls.problem(client.simulate_get(f"{prefix}/orders/me"), 404)["detail"]
    assert said.endswith(f"use GET {prefix}/orders?userIdentifier=…")


def test_a_key_in_the_header_of_the_older_api_is_refused_and_the_right_one_is_named(client: Client) -> None:
    headers = {"X-API-Token": "rk_nobody", "Authorization": ""}
    said = calls.problem(client.simulate_get("/api-dj/orders/me", headers=headers), 401)["detail"]
    assert said == "send an API key as Authorization: Bearer KEY, not as X-API-Token"


class TestOrdersOfAnotherSystem:
    @pytest.fixture
    def theirs(self, client: Client) -> dict[str, Any]:
        order = factories.sent()
        factories.put(order, placedByGateway=None, routeParams=None, externalStatus="Forwarded")
        return order

    @pytest.mark.parametrize(
        ("word", "was_sent", "shown"),
        [
            ("Forwarded", True, "sent"),
            ("manual_required", False, "pending"),
            ("PENDING", True, "pending"),
            ("Done", True, "completed"),
            ("CANCELED", True, "failed"),
            ("Reversed", True, "reversed"),
        ],
    )
    def test_their_words_are_shown_and_found_as_ours(
        self, client: Client, theirs: dict[str, Any], word: str, was_sent: bool, shown: str
    ) -> None:
        factories.put(theirs, externalStatus=word, **({} if was_sent else {"sentAt": None}))
        assert client.simulate_get(f"/orders/{theirs['id']}").json["externalStatus"] == shown
        for status in ExternalStatus:
            found = client.simulate_get("/orders", params={"externalStatus": status}).json["data"]
            assert [one["externalStatus"] for one in found] == ([shown] if status == shown else [])

    def test_their_words_on_the_timeline_are_shown_as_ours(
        self, client: Client, theirs: dict[str, Any]
    ) -> None:
        factories.settle(factories.arrival(theirs, ExternalStatus.COMPLETED, "PIN-1"))
        events = client.simulate_get(f"/orders/{theirs['id']}/events").json["data"]
        assert (events[-1]["from"], events[-1]["to"]) == ("sent", "completed")
        assert {each[name] for each in events for name in ("from", "to")} <= {None, *ExternalStatus}

    def test_they_are_cancelled_where_they_were_placed(self, client: Client, theirs: dict[str, Any]) -> None:
        factories.put(theirs, externalStatus="not_sent")
        answer = client.simulate_post(f"/orders/{theirs['id']}/cancel")
        assert calls.problem(answer, 409)["detail"] == "another system placed the order; cancel it there"

    def test_the_cost_that_is_shown_is_ours(self, client: Client, theirs: dict[str, Any]) -> None:
        factories.put(theirs, costAmount=31, costCurrency="USD")
        path = f"/orders/{theirs['id']}"
        assert client.simulate_get(path).json["cost"] is None
        factories.put(theirs, gatewayCostAmount="25.50", gatewayCostCurrency="TRY")
        assert client.simulate_get(path).json["cost"] == {"amount": "25.50", "currency": "TRY"}

    def test_the_cost_of_an_order_of_the_version_before_is_shown(self, client: Client) -> None:
        order = factories.sent()
        factories.put(order, costAmount="25.50", costCurrency="TRY")
        shown = client.simulate_get(f"/orders/{order['id']}").json
        assert shown["cost"] == {"amount": "25.50", "currency": "TRY"}


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
    assert list(hidden.json) == PUBLIC and "PIN-1" not in hidden.text
    assert (shown.json["pinCode"], shown.json["codes"]) == ("PIN-1", [{"code": "PIN-1"}])
    assert list(shown.json) == FIELDS
    assert (shown.json["status"], shown.json["externalStatus"]) == ("approved", "completed")


def test_who_reads_a_pin_stands_on_the_timeline_once_an_hour(
    completed: dict[str, Any], client: Client, trusted: Client
) -> None:
    path = f"/orders/{completed['id']}"
    other = TestClient(client.app, headers={"Authorization": f"Bearer {api_key.create('finance', [*Scope])}"})

    def readings() -> list[tuple[str, str]]:
        return [event for event in calls.timeline(completed["id"]) if "read" in event[1]]

    for reader in (trusted, client, trusted, other, trusted):
        reader.simulate_get(path)
    by_two = [("api", "codes read with key storefront"), ("api", "codes read with key finance")]
    assert readings() == by_two
    database.rows("UPDATE referans.order_events SET at = at - interval '61 min'")
    trusted.simulate_get(path)
    assert readings() == [*by_two, by_two[0]]
    events = trusted.simulate_get(f"{path}/events").json["data"]
    assert [event["by"] for event in events if "read" in event["message"]] == [
        "storefront",
        "finance",
        "storefront",
    ]


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
    assert not any(word in answer.text for answer in answers for word in ("PIN-1", *SECRET))


def test_without_a_pin_null_is_shown_and_no_reading_recorded(trusted: Client) -> None:
    placed = calls.place(trusted)
    shown = trusted.simulate_get(f"/orders/{placed['id']}").json
    assert (shown["pinCode"], shown["codes"]) == (None, [])
    assert placed == shown, "the answer to placing has the fields of codes too"
    assert len(calls.timeline(placed["id"])) == 1


def test_a_pin_stored_before_sealing_was_turned_on_is_shown(
    completed: dict[str, Any], trusted: Client
) -> None:
    factories.put(completed, pinCode="IN-CLEAR", pinDigest=None, codes=None)
    assert trusted.simulate_get(f"/orders/{completed['id']}").json["pinCode"] == "IN-CLEAR"


def test_every_code_is_shown_whole_and_in_order_to_who_may_see_it(
    pool: object, client: Client, trusted: Client
) -> None:
    order = factories.place(quantity=2)
    delivered = (Code("A-1", pin="PIN-4321", serial="SER-1", expires_at="2030-01-31"), Code("B-2"))
    outcome = Outcome(ExternalStatus.COMPLETED, order["provider_referans"], codes=delivered, receipt="Ali V.")
    factories.settle(Arrival(factories.SANDBOX, Source.POLL, outcome, order_id=order["id"]))

    path = f"/orders/{order['id']}"
    hidden, shown = client.simulate_get(path), trusted.simulate_get(path).json

    assert shown["pinCode"] == "A-1"
    assert shown["codes"] == [
        {"code": "A-1", "pin": "PIN-4321", "serial": "SER-1", "expiresAt": "2030-01-31"},
        {"code": "B-2"},
    ]
    assert shown["receipt"] == hidden.json["receipt"] == "Ali V."
    assert list(hidden.json) == PUBLIC
    assert not any(secret in hidden.text for secret in ("A-1", "PIN-4321", "SER-1", "B-2"))


@pytest.mark.parametrize(
    ("then", "shown"),
    [
        (ExternalStatus.REVERSED, ("rejected", "reversed", None, "reversed")),
        (ExternalStatus.FAILED, ("approved", "completed", None, "conflict")),
    ],
)
def test_an_end_that_is_taken_back_is_shown(
    completed: dict[str, Any], client: Client, then: ExternalStatus, shown: tuple[str | None, ...]
) -> None:
    factories.settle(factories.arrival(completed, then))

    found = client.simulate_get(f"/orders/{completed['id']}").json
    [listed] = client.simulate_get("/orders").json["data"]

    for order in (found, listed):
        names = ("status", "externalStatus", "failureReason", "attention")
        assert tuple(order[name] for name in names) == shown
        assert (order["reversedAt"] is not None) == (then is ExternalStatus.REVERSED)


def test_what_an_order_waits_for_is_shown_and_goes_by_itself(pool: object, client: Client) -> None:
    order = calls.place(client)
    provider_health.pause(factories.SANDBOX, "wrong prices", by="ayşe")

    def shown() -> list[str | None]:
        [listed] = client.simulate_get("/orders").json["data"]
        return [client.simulate_get(f"/orders/{order['id']}").json["attention"], listed["attention"]]

    assert shown() == ["provider_down"] * 2
    assert factories.column(order, "attention") is None
    provider_health.resume(factories.SANDBOX, by="ayşe")
    assert shown() == [None] * 2


def test_why_an_order_failed_is_shown(pool: object, client: Client) -> None:
    order = factories.sent()
    factories.settle(factories.arrival(order, ExternalStatus.FAILED))
    assert client.simulate_get(f"/orders/{order['id']}").json["failureReason"] == "provider"


def test_a_pin_that_does_not_open_is_an_error_that_shows_nothing(
    completed: dict[str, Any], trusted: Client
) -> None:
    moved = factories.sent("another player")
    factories.put(moved, pinCode=factories.column(completed, "pinCode"))
    found = calls.problem(trusted.simulate_get(f"/orders/{moved['id']}"), 500)
    assert "restore this row" in found["detail"] and "ENCRYPTION_KEYS" not in found["detail"]
    assert "sealed:" not in found["detail"]


# --- the timeline


def test_the_timeline_tells_what_happened_oldest_first(completed: dict[str, Any], client: Client) -> None:
    events = client.simulate_get(f"/orders/{completed['id']}/events").json["data"]
    names = {"at", "source", "from", "to", "message", "by"}
    assert [set(event) for event in events] == [names] * len(events)
    assert [(event["source"], event["from"], event["to"]) for event in events] == [
        ("api", None, "not_sent"),
        ("dispatch", "not_sent", "pending"),
        ("dispatch", "pending", "sent"),
        ("callback", "sent", "completed"),
    ]
    assert [event["at"] for event in events] == sorted(event["at"] for event in events)


def test_the_timeline_comes_by_page(completed: dict[str, Any], client: Client) -> None:
    path = f"/orders/{completed['id']}/events"
    whole = client.simulate_get(path).json
    assert (len(whole["data"]), whole["nextCursor"]) == (4, None)

    first = client.simulate_get(path, params={"limit": 3}).json
    database.rows(
        "INSERT INTO referans.order_events (order_id, source, message) VALUES (%s, 'api', 'later')",
        (completed["id"],),
    )
    second = client.simulate_get(path, params={"limit": 3, "cursor": first["nextCursor"]}).json

    assert first["data"] + second["data"][:-1] == whole["data"]
    assert (second["data"][-1]["message"], second["nextCursor"]) == ("later", None)


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "limit=x", "offset=1"])
def test_a_page_of_a_timeline_that_is_not_asked_for_rightly(
    completed: dict[str, Any], client: Client, query: str
) -> None:
    answer = client.simulate_get(f"/orders/{completed['id']}/events?{query}")
    assert calls.pointers(answer, 400) == [f"/{query.partition('=')[0]}"]


@pytest.mark.parametrize(
    "place", ["", "x", "é", "AA", "WzFd", "MA", "LTE", "MS41", "dHJ1ZQ", "MTg0NDY3NDQwNzM3MDk1NTE2MTU"]
)
def test_a_cursor_that_no_timeline_has_given(completed: dict[str, Any], client: Client, place: str) -> None:
    answer = client.simulate_get(f"/orders/{completed['id']}/events", params={"cursor": place})
    assert calls.pointers(answer, 400) == ["/cursor"]


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


def test_a_check_requested_again_is_the_same_check(client: Client) -> None:
    order = factories.sent()
    answers = [client.simulate_post(f"/orders/{order['id']}/check").status_code for _ in range(3)]
    assert answers == [202, 202, 202]
    assert [event[1] for event in calls.timeline(order["id"])].count(
        "check requested with key storefront"
    ) == 1


def test_an_order_that_was_never_sent_cannot_be_checked(client: Client) -> None:
    placed = calls.place(client)
    calls.problem(client.simulate_post(f"/orders/{placed['id']}/check"), 409)
    assert len(calls.timeline(placed["id"])) == 1


def test_an_order_that_a_person_fulfils_cannot_be_checked(client: Client) -> None:
    order = factories.sent()
    factories.put(order, attention="manual", nextCheckAt=None)
    answer = client.simulate_post(f"/orders/{order['id']}/check")
    calls.problem(answer, 409)
    assert answer.json["detail"] == "a person fulfils the order, so that no provider can be asked about it"
    assert factories.column(order, "nextCheckAt") is None


def test_what_was_not_sent_is_cancelled_once(client: Client) -> None:
    path = f"/orders/{calls.place(client)['id']}"
    answer = client.simulate_post(f"{path}/cancel")
    assert answer.status_code == 200
    assert (answer.json["status"], answer.json["externalStatus"]) == ("rejected", "failed")
    assert client.simulate_get(path).json == answer.json
    calls.problem(client.simulate_post(f"{path}/cancel"), 409)
    assert len(client.simulate_get(f"{path}/events").json["data"]) == 2


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
