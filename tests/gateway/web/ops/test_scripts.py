"""Whatever others write, in whatever field: it is text on every page, in both languages, and no page breaks of it."""

from typing import Any

import pytest
from falcon.testing import TestClient

from gateway.fulfilment import reconciling
from models import alert, bulk, person, report, statement
from models.alert import Firing
from models.bulk import About
from models.db import database
from models.listing import Filter
from models.person import Role
from models.status import ExternalStatus
from models.stuck import Limits
from tests import factories
from tests.gateway.web import calls
from tests.gateway.web.ops.browser import Browser

TEXT = "\"><script>x</script>'{x}{{7*7}}%s"
#: Columns that hold what others have written, or may hold it where another system writes them.
COLUMNS = {
    "product_orders": (
        *(
            '"productId"',
            '"packageId"',
            '"userIdentifier"',
            '"lastMessage"',
            '"receipt"',
            '"externalOrderId"',
        ),
        *('"orderUuid"', '"failureReason"'),
    ),
    "referans.order_events": ("message", '"by"', '"from"', '"to"'),
    "referans.callback_events": ("message", "status", "external_order_id"),
    "referans.providers": ("base_url",),
    "referans.provider_health": ("last_error", "pause_reason", "paused_by"),
    "referans.bulk_actions": ("refusal",),
    "referans.statement_lines": ("player", "state", "currency", "referans"),
    "referans.sign_ins": ("address", "browser"),
}
PAGES = (
    *(
        "",
        "/orders",
        "/orders?q=nothing",
        "/stuck",
        "/callbacks",
        "/callbacks/1",
        "/callbacks/2",
        "/callbacks/3",
    ),
    *("/notifications", "/notifications/1", "/providers", "/providers/sandbox", "/reports?period=today"),
    *("/reports?period=today&by=package", "/reconcile", "/reconcile/1", "/bulk", "/bulk/1", "/account"),
    *("/bulk/new?needs=conflict", "/orders/{id}", "/orders/{id}/proof"),
)


@pytest.fixture
def written(operator: Browser, pool: object) -> dict[str, Any]:
    """An order of which everything says TEXT."""
    with database.session():
        found = factories.sent()
        factories.put(found, notifyUrl="https://shop.example/hooks")
        factories.settle(factories.arrival(found, ExternalStatus.COMPLETED, pin="PIN-1"))
        factories.settle(factories.arrival(found, ExternalStatus.FAILED))
        about = About(wanted=Filter(product_id="game"))
        given: dict[str, Any] = {"action": "note", "reason": TEXT, "by": TEXT, "shown": {}, "options": {}}
        bulk.begin(about, Limits(300, 20, 60), 1, **given)
        statement_id = statement.begin(factories.SANDBOX, TEXT, TEXT, {})
        reconciling.compare(statement_id, b"ref,player,amount,currency,status\n1,2,1.5,USD,x\n", "UTC")
        alert.note([Firing(TEXT, TEXT, TEXT, f"/ops#{TEXT}")], [])
        database.rows(
            "INSERT INTO referans.provider_health (provider_id, paused_at) VALUES ('sandbox', now())"
        )
    client = TestClient(operator.app)
    calls.call_back(client, calls.neutral(found["provider_referans"], message=TEXT, pin_code=f"AB{TEXT}"))
    calls.call_back(client, calls.neutral(TEXT, message=TEXT))
    calls.call_back(client, calls.neutral(TEXT, status=TEXT))
    with database.session():
        for table, columns in COLUMNS.items():
            database.rows(
                f"UPDATE {table} SET {', '.join(f'{each} = %(text)s' for each in columns)}", {"text": TEXT}
            )
        report.begin("UTC")
        while report.sum_up_next("UTC"):
            pass
        person.add(TEXT, Role.ADMIN, "correct horse")
    return found


def test_no_text_becomes_part_of_a_page(operator: Browser, written: dict[str, Any]) -> None:
    answers = [
        operator.get(f"/ops{path.format(id=written['id'])}{'&' if '?' in path else '?'}lang={language}")
        for path in PAGES
        for language in ("en", "ar")
    ]
    for name in ("q", "player", "product", "provider", "after", "needs", "next", "from"):
        answers += [
            operator.get(f"/ops/{path}", **{name: TEXT})
            for path in ("orders", "callbacks", "reports", "login")
        ]
    answers += [
        operator.post("/ops/login", follow=False, name=TEXT, password="x", next=TEXT),
        operator.post(f"/ops/orders/{written['id']}/codes"),
        operator.post(
            f"/ops/orders/{written['id']}/do/resend", reason=TEXT, provider=TEXT, may_buy_twice="yes"
        ),
    ]
    for answer in answers:
        assert answer.status_code < 500 and "<script>x" not in answer.text, answer.text
    assert sum("&lt;script&gt;x" in answer.text for answer in answers) > len(PAGES)
