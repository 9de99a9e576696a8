"""Now, providers, callbacks: what they show and what is done there."""

import re
from decimal import Decimal
from typing import Any

import pytest
from falcon.testing import TestClient

from gateway.providers import kinds
from models import bulk, catalogue_watches, protocols, provider_health, route
from models.db import database
from models.route import Cost, Strategy
from models.status import ExternalStatus
from tests import factories
from tests.gateway.web import calls
from tests.gateway.web.ops.browser import Browser, form_in, seen, words

REASON = "prices are wrong, Ali is calling them"
PAGES = ("/ops", "/ops/orders", "/ops/stuck", "/ops/providers", "/ops/callbacks", "/ops/notifications")
PAGES += ("/ops/bulk", "/ops/account")


@pytest.fixture
def unmatched(pool: object, stranger: Browser) -> str:
    """The reference of a callback whose order is not known yet."""
    referans = "123456789012345"
    answer = calls.call_back(TestClient(stranger.app), calls.neutral(referans, pin_code="PIN-1234-ABCD"))
    assert calls.result(answer, 202) == "unmatched"
    return referans


@pytest.mark.parametrize("path", PAGES)
def test_each_page_is_there_in_both_languages_for_a_viewer(viewer: Browser, path: str) -> None:
    assert 'dir="ltr"' in viewer.get(path).text
    arabic = viewer.get(path, lang="ar")
    assert arabic.status_code == 200 and 'dir="rtl"' in arabic.text
    assert "Damascus" in words(arabic)


# --- now


def test_now_says_what_is_wrong_first(operator: Browser) -> None:
    text = seen(operator.get("/ops"))
    assert "No worker is alive" in text
    assert "Start the process “worker” again at your host." in text
    assert "Scheduler not known now" in text and "scheduler is silent" not in text
    assert "All is well." not in text


def test_now_counts_what_needs_a_person_and_what_is_under_way(operator: Browser) -> None:
    with database.session():
        found = factories.sent()
        factories.sent()
        factories.settle(factories.arrival(found, ExternalStatus.COMPLETED, pin="PIN-1"))
        factories.settle(factories.arrival(found, ExternalStatus.FAILED))
    text = seen(operator.get("/ops"))
    assert "Needs a person All 1 The provider contradicts itself" in text
    assert "1 order under way" in text


def test_now_has_what_changes_slowly_with_providers(operator: Browser) -> None:
    with database.session():
        route.add("game", "60", "sandbox", cost=Cost(Decimal("31.4"), "TRY"))
        catalogue_watches.seen(
            "sandbox", [], "1 dearer (game 60 31.40 → 33.00 TRY); 2 new (a, b)", begin=True
        )
        database.rows(
            "INSERT INTO referans.provider_health (provider_id, balance, balance_currency, callbacks_low_since)"
            " VALUES ('sandbox', 60, 'TRY', now())"
        )
        for hours, balance in ((4, 100), (2, 80), (0, 60)):
            database.rows(
                "INSERT INTO referans.balance_points VALUES ('sandbox', now() - make_interval(hours => %s), %s, 'TRY')",
                (hours, balance),
            )
    for path in ("/ops", "/ops/providers"):
        answer = operator.get(path)
        assert "lasts about 6 h" in seen(answer) and 'class="curve"' in answer.text
    text = seen(operator.get("/ops"))
    assert "Its catalogue has changed Dearer 1 New 2" in text
    assert "Callbacks fall short; its orders are asked about twice as often" in text
    text = seen(operator.get("/ops/providers/sandbox"))
    assert "Dearer game 60 31.40 → 33.00 TRY 1 New a, b 2" in text
    assert "240.00 TRY a day" in text
    assert "Its callbacks tell of clearly fewer deliveries than usual" in text


# --- providers


def test_a_provider_has_its_routes_in_their_turn_and_its_protocol(operator: Browser) -> None:
    described = kinds.SHIPPED.joinpath("zdk.toml").read_text()
    with database.session():
        protocols.add("mine", described, "[]")
        factories.add_provider("mine", adapter="mine", max_per_minute=90, callback="none")
        for provider_id, weight in (("sandbox", 3), ("mine", 1)):
            route.add("game", "60", provider_id, strategy=Strategy.SHARE, weight=weight)
        factories.add_provider("hand", adapter="manual", callback="none", base_url="")
    text = seen(operator.get("/ops/providers/sandbox"))
    assert "game 60 1 of 2 75% of the orders 0" in text and "any any 1 of 3 in order" in text
    assert "znet part of the gateway" in text and "Calls at once 8" in text and "by our reference" in text
    text = seen(operator.get("/ops/providers/mine"))
    assert "mine described by a file that was added" in text and "Calls a minute 90" in text
    assert "game 60 2 of 2 25% of the orders" in text and "It does not call back" in text
    text = seen(operator.get("/ops/providers/hand"))
    assert "Ask for the balance" not in text and "It has no catalogue." in text


def test_a_provider_is_paused_with_a_reason_and_resumed(operator: Browser) -> None:
    path = "/ops/providers/sandbox"
    assert "It works." in seen(operator.get(path))
    assert operator.post(path, action="pause", reason=" ").status_code == 409
    text = seen(operator.post(path, action="pause", reason=REASON))
    assert "operator paused it" in text and REASON in text
    assert "Paused" in seen(operator.get("/ops/providers"))
    with database.session():
        found = provider_health.health("sandbox")
        assert found and (found.paused_by, found.pause_reason) == ("operator", REASON)
    operator.get(path)
    assert "It works." in seen(operator.post(path, action="resume", reason="they repaired them"))


def test_a_provider_that_is_down_says_since_when_and_why(operator: Browser) -> None:
    with database.session():
        for _ in range(provider_health.BREAKER_THRESHOLD):
            provider_health.failed("sandbox", "connection refused", 30)
    text = seen(operator.get("/ops/providers/sandbox"))
    assert "It does not answer since" in text and "connection refused" in text
    assert "need eyes" in seen(operator.get("/ops/providers"))


def test_a_viewer_changes_no_provider(viewer: Browser) -> None:
    viewer.get("/ops/account")
    assert viewer.post("/ops/providers/sandbox", action="pause", reason=REASON).status_code == 403
    with database.session():
        assert not provider_health.health("sandbox")


def test_no_page_of_a_provider_has_its_credentials(operator: Browser) -> None:
    text = operator.get("/ops/providers/sandbox").text
    for secret in (factories.CREDENTIALS["sifre"], factories.CREDENTIALS["callback_secret"]):
        assert secret not in text
    assert operator.get("/ops/providers/nobody").status_code == 404
    assert operator.post("/ops/providers/sandbox", action="nonsense", reason=REASON).status_code == 400


# --- callbacks


def test_a_callback_shows_its_request_with_codes_masked(operator: Browser, unmatched: str) -> None:
    listed = operator.get("/ops/callbacks")
    assert "Waits for its order" in seen(listed) and unmatched in seen(listed)
    answer = operator.get("/ops/callbacks/1")
    assert unmatched in seen(answer)
    assert "PIN-1234" not in answer.text
    assert operator.get("/ops/callbacks/2").status_code == 404
    assert operator.get("/ops/callbacks/x").status_code == 404


@pytest.mark.parametrize(
    ("filters", "many"),
    [
        ({}, 1),
        ({"result": "unmatched"}, 1),
        ({"result": "conflict"}, 0),
        ({"provider": "sandbox"}, 1),
        ({"provider": "other"}, 0),
        ({"since": "1h"}, 1),
        ({"since": "2099-01-01"}, 0),
        ({"result": "nonsense"}, 1),
        ({"after": "nonsense"}, 1),
    ],
    ids=str,
)
def test_callbacks_are_filtered(
    operator: Browser, unmatched: str, filters: dict[str, str], many: int
) -> None:
    found = re.findall(r'href="/ops/callbacks/\d+"', operator.get("/ops/callbacks", **filters).text)
    assert len(found) == many


def test_pages_of_callbacks_follow_each_other_by_key(
    operator: Browser, stranger: Browser, pool: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.web.ops.callbacks.PAGE", 2)
    for number in range(5):
        calls.call_back(TestClient(stranger.app), calls.neutral(f"12345678901234{number}"))
    found, path = [], "/ops/callbacks?result=unmatched"
    while path:
        text = operator.get(path).text
        found += re.findall(r'href="/ops/callbacks/(\d+)"', text)
        following = re.search(r'class="btn" href="([^"]+)">Next page', text)
        path = following[1].replace("&amp;", "&") if following else ""
    assert found == ["5", "4", "3", "2", "1"]


def order_appears(referans: str) -> dict[str, Any]:
    """The order of a callback that came too early."""
    with database.session():
        found = factories.sent()
        factories.put(found, provider_referans=referans)
    return found


def test_a_replay_settles_what_has_its_order_now(operator: Browser, unmatched: str) -> None:
    found = order_appears(unmatched)
    operator.get("/ops/callbacks/1")
    assert operator.post("/ops/callbacks/1", reason="").status_code == 409
    text = seen(operator.post("/ops/callbacks/1", reason=REASON))
    assert "It was: Waits for its order; it is: Applied." in text
    with database.session():
        assert factories.column(found, "externalStatus") == "completed"
        [event] = database.rows("SELECT * FROM referans.order_events WHERE source = 'operator'")
    assert (event["by"], event["message"]) == ("operator", f"callback 1 replayed: {REASON}")


def test_a_replay_of_all_that_match_goes_on_in_the_background(
    operator: Browser, stranger: Browser, pool: object
) -> None:
    path = "/ops/callbacks"
    for number in range(3):
        calls.call_back(TestClient(stranger.app), calls.neutral(f"12345678901234{number}"))
    assert "Replay all that match: 3 callbacks" in seen(operator.get(path, result="unmatched"))
    assert operator.post(path, result="unmatched", last=3, reason="…").status_code == 409
    assert operator.post(path, result="unmatched", last="x", reason=REASON).status_code == 400
    assert operator.post(path, last=3, reason=REASON).status_code == 409
    assert "Replay: 3 callbacks" in seen(operator.post(path, result="unmatched", last=3, reason=REASON))
    assert "Running: Replay 0 of 3" in seen(operator.get(path, result="unmatched"))
    with database.session():
        [begun] = bulk.newest(5)
        database.rows(
            "UPDATE referans.bulk_actions SET became = '{\"applied\": 2}', refusal = 'why not', done = 2"
        )
    assert (begun.what, begun.total, begun.reason, begun.by) == ("callbacks", 3, REASON, "operator")
    text = seen(operator.get(f"/ops/bulk/{begun.id}"))
    assert "Applied 2" in text and "why not" in text
    assert "Replay · Running" in seen(operator.get("/ops/bulk"))


def test_a_form_that_is_sent_twice_replays_once(operator: Browser, stranger: Browser, pool: object) -> None:
    path, meant = "/ops/callbacks", {"result": "unmatched"}
    calls.call_back(TestClient(stranger.app), calls.neutral("123456789012340"))
    form = form_in(operator.get(path, **meant).text)
    for _ in range(2):
        assert "Replay: 1 callback" in seen(operator.post(path, **meant, last=1, reason=REASON, form=form))
    with database.session():
        assert len(bulk.newest(5)) == 1


def test_while_the_database_is_away_every_page_says_so_in_words(
    operator: Browser, pool: database.Pool
) -> None:
    database.bind(database.connect("postgresql://u:hunter2@127.0.0.1:1/none"))
    try:
        answers = [
            operator.get(path) for path in ("/ops", "/ops/orders", "/ops/export/orders.csv", "/ops/account")
        ]
        answers.append(operator.post("/ops/login", follow=False, name="rana", password="x"))
    finally:
        database.bind(pool)
    for answer in answers:
        assert answer.status_code == 503 and int(answer.headers["retry-after"]) > 0
        assert "The database does not answer." in words(answer)
        assert "hunter2" not in answer.text and "Traceback" not in answer.text


def test_an_address_that_no_database_can_hold_is_refused(operator: Browser) -> None:
    for path in ("/ops/providers/x%00y", "/ops/orders/%00", "/ops/callbacks/1%00"):
        assert operator.get(path).status_code == 400
    for query in ({"q": "\0"}, {"provider": "\0"}, {"tenant": "\0", "needs": "conflict"}):
        for path in (
            "/ops/orders",
            "/ops/callbacks",
            "/ops/reports",
            "/ops/export/orders.csv",
            "/ops/bulk/new",
        ):
            assert operator.get(path, **query).status_code == 400
    for number in ("9" * 19, "9" * 40, "-1", "٣"):
        for path in ("callbacks", "notifications", "bulk", "reconcile", "orders"):
            assert operator.get(f"/ops/{path}/{number}").status_code == 404
    assert operator.get("/ops/reconcile/1", after="9" * 30).status_code in (400, 404)
