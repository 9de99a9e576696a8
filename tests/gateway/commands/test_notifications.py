"""Notifications listed, shown, delivered again; receivers enabled; and `gateway listen`."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import redis
from standardwebhooks import Webhook

from gateway.broker import NAMESPACE
from gateway.commands import listen
from models import outbox, resolving, telling
from models.db import database, receiver
from models.outbox import Became, Tried
from models.status import ExternalStatus
from models.telling import Told
from tests import factories
from tests.factories import arrival, settle
from tests.gateway.fulfilment.test_notifying import Shop, shop_open
from tests.waiting import wait_until

from .conftest import Models, Run

SECRET = "whsec_Zmlyc3Qtc2VjcmV0LW9mLXRlc3Rz"
HOUR = 3600


def told(*, dead: bool = False, delivered: bool = False, url: str | None = None) -> dict[str, Any]:
    """An order with one notification."""
    receiver.bind(True)
    order = factories.place(notify_url=url)
    settle(arrival(order, ExternalStatus.COMPLETED, "PIN-ONE-1234"))
    receiver.bind(False)
    if dead or delivered:
        [due] = outbox.claim(1, [], has_default=True)
        became = Became.DEAD if dead else Became.DELIVERED
        status, error = (410, "HTTP 410") if dead else (200, None)
        outbox.record([Tried(due, became, 12, status, "said so", error, note="noted")])
    return order


@pytest.fixture
def orders(models: Models) -> list[dict[str, Any]]:
    """One whose notification is dead, one that was told of, one of which something waits."""
    with models():
        factories.add_provider()
        return [told(dead=True), told(delivered=True), told(url="https://shop.example/hook?token=find-me")]


def states(models: Models) -> list[str]:
    with models():
        return [each.state for each in reversed(outbox.page(outbox.Filter(), 10))]


def test_they_are_listed_newest_first(cli: Run, orders: list[dict[str, Any]]) -> None:
    found = json.loads(cli("notifications", "list", "--json").out)
    assert [(each["orderId"], each["state"], each["tries"], each["receiver"]) for each in found] == [
        (orders[2]["id"], "waiting", 0, "https://shop.example"),
        (orders[1]["id"], "delivered", 1, "NOTIFY_URL"),
        (orders[0]["id"], "dead", 1, "NOTIFY_URL"),
    ]
    assert "find-me" not in cli("notifications", "list").out
    assert len(json.loads(cli("notifications", "list", "--json", "--limit", "1").out)) == 1
    [dead] = json.loads(cli("notifications", "list", "--dead", "--json").out)
    assert (dead["orderId"], dead["status"], dead["error"]) == (orders[0]["id"], 410, "HTTP 410")
    [of_order] = json.loads(cli("notifications", "list", "--order", orders[1]["id"], "--json").out)
    assert of_order["state"] == "delivered"


def test_one_is_shown_with_what_was_said_and_answered_and_without_codes(
    cli: Run, orders: list[dict[str, Any]]
) -> None:
    shown = json.loads(cli("notifications", "show", "1", "--json").out)
    assert shown["body"]["type"] == "order.completed"
    assert shown["body"]["data"]["id"] == orders[0]["id"]
    assert [(each["status"], each["answer"], each["durationMs"]) for each in shown["deliveries"]] == [
        (410, "said so", 12)
    ]
    assert json.loads(cli("notifications", "show", shown["webhookId"], "--json").out)["id"] == 1
    text = cli("notifications", "show", "3").out
    assert "to https://shop.example/hook\n" in text
    assert "PIN-ONE" not in text + cli("notifications", "show", "1").out
    assert cli("notifications", "show", "99").problem.startswith("notification 99 not found")
    assert cli("notifications", "show", "x").problem.startswith("notification x not found")


def test_the_dead_of_a_time_are_delivered_again_after_they_were_counted(
    cli: Run, orders: list[dict[str, Any]], models: Models, queue: redis.Redis
) -> None:
    done = cli("notifications", "redeliver", "--since", "1h", "--as", "ayşe")
    assert (done.code, done.out) == (0, "1 notification will be delivered again now.\n")
    assert done.err.startswith("1 notification is dead.\n")
    assert done.err.endswith("is shown by: gateway notifications show 1\n")
    assert states(models) == ["waiting", "delivered", "waiting"]
    assert queue.llen(f"{NAMESPACE}:notifications") == 1
    with models():
        assert factories.column(orders[0], "attention") is None
        [by] = database.rows("SELECT \"by\" FROM referans.order_events WHERE source = 'operator'")
        assert by["by"] == "ayşe"


def test_all_of_a_time_and_single_ones_are_delivered_again(
    cli: Run, orders: list[dict[str, Any]], models: Models
) -> None:
    assert json.loads(cli("notifications", "redeliver", "2", "--json").out) == {
        "redelivered": [2],
        "woken": False,
    }
    assert states(models) == ["dead", "waiting", "waiting"]
    done = json.loads(cli("notifications", "redeliver", "--since", "1h", "--all", "--json").out)
    assert done["redelivered"] == [1]
    assert (
        json.loads(cli("notifications", "redeliver", "--since", "1h", "--all", "--json").out)["redelivered"]
        == []
    )


def test_those_that_are_still_waiting_are_named_where_none_is_dead(
    cli: Run, orders: list[dict[str, Any]]
) -> None:
    done = cli("notifications", "redeliver", "--order", orders[2]["id"])
    assert done.out == "No notification will be delivered again.\n"
    assert "1 notification still to be delivered" in done.err
    assert "gateway notifications list --waiting" in done.err


def test_those_that_are_still_waiting_are_delivered_now(
    cli: Run, orders: list[dict[str, Any]], models: Models
) -> None:
    with models():
        database.rows("UPDATE referans.notifications SET next_try_at = now() + interval '1 day' WHERE id = 3")
    done = cli("notifications", "redeliver", "--since", "1h", "--waiting")
    assert done.out.startswith("1 notification will be delivered again ")
    assert done.err.startswith("1 notification is waiting.\n")
    with models():
        assert [each.id for each in outbox.claim(9, [], has_default=True)] == [3]
    assert states(models) == ["dead", "delivered", "waiting"]


@pytest.mark.parametrize(
    "arguments",
    [[], ["1", "--since", "1h"], ["1", "--all"], ["--all"], ["1", "--waiting"], ["--all", "--waiting"]],
)
def test_what_is_to_be_delivered_again_must_be_said(cli: Run, arguments: list[str]) -> None:
    assert cli("notifications", "redeliver", *arguments).code == 2


@pytest.mark.parametrize(
    ("stored", "given"),
    [
        ("NOTIFY_URL", "notify_url"),
        ("NOTIFY_URL", "https://own.example/hook"),
        ("https://shop.example", "https://Shop.example/other"),
        ("https://own.example", "https://own.example"),
    ],
)
def test_a_receiver_is_enabled_by_its_url(
    cli: Run, models: Models, monkeypatch: pytest.MonkeyPatch, stored: str, given: str
) -> None:
    monkeypatch.setenv("NOTIFY_URL", "https://own.example/hook")
    monkeypatch.setenv("NOTIFY_SECRET", SECRET)
    with models():
        database.rows(
            "INSERT INTO referans.receivers (receiver, failures, disabled_at) VALUES (%s, 9, now())",
            (stored,),
        )
    assert f"gateway notifications enable {stored}" in cli("notifications", "list").err
    assert cli("notifications", "enable", given).out == f"{stored} gets notifications again.\n"
    assert (
        cli("notifications", "enable", given).err == f"{stored} was not disabled.\n"
        if stored != "https://own.example"
        else True
    )
    assert cli("notifications", "list").err == "No notifications.\n"


def test_what_is_no_url_enables_nothing(cli: Run) -> None:
    assert cli("notifications", "enable", "shop.example").problem.startswith("shop.example must be")


@pytest.fixture
def shop() -> Iterator[Shop]:
    with shop_open() as found:
        yield found


class Listening:
    """`gateway listen`, in a process of its own."""

    def __init__(self, environment: dict[str, str], *options: str) -> None:
        command = [sys.executable, "-u", "-m", "gateway", "listen", *options]
        self.process = subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert self.process.stdout and self.process.stderr
        self.out: list[str] = []
        self._reader = threading.Thread(target=self.out.extend, args=[self.process.stdout])
        self._reader.start()
        self.notes = ""
        while "Listening" not in self.notes:
            self.notes += self.process.stderr.readline()

    def end(self, number: int = signal.SIGINT) -> tuple[int, str]:
        """The exit status and what was printed."""
        self.process.send_signal(number)
        code = self.process.wait(10)
        self._reader.join(10)
        assert self.process.stderr and "Traceback" not in self.process.stderr.read()
        return code, "".join(self.out)


@pytest.mark.parametrize("has_receiver", [True, False], ids=["with a receiver", "without one"])
def test_listening_prints_what_happens_and_forwards_it(
    database_url: str, models: Models, shop: Shop, has_receiver: bool
) -> None:
    with models():
        factories.add_provider()
        before = told()
    environment = os.environ | {"DATABASE_URL": database_url, "ALLOW_PLAINTEXT": "1", "NOTIFY_SECRET": SECRET}
    kinds = ["order.completed", "order.pin_updated", "order.attention", "order.reversed"]
    if not has_receiver:
        kinds.remove("order.attention")  # it is over by the time it is looked for
    listening = Listening(environment, "--forward-to", f"{shop.url}/hooks")
    try:
        with models():
            receiver.bind(has_receiver)
            order = factories.place()
            settle(arrival(order, ExternalStatus.COMPLETED))
            settle(arrival(order, ExternalStatus.COMPLETED, "PIN-ONE-1234"))
            settle(arrival(order, ExternalStatus.FAILED))
            resolving.accept(order["id"], by="ayşe", reason="so it is")
            receiver.bind(False)
        wait_until(lambda: kinds[-1] in shop.kinds(), 20)
        wait_until(lambda: sum("forwarded" in line for line in listening.out) == len(shop.requests), 20)
    finally:
        code, out = listening.end()
    assert code == 0
    assert [kind for kind in shop.kinds() if kind in kinds] == kinds
    assert before["id"] not in out
    assert out.count("forwarded: HTTP 200") == len(shop.requests)
    for request in shop.requests:
        document = Webhook(SECRET).verify(request.body, request.headers)
        assert document["data"]["id"] == order["id"]
        assert "pinCode" not in document["data"]
    assert len({request.headers["webhook-id"] for request in shop.requests}) == len(shop.requests)


def test_listening_without_a_secret_signs_with_one_that_it_prints(
    database_url: str, models: Models, shop: Shop
) -> None:
    environment = os.environ | {"DATABASE_URL": database_url, "ALLOW_PLAINTEXT": "1"}
    environment.pop("NOTIFY_SECRET", None)
    listening = Listening(environment, "--json", "--forward-to", shop.url)
    [secret] = [word for word in listening.notes.split() if word.startswith("whsec_")]
    with models():
        factories.add_provider()
        settle(arrival(factories.place(), ExternalStatus.FAILED))
    wait_until(lambda: shop.requests, 20)
    code, out = listening.end(signal.SIGTERM)
    [request] = shop.requests
    assert Webhook(secret).verify(request.body, request.headers) == json.loads(out.splitlines()[0])
    assert code == 0


def test_what_was_found_before_the_database_went_away_is_told(models: Models) -> None:
    """It counts as seen, and is not found again."""

    class Away:
        def new(self) -> list[Told]:
            raise database.Unavailable("away")

    with models():
        factories.add_provider()
        tail = listen.Tail(telling.notified, 0)
        order = told()
        assert [each.order.id for each in listen._look([tail, Away()])] == [order["id"]]  # type: ignore[list-item]
        assert listen._look([tail]) == []


def test_listening_refuses_what_is_no_url(cli: Run) -> None:
    assert cli("listen", "--forward-to", "localhost:3000").problem.startswith("--forward-to must be")
