"""Callbacks: whatever was answered with a 2xx is committed, and each is settled once."""

import json
from typing import Any

import pytest

from models.db import database
from models.status import ExternalStatus
from tests import factories
from tests.gateway.web import calls
from tests.gateway.web.calls import NOBODY, call_back, neutral, result, standing
from tests.gateway.web.conftest import Client


def test_what_was_applied_is_committed_and_shown(trusted: Client, order: dict[str, Any]) -> None:
    said = neutral(order["provider_referans"], pin_code="PIN-1", message="Enjoy")
    answer = call_back(trusted, said)
    assert answer.json == {"result": "applied"}
    shown = trusted.simulate_get(f"/orders/{order['id']}").json
    assert (shown["externalStatus"], shown["status"], shown["pinCode"]) == ("completed", "approved", "PIN-1")
    assert shown["lastMessage"] == "Enjoy" and shown["completedAt"] and shown["durationMs"] >= 0
    (kept,) = calls.inbox()
    assert (kept["result"], str(kept["order_id"])) == ("applied", order["id"])
    assert "PIN-1" not in kept["raw"]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({"status": "processing"}, {"status": "processing"}, "duplicate"),
        ({"status": "processing"}, {"status": "processing", "message": "soon"}, "applied"),
        ({"status": "processing"}, {"status": "sent"}, "stale"),
        ({"status": "processing"}, {"status": "pending"}, "stale"),
        ({"status": "failed"}, {"status": "failed"}, "duplicate"),
        ({"status": "failed"}, {"status": "completed", "pin_code": "1"}, "conflict"),
        ({"status": "completed"}, {"status": "completed", "pin_code": "1"}, "applied"),
        ({"status": "completed", "pin_code": "1"}, {"status": "completed"}, "duplicate"),
        ({"status": "completed", "pin_code": "1"}, {"status": "completed", "pin_code": "2"}, "conflict"),
        ({"status": "completed", "pin_code": "1"}, {"status": "processing"}, "stale"),
        ({"status": "completed", "pin_code": "1"}, {"status": "failed"}, "conflict"),
    ],
)
def test_a_second_callback(
    client: Client, order: dict[str, Any], before: dict[str, str], after: dict[str, str], expected: str
) -> None:
    referans = order["provider_referans"]
    call_back(client, neutral(referans, **before))
    assert result(call_back(client, neutral(referans, **after))) == expected


def test_the_same_event_again_is_a_duplicate_whatever_came_between(
    client: Client, order: dict[str, Any]
) -> None:
    referans = order["provider_referans"]
    first = neutral(referans, "processing", message="one")
    assert result(call_back(client, first, webhook_id="a")) == "applied"
    assert result(call_back(client, neutral(referans, "processing", message="two"))) == "applied"
    assert result(call_back(client, first, webhook_id="a")) == "duplicate"
    assert factories.column(order, "lastMessage") == "two"
    assert len(calls.inbox()) == 2


def test_the_same_event_id_with_other_content_is_an_event_of_its_own(
    client: Client, order: dict[str, Any]
) -> None:
    """Senders that use the order number as the event's id."""
    referans = order["provider_referans"]
    processing, completed = neutral(referans, "processing"), neutral(referans, pin_code="PIN-1")
    for said, expected in ((processing, "applied"), (completed, "applied"), (completed, "duplicate")):
        assert result(call_back(client, said, webhook_id=referans)) == expected
    assert result(call_back(client, processing, webhook_id=referans)) == "duplicate"
    assert standing(order) == "completed" and len(calls.inbox()) == 2


def test_the_same_event_id_with_another_list_is_an_event_of_its_own(client: Client) -> None:
    first, second = factories.sent(), factories.sent()

    def said(*statuses: str) -> dict[str, Any]:
        orders = zip((first, second), statuses, strict=True)
        return {"orders": [neutral(one["provider_referans"], status) for one, status in orders]}

    for status, expected in (("processing", "applied"), ("completed", "applied"), ("completed", "duplicate")):
        answer = call_back(client, said(status, "processing"), webhook_id="list")
        assert answer.json["results"][0]["result"] == expected
    assert standing(first) == "completed" and standing(second) == "processing"


def test_a_conflict_is_kept_in_full_and_changes_nothing(trusted: Client, order: dict[str, Any]) -> None:
    referans = order["provider_referans"]
    for pin in ("PIN-1", "PIN-2"):
        call_back(trusted, neutral(referans, pin_code=pin))
    assert trusted.simulate_get(f"/orders/{order['id']}").json["pinCode"] == "PIN-1"
    assert [kept["result"] for kept in calls.inbox()] == ["applied", "conflict"]


def test_a_success_after_the_timeout_counts(client: Client, order: dict[str, Any]) -> None:
    factories.put(
        order, externalStatus="failed", status="rejected", failureReason="timeout", nextCheckAt=None
    )
    assert result(call_back(client, neutral(order["provider_referans"], pin_code="1"))) == "applied"
    assert factories.column(order, "late") is True


def test_an_unknown_reference_is_kept_and_applied_once_it_is_known(client: Client) -> None:
    said = neutral(NOBODY, pin_code="PIN-1")
    assert result(call_back(client, said, webhook_id="early"), 202) == "unmatched"
    assert result(call_back(client, said, webhook_id="early"), 202) == "unmatched"
    assert [kept["result"] for kept in calls.inbox()] == ["unmatched"]
    order = factories.sent()
    factories.put(order, provider_referans=NOBODY)
    assert result(call_back(client, said, webhook_id="early")) == "applied"
    assert standing(order) == "completed"
    assert [kept["result"] for kept in calls.inbox()] == ["applied"]


def test_one_providers_word_is_nothing_to_anothers_order(client: Client, order: dict[str, Any]) -> None:
    factories.add_provider("other")
    answer = call_back(client, neutral(order["provider_referans"]), provider="other")
    assert result(answer, 202) == "unmatched"
    assert standing(order) == "sent"


def test_the_same_event_id_of_two_providers_is_two_events(client: Client, order: dict[str, Any]) -> None:
    factories.add_provider("other")
    said = neutral(order["provider_referans"])
    call_back(client, said, provider="other", webhook_id="1")
    assert result(call_back(client, said, webhook_id="1")) == "applied"


def test_numbers_and_blanks_are_read_as_meant(trusted: Client, order: dict[str, Any]) -> None:
    said = {
        "provider_referans": int(order["provider_referans"]),
        "status": " completed ",
        "pin_code": 123,
        "message": "",
    }
    assert result(call_back(trusted, said)) == "applied"
    assert trusted.simulate_get(f"/orders/{order['id']}").json["pinCode"] == "123"


@pytest.mark.parametrize("pin", ["", " ", "-", " - ", None])
def test_no_pin_is_written_in_many_ways(trusted: Client, order: dict[str, Any], pin: str | None) -> None:
    assert result(call_back(trusted, neutral(order["provider_referans"], pin_code=pin))) == "applied"
    assert trusted.simulate_get(f"/orders/{order['id']}").json["pinCode"] is None


# --- several orders in one callback


def test_several_orders_are_settled_each_for_itself(client: Client) -> None:
    first, second = factories.sent(), factories.sent()
    call_back(client, neutral(second["provider_referans"], "failed"))
    orders = [
        neutral(first["provider_referans"], pin_code="1"),
        neutral(second["provider_referans"], pin_code="2"),
        neutral(NOBODY),
        neutral(first["provider_referans"], pin_code="1"),
    ]
    answer = call_back(client, {"orders": orders}, webhook_id="list")
    assert result(answer) == "conflict"
    assert [one["result"] for one in answer.json["results"]] == [
        "applied",
        "conflict",
        "unmatched",
        "duplicate",
    ]
    again = call_back(client, {"orders": orders}, webhook_id="list")
    assert [one["result"] for one in again.json["results"]] == [
        "duplicate",
        "duplicate",
        "unmatched",
        "duplicate",
    ]


def test_a_list_of_strangers_is_unmatched(client: Client) -> None:
    assert result(call_back(client, {"orders": [neutral(NOBODY), neutral("1")]}), 202) == "unmatched"


def test_a_list_of_one_is_answered_as_a_list(client: Client, order: dict[str, Any]) -> None:
    referans = order["provider_referans"]
    answer = call_back(client, {"orders": [neutral(referans)]})
    assert answer.json == {
        "result": "applied",
        "results": [{"provider_referans": referans, "result": "applied"}],
    }


@pytest.mark.parametrize(
    "bad", [{}, [], 7, neutral(NOBODY, "gone"), neutral(""), neutral("1" * 256), {"status": "completed"}]
)
def test_of_a_list_with_a_bad_entry_the_others_are_applied(
    client: Client, order: dict[str, Any], bad: Any
) -> None:
    said = {"orders": [bad, neutral(order["provider_referans"], pin_code="1"), neutral(NOBODY)]}
    for expected in (["invalid", "applied", "unmatched"], ["invalid", "duplicate", "unmatched"]):
        answer = call_back(client, said, webhook_id="list")
        assert answer.status_code == 200
        assert [one["result"] for one in answer.json["results"]] == expected
    assert sorted(kept["result"] for kept in calls.inbox()) == ["applied", "invalid", "unmatched"]
    assert standing(order) == "completed"


def test_a_bad_entry_beside_an_unmatched_one_is_a_200(client: Client) -> None:
    answer = call_back(client, {"orders": [neutral(NOBODY), {}]})
    assert answer.status_code == 200
    assert [one["result"] for one in answer.json["results"]] == ["unmatched", "invalid"]


def test_a_list_of_bad_entries_only_is_refused(client: Client) -> None:
    calls.problem(call_back(client, {"orders": [{}, neutral(NOBODY, "gone")]}), 400)
    assert [kept["result"] for kept in calls.inbox()] == ["invalid"]


def test_a_list_has_200_entries_at_most(client: Client, order: dict[str, Any]) -> None:
    strangers = [neutral(str(number), "sent") for number in range(1000, 1200)]
    entries = [*strangers[1:], neutral(order["provider_referans"])]
    answer = call_back(client, {"orders": entries})
    assert result(answer) == "applied" and len(answer.json["results"]) == 200
    assert len(calls.inbox()) == 200
    calls.problem(call_back(client, {"orders": [*strangers, neutral(order["provider_referans"])]}), 400)


def test_the_body_of_a_list_is_written_once_however_many_entries_it_has(client: Client) -> None:
    said = {"orders": [neutral(str(10**15 + number), message="x" * 230) for number in range(200)]}
    body = json.dumps(said).encode()
    assert 60_000 < len(body) < 65_536
    for _ in range(2):
        assert call_back(client, body, webhook_id="list").status_code == 202
    kept = database.rows("SELECT raw, octet_length(raw) AS size FROM referans.callback_events ORDER BY id")
    assert len(kept) == 200
    assert [row["size"] is None for row in kept] == [False] + [True] * 199
    assert kept[0]["size"] < 2 * len(body)


def test_a_list_may_say_several_things_of_one_order(client: Client, order: dict[str, Any]) -> None:
    """The 200th entry counts as the first one does."""
    lines = [neutral(order["provider_referans"], "processing")] * 199
    answer = call_back(client, {"orders": [*lines, neutral(order["provider_referans"])]})
    assert [one["result"] for one in answer.json["results"]][-1] == "applied"
    assert factories.column(order, "externalStatus") == "completed"


def test_the_check_of_an_order_is_put_off_after_a_callback(client: Client, order: dict[str, Any]) -> None:
    factories.put(order, nextCheckAt=None)
    call_back(client, neutral(order["provider_referans"], ExternalStatus.PROCESSING))
    sql = """SELECT EXTRACT(EPOCH FROM "nextCheckAt" - now())::int AS seconds FROM product_orders"""
    assert database.rows(sql)[0]["seconds"] in (599, 600)
