"""Alerts: each incident is told once when it begins and once when it is over, wherever it is to go."""

import json
import socketserver
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from standardwebhooks import Webhook

from gateway.fulfilment import alert_channels, alert_rules
from gateway.fulfilment.alerting import Alerts
from gateway.fulfilment.sweeping import STEPS
from gateway.posting import Poster
from gateway.settings import Settings, load
from models import alert, balances, provider_health, report, sweep_run
from models.alert import Firing
from models.db import database
from models.status import ExternalStatus
from tests import factories
from tests.gateway.fulfilment.test_notifying import SECRET, Shop, shop_open
from tests.listening import listening

TOKEN = "123456:ABC-def_GHI"
DOWN = Firing("provider_down", "kuzey", "The provider kuzey is down.", "/ops/providers/kuzey")

pytestmark = pytest.mark.usefixtures("db")


@pytest.fixture
def place() -> Iterator[Shop]:
    """Where alerts go."""
    with shop_open() as found:
        yield found


def settings_for(place: Shop | None = None, **variables: str) -> Settings:
    given = {"PUBLIC_URL": "https://gateway.example", "NOTIFY_SECRET": SECRET}
    return load(given | ({"ALERT_URL": f"{place.url}/alerts"} if place else {}) | variables, require=())


def alerts_for(settings: Settings, base: str = "") -> Alerts:
    return Alerts(settings, alert_channels.of(settings, Poster(try_seconds=2), telegram=base))


def look(alerts: Alerts, *firing: Firing, later: float = 0) -> None:
    """A look at which these fire, `later` seconds after the one before."""
    database.rows(f"UPDATE referans.alerts SET seen_at = seen_at - interval '{later} s'")
    database.rows("UPDATE referans.alert_messages SET next_try_at = now() WHERE state = 'waiting'")
    alert.note(firing, list(alerts._channels))
    alerts.tell()


def told(place: Shop) -> list[tuple[str, str]]:
    return [(each.document["data"]["rule"], each.document["data"]["state"]) for each in place.requests]


class TestIncidents:
    def test_one_is_told_once_and_once_when_it_is_over(self, place: Shop) -> None:
        alerts = alerts_for(settings_for(place))
        for _ in range(3):
            look(alerts, DOWN, later=30)
        assert told(place) == [("provider_down", "began")]
        look(alerts, later=30)
        assert told(place) == [("provider_down", "began")]  # a moment's recovery is none
        look(alerts, later=60)
        assert told(place) == [("provider_down", "began"), ("provider_down", "over")]
        look(alerts, DOWN)
        assert told(place)[-1] == ("provider_down", "began") and len(place.requests) == 3
        look(alerts, later=100)
        assert len(place.requests) == 3  # what comes and goes is over later each time
        look(alerts, later=60)
        assert told(place)[-1] == ("provider_down", "over")

    def test_a_rule_that_cannot_be_looked_at_keeps_no_other_from_being_told(
        self, place: Shop, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def broken(settings: Settings, now: datetime) -> Iterator[Firing]:
            database.rows("SELECT 1 / 0")
            yield DOWN

        monkeypatch.setattr(alert_rules, "RULES", (broken, lambda settings, now: iter([DOWN])))
        looked = alert_rules.look(settings_for(), datetime.now(UTC))
        assert looked.firing == [DOWN] and not looked.is_whole
        look(alerts_for(settings_for(place)), DOWN)
        database.rows("UPDATE referans.alerts SET seen_at = now() - interval '1 h'")
        assert alert.note([], ["url"], may_end=False) == (0, 0)
        assert alert.note([], ["url"]) == (0, 1)

    def test_each_message_is_claimed_when_its_turn_comes_and_one_place_delays_no_other(self) -> None:
        """Twenty that wait for a place which does not answer must not outlast their claims."""

        class Place:
            def __init__(self, is_open: bool) -> None:
                self.is_open = is_open
                self.claimed: list[int] = []

            def send(self, message: alert.Message) -> None:
                rows = database.rows(
                    "SELECT count(*) AS n FROM referans.alert_messages"
                    " WHERE state = 'waiting' AND next_try_at > now() + interval '1 minute'"
                )
                self.claimed.append(rows[0]["n"])
                if not self.is_open:
                    raise ValueError("whatever a library raises")

        shut, open_ = Place(False), Place(True)
        alerts = Alerts(settings_for(), {"email": shut, "telegram": open_})
        look(alerts, *(Firing("provider_down", f"p{n}", "down", "/ops") for n in range(5)))
        assert len(shut.claimed) == 1 and len(open_.claimed) == 5
        assert set(open_.claimed) == {1}
        assert [each.last_error for each in alert.deliveries()] == ["ValueError"]

    def test_what_differs_is_told_apart(self, place: Shop) -> None:
        other = Firing("provider_down", "cedar", "The provider cedar is down.", "/ops/providers/cedar")
        look(alerts_for(settings_for(place)), DOWN, other)
        assert len(place.requests) == 2
        assert {each.subject for each in alert.going_on()} == {"kuzey", "cedar"}

    def test_one_that_could_not_be_told_is_told_later_and_its_end_after_it(self, place: Shop) -> None:
        alerts = alerts_for(settings_for(place))
        place.answer = lambda request: 503
        look(alerts, DOWN)
        look(alerts, later=100)
        assert [each.last_error for each in alert.deliveries()] == ["HTTP 503"]
        place.answer = lambda request: 200
        place.requests.clear()
        database.rows(
            "UPDATE referans.alert_messages"
            " SET next_try_at = now() + CASE WHEN is_end THEN interval '0' ELSE interval '1 h' END"
        )
        alerts.tell()
        assert told(place) == []
        look(alerts)
        look(alerts)
        assert told(place) == [("provider_down", "began"), ("provider_down", "over")]
        assert alert.deliveries() == []

    def test_one_is_given_up_in_the_end(self, place: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(alert, "MOST_TRIES", 2)
        place.answer = lambda request: 500
        alerts = alerts_for(settings_for(place))
        for _ in range(4):
            look(alerts, DOWN)
        assert len(place.requests) == 2
        assert [(each.waiting, each.dead) for each in alert.deliveries()] == [(0, 1)]

    def test_without_a_place_to_go_incidents_are_kept_all_the_same(self) -> None:
        look(alerts_for(settings_for()), DOWN)
        assert [each.text for each in alert.newest(5)] == [DOWN.text]

    def test_one_process_looks_and_the_web_only_where_no_worker_does(self, place: Shop) -> None:
        settings = settings_for(place)
        worker, web = Alerts(settings, {}), Alerts(settings, {}, late_by_seconds=90)
        assert worker.look() and not worker.look() and not web.look()
        database.rows("UPDATE referans.alert_turn SET next_at = now() - interval '1 minute'")
        assert not web.look()
        database.rows("UPDATE referans.alert_turn SET next_at = now() - interval '2 minutes'")
        assert web.look() and not web.look()

    def test_those_of_long_ago_are_forgotten(self, place: Shop) -> None:
        alerts = alerts_for(settings_for(place))
        look(alerts, DOWN)
        look(alerts, later=100)
        assert alert.forget(10) == 0
        database.rows("UPDATE referans.alerts SET ended_at = now() - interval '91 days'")
        assert alert.forget(10) == 1
        assert "alerts_deleted" in STEPS


class TestChannels:
    def test_a_url_gets_a_signed_notification(self, place: Shop) -> None:
        look(alerts_for(settings_for(place)), DOWN)
        [got] = place.requests
        assert Webhook(SECRET).verify(got.body, got.headers)
        assert got.document["type"] == "alert"
        assert got.document["data"] | {"beganAt": None, "id": 0} == {
            "id": 0,
            "rule": "provider_down",
            "subject": "kuzey",
            "state": "began",
            "text": DOWN.text,
            "url": "https://gateway.example/ops/providers/kuzey",
            "beganAt": None,
            "endedAt": None,
        }

    def test_every_try_has_the_same_webhook_id(self, place: Shop) -> None:
        place.answer = lambda request: 500
        alerts = alerts_for(settings_for(place))
        look(alerts, DOWN)
        look(alerts, DOWN)
        assert len({each.headers["webhook-id"] for each in place.requests}) == 1 < len(place.requests)

    def test_a_chat_gets_a_text_and_errors_do_not_name_the_token(self, place: Shop, lines: list[Any]) -> None:
        settings = settings_for(ALERT_TELEGRAM_TOKEN=TOKEN, ALERT_TELEGRAM_CHAT="-100123")
        place.answer = lambda request: 401 if len(place.requests) == 1 else 200
        alerts = alerts_for(settings, place.url)
        look(alerts, DOWN)
        look(alerts, DOWN)
        assert [each.path for each in place.requests] == [f"/bot{TOKEN}/sendMessage"] * 2
        said = json.loads(place.requests[0].body)
        assert said["chat_id"] == "-100123"
        assert said["text"] == f"{DOWN.text}\nhttps://gateway.example/ops/providers/kuzey"
        assert TOKEN not in repr(lines) and lines

    def test_a_mail_is_sent(self) -> None:
        with mail_server() as (port, mails):
            settings = settings_for(
                ALERT_SMTP_URL=f"smtp://localhost:{port}?from=gateway@shop.example",
                ALERT_EMAIL="rana@shop.example, omar@shop.example",
            )
            alerts = alerts_for(settings)
            look(alerts, DOWN)
            look(alerts, later=100)
        assert len(mails) == 2
        assert mails[0].startswith("ehlo [127.0.0.1]"), "a name of this machine is not looked up"
        assert "Subject: [Referans] The provider kuzey is down." in mails[0]
        assert "From: gateway@shop.example" in mails[0]
        assert mails[0].upper().count("RCPT TO:") == 2
        assert "https://gateway.example/ops/providers/kuzey" in mails[0]
        assert "Subject: [Referans] Over: The provider kuzey is down." in mails[1]

    def test_a_server_of_mails_that_says_a_little_now_and_then_is_given_up(self) -> None:
        class Trickle(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                with suppress(OSError):
                    while True:
                        self.wfile.write(b"220-")
                        time.sleep(0.05)

        with listening(socketserver.ThreadingTCPServer(("127.0.0.1", 0), Trickle)) as server:
            url = f"smtp://127.0.0.1:{server.server_address[1]}"
            mail = alert_channels.Mail(settings_for(), url, ["rana@shop.example"], mail_seconds=0.3)
            began = time.monotonic()
            look(Alerts(settings_for(), {"email": mail}), DOWN)
        assert time.monotonic() - began < 20
        assert len(alert.deliveries()) == 1

    def test_a_server_of_mails_that_is_away_is_tried_again(self) -> None:
        settings = settings_for(
            ALERT_SMTP_URL="smtp://u:hunter2@127.0.0.1:1", ALERT_EMAIL="rana@shop.example"
        )
        look(alerts_for(settings), DOWN)
        [found] = alert.deliveries()
        assert (found.channel, found.waiting, found.last_error) == ("email", 1, "ConnectionRefusedError")


def mail_server() -> AbstractContextManager[tuple[int, list[str]]]:
    """A server of mails: its port, and each mail with what was said around it."""
    mails: list[str] = []

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            said: list[str] = []
            self.wfile.write(b"220 here\r\n")
            while line := self.rfile.readline().decode().rstrip("\r\n"):
                said.append(line)
                if line.upper() == "DATA":
                    self.wfile.write(b"354 go on\r\n")
                    while (line := self.rfile.readline().decode().rstrip("\r\n")) != ".":
                        said.append(line)
                    mails.append("\n".join(said))
                self.wfile.write(b"221 bye\r\n" if line.upper() == "QUIT" else b"250 ok\r\n")

    @contextmanager
    def opened() -> Iterator[tuple[int, list[str]]]:
        with listening(socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)) as server:
            yield server.server_address[1], mails

    return opened()


def rules() -> dict[tuple[str, str], str]:
    found = alert_rules.firing(settings_for(), datetime.now(UTC))
    return {(each.rule, each.subject): each.text for each in found}


def make_stuck(kind: str = "no_code", *, since: timedelta = timedelta(0)) -> dict[str, Any]:
    order = factories.sent()
    factories.put(order, attention=kind, attentionAt=datetime.now(UTC) - since)
    return order


class TestRules:
    def test_where_all_is_well_nothing_fires(self) -> None:
        factories.sent()
        sweep_run.beat("scheduler")
        assert rules() == {}

    def test_an_order_that_needs_a_person(self) -> None:
        make_stuck()
        make_stuck()
        assert rules()["stuck_orders", "no_code"].startswith(
            "2 orders need a person: no_code. The oldest since"
        )

    def test_what_goes_by_itself_only_after_a_while(self) -> None:
        order = factories.place()
        provider_health.pause(factories.SANDBOX, "by hand", "rana")
        assert ("stuck_orders", "provider_down") not in rules()
        factories.age(order, 1000)
        assert ("stuck_orders", "provider_down") in rules()
        assert ("provider_down", factories.SANDBOX) not in rules()  # a person has paused it, and knows

    def test_a_provider_that_is_down(self) -> None:
        for _ in range(provider_health.BREAKER_THRESHOLD):
            provider_health.failed(factories.SANDBOX, "no answer in time", 30)
        assert (
            rules()["provider_down", factories.SANDBOX] == "The provider sandbox is down: no answer in time."
        )

    def test_one_that_the_gateway_has_paused(self) -> None:
        provider_health.account_refused(
            factories.SANDBOX, "wrong password", 300, is_certain=True, lacks_balance=False
        )
        assert "has paused the provider sandbox: " in rules()["provider_down", factories.SANDBOX]

    def test_a_balance_that_is_low(self) -> None:
        database.rows("UPDATE referans.providers SET low_balance = 100, currency = 'USD'")
        balances.keep(factories.SANDBOX, balances.Told(*amounts("12.50")), datetime.now(UTC))
        assert rules()["balance_low", factories.SANDBOX] == "The balance at sandbox is low: 12.50 USD."

    def test_a_scheduler_without_a_sign_of_life(self) -> None:
        assert ("scheduler_dead", "") not in rules()  # it was never there
        sweep_run.beat("scheduler")
        database.rows("UPDATE referans.heartbeats SET beat_at = now() - interval '4 minutes'")
        assert ("scheduler_dead", "") in rules()

    def test_notifications_that_are_given_up(self) -> None:
        order = factories.sent()
        factories.put(order, notifyUrl="https://shop.example/hooks")
        factories.settle(factories.arrival(order, ExternalStatus.COMPLETED, pin="PIN-1"))
        database.rows("UPDATE referans.notifications SET state = 'dead'")
        factories.put(order, attention="notification_dead", attentionAt=datetime.now(UTC))
        assert rules() == {
            ("notification_dead", ""): (
                "The storefront was not told: 1 notification was given up; 0 receivers disabled."
            )
        }

    def test_work_that_waits_for_longer_than_it_should(self) -> None:
        order = factories.sent()
        factories.age(order, 3600)
        assert "minutes late. Is a worker alive?" in rules()["oldest_waiting", ""]

    @pytest.mark.parametrize(
        ("usual", "told_now", "fires"), [(40, False, True), (40, True, False), (10, False, False)]
    )
    def test_callbacks_that_have_fallen_silent(self, usual: int, told_now: bool, fires: bool) -> None:
        """`usual` of 60 deliveries of yesterday were told by callbacks; of 12 within the hour none, or one."""
        now = datetime.now(UTC)
        completed(60, now - timedelta(days=1), lambda number: number < usual)
        completed(12, now - timedelta(minutes=5), lambda number: told_now and number == 0)
        report.begin("UTC")
        while report.sum_up_next("UTC"):
            pass
        assert (("callbacks_silent", factories.SANDBOX) in rules()) is fires


def amounts(text: str) -> tuple[Any, str, Any]:
    return Decimal(text), "USD", None


def completed(many: int, at: datetime, is_told: Callable[[int], bool]) -> None:
    for number in range(many):
        database.rows(
            'INSERT INTO product_orders ("externalStatus", status, "providerId", "createdAt", "completedAt",'
            " \"lastCallbackAt\") VALUES ('completed', 'approved', %s, %s, %s, %s)",
            (factories.SANDBOX, at, at, at if is_told(number) else None),
        )
