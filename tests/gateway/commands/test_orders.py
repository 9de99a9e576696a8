"""Orders looked at and checked on the command line."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import redis

from gateway.broker import QUEUES, queue_lengths
from models import claims, order, placing, provider, route
from models import stuck as statements
from models.codes import Code
from models.db import database
from models.outcome import Arrival, Outcome
from models.provider import Provider
from models.status import ExternalStatus, Source
from tests import factories

from .conftest import Models, Run

#: Seconds.
DAY = 86400.0


class Desk:
    """Orders in every state a test wants."""

    def __init__(self, models: Models) -> None:
        self._models = models
        with models():
            provider.save(Provider("bayi", "znet", "https://b.example", "token", {"kod": "1", "sifre": "2"}))
            route.add("*", "*", "bayi", {})

    def placed(self) -> dict[str, Any]:
        with self._models():
            return factories.place_new(placing.NewOrder("p", "q", "ali"))

    def sent(self) -> dict[str, Any]:
        found = self.claimed()
        self.settle(found, Outcome(ExternalStatus.SENT, found["provider_referans"]), Source.DISPATCH)
        return found

    def claimed(self) -> dict[str, Any]:
        found = self.placed()
        with self._models():
            assert claims.claim_dispatch(found["id"], grace_seconds=60)
        return found

    def completed(self, pin: str) -> dict[str, Any]:
        found = self.sent()
        self.settle(
            found,
            Outcome(ExternalStatus.COMPLETED, found["provider_referans"], codes=(Code(pin),) if pin else ()),
            Source.POLL,
        )
        return found

    def settle(self, found: dict[str, Any], outcome: Outcome, source: Source) -> None:
        arrival = Arrival("bayi", source, outcome, order_id=found["id"], next_check_seconds=60)
        with self._models():
            order.settle([arrival], order_timeout_seconds=DAY)

    def change(self, found: dict[str, Any], assignments: str) -> None:
        with self._models():
            database.rows(f"UPDATE product_orders SET {assignments} WHERE id = %s", (found["id"],))

    def break_provider(self) -> None:
        with self._models():
            for _ in range(provider.BREAKER_THRESHOLD):
                provider.failed("bayi", "no answer in time", 30)

    def next_check_is_due(self, found: dict[str, Any]) -> bool:
        with self._models():
            sql = 'SELECT "nextCheckAt" <= now() AS due FROM product_orders WHERE id = %s'
            return bool(database.rows(sql, (found["id"],))[0]["due"])


@pytest.fixture
def desk(models: Models) -> Desk:
    return Desk(models)


@pytest.fixture
def queue(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[redis.Redis]:
    monkeypatch.setenv("REDIS_URL", redis_url)
    with redis.Redis.from_url(redis_url) as client:
        yield client


def stuck(cli: Run) -> list[tuple[str, str]]:
    listed = json.loads(cli("orders", "list", "--stuck", "--json").out)
    return [(each["id"], "; ".join(each["reasons"])) for each in listed]


def test_an_order_is_shown_with_its_timeline_and_without_its_pin(cli: Run, desk: Desk) -> None:
    found = desk.completed("1111-2222")

    by_id = json.loads(cli("orders", "show", found["id"], "--json").out)
    by_referans = cli("orders", "show", found["provider_referans"])

    assert (by_id["externalStatus"], by_id["hasPin"]) == ("completed", True)
    assert by_id["providerReferans"] == found["provider_referans"]
    assert [event["to"] for event in by_id["events"]] == ["not_sent", "pending", "sent", "completed"]
    assert "sent → completed" in by_referans.out
    assert "1111-2222" not in str(by_id) + by_referans.out


@pytest.mark.parametrize("unknown", [factories.NO_ORDER, "123456789012345678", "nonsense"])
def test_an_order_that_is_not_there_is_one_line(cli: Run, unknown: str) -> None:
    assert f"order {unknown} not found" in cli("orders", "show", unknown).problem


def test_orders_are_listed_newest_first_by_status(cli: Run, desk: Desk) -> None:
    first, second, third = desk.placed(), desk.sent(), desk.placed()

    listed = json.loads(cli("orders", "list", "--json").out)
    waiting = json.loads(cli("orders", "list", "--status", "not_sent", "--json").out)
    newest = json.loads(cli("orders", "list", "--limit", "1", "--json").out)

    assert [each["id"] for each in listed] == [third["id"], second["id"], first["id"]]
    assert [each["id"] for each in waiting] == [third["id"], first["id"]]
    assert [each["id"] for each in newest] == [third["id"]]
    assert all("pinCode" not in each for each in listed)


def test_times_are_shown_with_their_zone(cli: Run, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIMEZONE", "Asia/Kathmandu")
    found = desk.sent()
    time = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(.{6})")

    assert set(time.findall(cli("orders", "list").out)) == {" +0545"}
    assert set(time.findall(cli("orders", "show", found["id"]).out)) == {" +0545"}
    as_json = json.loads(cli("orders", "show", found["id"], "--json").out)
    assert as_json["createdAt"].endswith("Z")


def test_an_order_on_its_way_is_not_stuck(cli: Run, desk: Desk) -> None:
    desk.placed(), desk.claimed(), desk.sent(), desk.completed("1")

    assert stuck(cli) == []
    assert "No order is stuck." in cli("orders", "list", "--stuck").err


def test_an_overdue_order_is_stuck(cli: Run, desk: Desk) -> None:
    waiting, asked = desk.placed(), desk.sent()
    desk.change(waiting, "\"nextCheckAt\" = now() - interval '10 minutes'")
    desk.change(asked, "\"nextCheckAt\" = now() - interval '7 minutes'")

    (first, why_first), (second, why_second) = stuck(cli)

    assert (first, second) == (waiting["id"], asked["id"])
    assert "its sending is overdue by 10 min" in why_first and "gateway doctor" in why_first
    assert "its check is overdue by 7 min" in why_second


def test_an_order_in_doubt_is_stuck_with_a_warning_not_to_send_it_again(cli: Run, desk: Desk) -> None:
    found = desk.claimed()
    desk.change(found, "\"claimedAt\" = now() - interval '6 minutes'")

    ((order_id, why),) = stuck(cli)

    assert order_id == found["id"]
    assert "in doubt for 6 min" in why and "never send it again" in why and found["provider_referans"] in why


def test_an_order_out_of_checks_is_stuck(cli: Run, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAX_CHECKS", "3")
    found = desk.sent()
    desk.change(found, '"checkCount" = 3')
    assert [order_id for order_id, why in stuck(cli) if "after 3 checks" in why] == [found["id"]]


def test_an_order_whose_provider_is_down_is_stuck(cli: Run, desk: Desk) -> None:
    found = desk.sent()
    desk.completed("1")
    desk.break_provider()

    ((order_id, why),) = stuck(cli)

    assert order_id == found["id"]
    assert "bayi is down (no answer in time)" in why and "gateway providers test bayi" in why


def test_stuck_orders_are_found_without_reading_the_table(models: Models, desk: Desk) -> None:
    with models():
        database.rows(MANY)
        database.rows("ANALYZE product_orders")
        found = database.rows(f"EXPLAIN {_statement()}")
    explained = "\n".join(row["QUERY PLAN"] for row in found)
    assert "idx_orders_planned" in explained
    assert "Seq Scan on product_orders" not in explained


#: As many finished orders as a planner needs to mind reading them all.
MANY = """
INSERT INTO product_orders ("externalStatus", status, "providerId", "createdAt")
SELECT 'completed', 'approved', 'bayi', now() - make_interval(secs => n) FROM generate_series(1, 20000) AS n
"""


def _statement() -> str:
    """`orders()` as it runs, with its parameters in place."""
    parameters = {"period": 300, "max_checks": 20, "threshold": 5, "in_doubt": 300, "limit": 50}
    return statements.STUCK % {name: str(value) for name, value in parameters.items()}


def test_a_check_is_planned_for_now_noted_and_hinted_at(cli: Run, desk: Desk, queue: redis.Redis) -> None:
    found = desk.sent()

    asked = json.loads(cli("orders", "check", found["provider_referans"], "--json").out)

    assert asked == {"id": found["id"], "planned": True, "woken": True}
    assert desk.next_check_is_due(found)
    assert queue_lengths(queue)[QUEUES["check_order_status"]] == 1
    shown = json.loads(cli("orders", "show", found["id"], "--json").out)
    assert shown["events"][-1]["source"] == "operator"


@pytest.mark.parametrize("queue_url", ["", "redis://127.0.0.1:9/0"])
def test_a_check_is_planned_where_the_queue_is_away(
    cli: Run, desk: Desk, monkeypatch: pytest.MonkeyPatch, queue_url: str
) -> None:
    monkeypatch.setenv("REDIS_URL", queue_url)
    found = desk.sent()

    asked = cli("orders", "check", found["id"])

    assert "by the next sweep" in asked.out
    assert desk.next_check_is_due(found)


def test_an_order_that_was_never_sent_cannot_be_checked(cli: Run, desk: Desk) -> None:
    assert "was never sent" in cli("orders", "check", desk.placed()["id"]).problem
