"""What the storefront was told, and telling it again."""

import re
from typing import Any

import pytest

from models import bulk
from models.db import database
from models.status import ExternalStatus
from tests import factories
from tests.gateway.web.ops.browser import Browser, form_in, seen

REASON = "their server was repaired"
RECEIVER = "https://shop.example"


@pytest.fixture
def dead(pool: object) -> list[dict[str, Any]]:
    """Three orders of whose completion nobody was told."""
    with database.session():
        orders = [factories.sent(f"player-{number}") for number in range(3)]
        for order in orders:
            factories.put(order, notifyUrl=f"{RECEIVER}/hooks?token=SECRET-77")
            factories.settle(factories.arrival(order, ExternalStatus.COMPLETED, pin="PIN-1234-ABCD"))
            factories.put(order, attention="notification_dead")
        database.rows(
            "UPDATE referans.notifications SET state = 'dead', tries = 10, next_try_at = NULL, ended_at = now()"
        )
        database.rows(
            "INSERT INTO referans.deliveries (notification_id, status, duration_ms, answer)"
            " SELECT id, 502, 1204, '<b>Bad Gateway</b>' FROM referans.notifications"
        )
    return orders


def states() -> list[str]:
    with database.session():
        return [row["state"] for row in database.rows("SELECT state FROM referans.notifications ORDER BY id")]


def test_the_case_comes_first_and_each_is_listed(operator: Browser, dead: list[Any]) -> None:
    answer = operator.get("/ops/notifications")
    assert seen(answer).index("3 notifications are given up.") < seen(answer).index("order.completed")
    assert len(re.findall(r'href="/ops/notifications/\d+"', answer.text)) == 3
    assert "Redeliver all" not in answer.text  # of all, most may be delivered
    for query, many in {
        "state=dead": 3,
        "state=waiting": 0,
        "since=1h": 3,
        "state=nonsense": 3,
        "before=2": 1,
    }.items():
        found = re.findall(r'href="/ops/notifications/\d+"', operator.get(f"/ops/notifications?{query}").text)
        assert len(found) == many, query


def test_one_shows_its_tries_and_what_it_says_without_codes_and_secrets(
    operator: Browser, dead: list[Any]
) -> None:
    answer = operator.get("/ops/notifications/1")
    text = seen(answer)
    assert "HTTP 502" in text and "<b>Bad Gateway</b>" in text and f"{RECEIVER}/hooks" in text
    assert dead[0]["id"] in answer.text
    assert "PIN-1234" not in answer.text and "SECRET-77" not in answer.text
    assert "<b>Bad" not in answer.text
    assert "order.completed" in seen(operator.get(f"/ops/orders/{dead[0]['id']}"))
    for number in ("4", "x", str(10**30)):
        assert operator.get(f"/ops/notifications/{number}").status_code == 404


def test_one_is_redelivered_with_name_and_reason(operator: Browser, dead: list[Any]) -> None:
    operator.get("/ops/notifications/1")
    assert operator.post("/ops/notifications/1", reason="").status_code == 409
    assert "It is delivered again." in seen(operator.post("/ops/notifications/1", reason=REASON))
    assert states() == ["waiting", "dead", "dead"]
    with database.session():
        assert factories.column(dead[0], "attention") is None
        events = database.rows(
            "SELECT \"by\", message FROM referans.order_events WHERE source = 'operator' ORDER BY id"
        )
    assert {event["by"] for event in events} == {"operator"}
    assert f"redelivered: {REASON}" in [event["message"] for event in events]


def test_all_that_match_are_redelivered_in_the_background(operator: Browser, dead: list[Any]) -> None:
    path = "/ops/notifications"
    assert "Redeliver all that match: 3 notifications" in seen(operator.get(path, state="dead"))
    assert operator.post(path, state="dead", last=3, reason="…").status_code == 409
    for wrong in (
        {"state": "dead", "last": "x"},
        {"state": "waiting", "last": 3},
        {"state": "delivered", "last": 3},
    ):
        assert operator.post(path, reason=REASON, **wrong).status_code == 400
    text = seen(operator.post(path, state="dead", last=3, reason=REASON))
    assert "Redeliver: 3 notifications Running" in text and REASON in text
    assert "Running: Redeliver 0 of 3" in seen(operator.get(path))
    with database.session():
        assert [(each.what, each.total) for each in bulk.newest(5)] == [("notifications", 3)]
    assert states() == ["dead"] * 3


def test_those_that_were_delivered_are_redelivered_for_a_time(operator: Browser, dead: list[Any]) -> None:
    with database.session():
        database.rows("UPDATE referans.notifications SET state = 'delivered'")
    path = "/ops/notifications"
    assert "Redeliver all" not in seen(operator.get(path, state="delivered"))
    assert "Redeliver all that match: 3" in seen(operator.get(path, state="delivered", since="1h"))
    answer = operator.post(path, state="delivered", since="1h", last=2, reason=REASON)
    assert "Redeliver: 2 notifications" in seen(answer)


def test_a_form_that_is_sent_twice_redelivers_once(operator: Browser, dead: list[Any]) -> None:
    with database.session():
        database.rows("UPDATE referans.notifications SET state = 'delivered'")
    path, meant = "/ops/notifications", {"state": "delivered", "since": "1h"}
    form = form_in(operator.get(path, **meant).text)
    for _ in range(2):
        answer = operator.post(path, **meant, last=3, reason=REASON, form=form)
        assert "Redeliver: 3 notifications" in seen(answer)
    with database.session():
        assert len(bulk.newest(5)) == 1


def test_a_receiver_that_was_given_up_is_enabled(operator: Browser, dead: list[Any]) -> None:
    with database.session():
        database.rows(
            "INSERT INTO referans.receivers (receiver, failing_since, failures, disabled_at, last_error)"
            f" VALUES ('{RECEIVER}', now(), 50, now(), 'HTTP 502')"
        )
    assert "Enable it again" in seen(operator.get("/ops/notifications"))
    operator.post("/ops/notifications", receiver=RECEIVER, reason=REASON)
    with database.session():
        assert database.rows("SELECT disabled_at FROM referans.receivers") == [{"disabled_at": None}]
    assert states() == ["dead"] * 3


def test_a_viewer_redelivers_nothing(viewer: Browser, dead: list[Any]) -> None:
    viewer.get("/ops/account")
    for path in ("/ops/notifications", "/ops/notifications/1"):
        assert viewer.post(path, state="dead", reason=REASON).status_code == 403
    assert states() == ["dead"] * 3
