"""Every page and every refusal in Arabic has no English left but names, ids, code, and what others wrote."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from falcon.testing import Result, TestClient

from gateway.fulfilment import reconciling
from gateway.fulfilment.statements import Unreadable
from models import alert, bulk, provider_health, report, statement, sweep_run, timeline
from models.alert import Firing
from models.db import database
from models.listing import Filter
from models.person import Role
from models.status import ExternalStatus, Source
from models.stuck import Limits
from tests import factories
from tests.gateway.web import calls
from tests.gateway.web.ops.browser import Browser
from tests.gateway.web.ops.conftest import BrowserFor
from tests.gateway.web.ops.english import left_in


@pytest.fixture
def story(pool: object, app: Any) -> dict[str, Any]:
    """An order with a long story, and something for every page."""
    with database.session():
        found = factories.sent("5123")
        factories.put(found, notifyUrl="https://shop.example/hooks", orderUuid="S-1")
        factories.settle(factories.arrival(found, ExternalStatus.PROCESSING, message="bekleniyor"))
        factories.settle(factories.arrival(found, ExternalStatus.COMPLETED, pin="PIN-1"))
        factories.settle(factories.arrival(found, ExternalStatus.FAILED, message="iade edildi"))
        for text in (
            "sandbox refused: Stokta yok (0); sending to kuzey (share 1 of 4)",
            "checked (2), nothing learned: http://a.example/b: no answer in time",
        ):
            timeline.record(found["id"], Source.DISPATCH, text)
        timeline.record(found["id"], Source.OPERATOR, "dismissed: sordum (one of 3 orders)", by="rana")
        factories.settle(factories.arrival(failing := factories.sent(), ExternalStatus.FAILED))
        factories.put(failing, attention="no_code")
        about = bulk.About(wanted=Filter(product_id="game"))
        given: dict[str, Any] = {
            "action": "resend",
            "reason": "sordum",
            "by": "rana",
            "shown": {},
            "options": {},
        }
        bulk_id = bulk.begin(about, Limits(300, 20, 60), 2, **given)
        note = (
            f"order {found['id']} is completed and sandbox may have it: sending it again may buy it twice; look for it"
            " there first, then allow it (--may-buy-twice, or mayBuyTwice: true)"
        )
        database.rows("UPDATE referans.bulk_orders SET result = 'refused', note = %s", (note,))
        database.rows(
            "UPDATE referans.bulk_actions SET refusal = %s", ("the database refuses it; the log says why",)
        )
        for content in (b"ref,player,amount,currency,status\n1,2,1.5,USD,iptal\n", b"a,b\n1,2\n"):
            number = statement.begin(factories.SANDBOX, "kuzey.csv", "rana", {})
            try:
                reconciling.compare(number, content, "UTC")
            except Unreadable:
                assert statement.find(number).state == "failed"  # type: ignore[union-attr]
        text = "The provider sandbox is down: no answer in time."
        alert.note([Firing("provider_down", "sandbox", text, "/ops/providers")], [])
        for _ in range(provider_health.BREAKER_THRESHOLD):
            provider_health.failed("sandbox", "https://a.example/b: no connection in time", 30)
        database.rows(
            "INSERT INTO referans.notifications (order_id, type, receiver, payload, state, tries)"
            " SELECT %s, 'order.completed', 'https://shop.example', '{}', 'dead', 10",
            (found["id"],),
        )
        database.rows(
            "INSERT INTO referans.deliveries (notification_id, at, error, duration_ms)"
            " SELECT id, now(), 'no answer in time', 1500 FROM referans.notifications"
        )
        database.rows(
            "INSERT INTO referans.receivers (receiver, failing_since, failures, last_error, disabled_at)"
            " VALUES ('https://shop.example', now(), 3, 'the name of the host is not known', now())"
        )
        with sweep_run.only_one():
            sweep_run.end(sweep_run.begin("scheduler"), {"adopted": 2, "callbacks_deleted": 11}, None)
        report.begin("UTC")
        while report.sum_up_next("UTC"):
            pass
    client = TestClient(app)
    calls.call_back(client, calls.neutral("123456789012345", pin_code="PIN-1234-ABCD"))
    calls.call_back(client, calls.neutral("123456789012345", status="yok"))
    return {**found, "bulk": bulk_id}


PAGES = (
    *(
        "",
        "/orders",
        "/orders?needs=conflict",
        "/orders?since=yok",
        "/orders?q=5123",
        "/orders?q=yok",
        "/stuck",
    ),
    *(
        "/orders/{id}",
        "/orders/{id}/proof",
        "/callbacks",
        "/callbacks?result=invalid",
        "/callbacks?result=unmatched",
    ),
    *("/callbacks/1", "/callbacks/2", "/callbacks/3", "/callbacks/4", "/callbacks/5"),
    *("/notifications", "/notifications?state=dead", "/notifications/{notification}"),
    *("/providers", "/providers/sandbox", "/reports?period=today", "/reports?by=day", "/reconcile"),
    *(
        "/reconcile/1",
        "/reconcile/2",
        "/bulk",
        "/bulk/{bulk}",
        "/bulk/new?needs=conflict",
        "/account",
        "/complete?q=",
    ),
)


def test_no_page_has_english_left(browser_for: BrowserFor, story: dict[str, Any]) -> None:
    admin = browser_for(Role.ADMIN)
    with database.session():
        number = database.rows("SELECT max(id) AS id FROM referans.notifications")[0]["id"]
    left = {}
    admin.get("/ops", lang="ar")
    for path in PAGES:
        answer = admin.get(f"/ops{path.format(id=story['id'], bulk=story['bulk'], notification=number)}")
        if answer.status_code == 303:
            answer = admin.get(answer.headers["location"])
        assert answer.status_code == 200, path
        if not path.startswith("/complete") and (found := left_in(answer, quotes=path.endswith("/proof"))):
            left[path] = found
    for path, fields in (
        (f"/orders/{story['id']}/codes", {}),
        ("/callbacks/1", {"reason": "sordum"}),
        ("/callbacks/5", {"reason": "sordum"}),
        (f"/orders/{story['id']}/do/note", {"reason": "sordum"}),
    ):
        if found := left_in(admin.post(f"/ops{path}", **fields)):
            left[path] = found
    assert not left, "\n".join(f"{path}: {texts}" for path, texts in left.items())


def refusals(order_id: str) -> Iterator[tuple[str, Mapping[str, str] | None, int]]:
    """Each a path, the fields of a form (None: it is not one), and the status."""
    order, sandbox = f"/ops/orders/{order_id}", "/ops/providers/sandbox"
    for path in (
        "orders/x",
        "callbacks/9",
        "notifications/9",
        "bulk/9",
        "reconcile/9",
        "providers/yok",
        "yok",
    ):
        yield f"/ops/{path}", None, 404
    yield f"/ops/orders/{factories.NO_ORDER}", None, 404
    for path in ("/ops/bulk/new", "/ops/reports?from=yok", "/ops/reports?from=2020-01-01&to=2025-01-01"):
        yield path, None, 400
    yield "/ops/export/orders.csv?since=yok", None, 400
    yield "/ops/orders?q=%00", None, 400
    yield "/ops/reconcile/1?after=yok", None, 400
    for path in (f"{order}/do/fail", "/ops/callbacks/1", "/ops/callbacks", "/ops/notifications", sandbox):
        yield path, {"reason": "…"}, 409
    yield f"{sandbox}/credentials", {"reason": "…"}, 409
    yield f"{sandbox}/credentials", {"reason": "sordum"}, 409
    yield f"{sandbox}/credentials", {"reason": "sordum", "credential_callback_secret": "x"}, 409
    yield "/ops/reconcile", {}, 409
    yield "/ops/reconcile", {"provider": "yok", "pasted": "x"}, 400
    yield "/ops/reconcile/1", {"parts": "9"}, 409
    yield "/ops/reconcile/1", {"part": "x", "content": ""}, 400
    yield "/ops/reconcile/1", {"part": "1", "content": ""}, 409
    yield f"{order}/do/reverse", {"reason": "sordum", "seen": "x"}, 409
    yield f"{order}/do/resend", {"reason": "sordum"}, 409
    yield f"{order}/do/resend", {"reason": "sordum", "provider": "yok", "may_buy_twice": "yes"}, 409
    for codes in ("x,y", "{", '{"a": "b"}', "[1]", '{"code": 1.5}', "---"):
        yield f"{order}/do/complete", {"reason": "sordum", "codes": codes}, 409
    yield f"{order}/do/yok", {"reason": "sordum"}, 404
    yield "/ops/bulk/new", {"needs": "conflict", "action": "note", "count": "x"}, 400
    yield "/ops/bulk/new", {"needs": "conflict", "action": "note", "count": "0", "reason": "sordum"}, 409
    yield "/ops/account", {"csrf": "x"}, 403
    yield "/ops/account", {"id": "x" * 70_000}, 413
    yield "/ops/login", {"name": "yok", "password": "x"}, 401
    yield "/ops/login", {"key": "yok"}, 401


def test_no_refusal_has_english_left(browser_for: BrowserFor, story: dict[str, Any]) -> None:
    admin, viewer = browser_for(Role.ADMIN), browser_for(Role.VIEWER)
    left = {}

    def look(name: str, answer: Result, status: int) -> None:
        assert answer.status_code == status, (name, answer.text)
        if found := left_in(answer):
            left[name] = found

    admin.get("/ops", lang="ar")
    for path, fields, status in refusals(story["id"]):
        answer = admin.get(path) if fields is None else admin.post(path, follow=False, **fields)
        look(f"{path} {fields}", answer, status)
    viewer.get("/ops", lang="ar")
    look("role", viewer.post("/ops/providers/sandbox", action="pause", reason="sordum"), 403)
    viewer.headers = {"Origin": "https://evil.example"}
    look("another site", viewer.post("/ops/account", id="1"), 403)
    assert not left, "\n".join(f"{path}: {texts}" for path, texts in left.items())


def test_an_outage_is_told_in_arabic(operator: Browser, pool: database.Pool) -> None:
    operator.get("/ops/login", lang="ar")
    database.bind(database.connect("postgresql://u:hunter2@127.0.0.1:1/none"))
    try:
        away = operator.get("/ops")
    finally:
        database.bind(pool)
    assert away.status_code == 503 and left_in(away) == []
