"""With 20,000 orders every page rides indexes: what is read follows what is shown, never the size of a table."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from models.db import database
from models.db.database import Pool
from models.status import ExternalStatus
from tests import factories
from tests.gateway.web.ops.browser import Browser

#: Tables that grow for ever.
GROWING = (
    "product_orders",
    "order_events",
    "callback_events",
    "former_references",
    "notifications",
    "deliveries",
)
ORDERS = 20_000
#: A few of each kind of order among many that are completed; each with two events and a callback. In new files: what
#: tests before this one have deleted would make the tables, and with them the plans, other ones.
FILL = """
TRUNCATE product_orders, referans.callback_events, referans.former_references CASCADE;
INSERT INTO product_orders (id, "orderNo", "productId", "packageId", "userIdentifier", "externalStatus", status,
    "providerId", provider_referans, "externalOrderId", "orderUuid", "createdAt", "sentAt", "routeParams",
    "placedByGateway", attention, "attentionAt", "nextCheckAt", "tenantId")
SELECT gen_random_uuid(), n, 'game', '60', 'player-' || n / 3,
    CASE WHEN n %% 2000 = 0 THEN 'sent' WHEN n %% 50 = 1 THEN 'failed' ELSE 'completed' END,
    CASE WHEN n %% 2000 = 0 THEN 'pending' WHEN n %% 50 = 1 THEN 'rejected' ELSE 'approved' END,
    'sandbox', (100000000000000 + n)::text, 'own-' || n, 'CART-' || n,
    now() - n * interval '7 seconds', now() - n * interval '7 seconds', '{{}}', true,
    CASE WHEN n %% 3000 = 7 THEN 'no_code' END, CASE WHEN n %% 3000 = 7 THEN now() END,
    CASE WHEN n %% 2000 = 0 THEN now() + interval '1 hour' END,
    CASE WHEN n %% 10 = 0 THEN '{tenant}'::uuid END
FROM generate_series(1, {many}) AS n;
INSERT INTO referans.order_events (order_id, source, "from", "to", message, at, result)
SELECT o.id, source, 'sent', 'completed', 'completed', o."createdAt", 'applied'
FROM product_orders AS o, unnest(ARRAY['dispatch', 'callback']) AS source;
INSERT INTO referans.callback_events (provider_id, dedupe_key, result, referans, order_id, status, received_at,
    settled_at)
SELECT 'sandbox', o.id::text, CASE WHEN "orderNo" %% 5000 = 1 THEN 'conflict' ELSE 'applied' END, o.provider_referans,
    o.id, 'completed', o."createdAt", o."createdAt"
FROM product_orders AS o;
INSERT INTO referans.notifications (order_id, type, receiver, payload, state, tries, next_try_at, ended_at, created_at)
SELECT id, 'order.completed', 'NOTIFY_URL', '{{}}', CASE WHEN "orderNo" %% 9000 = 1 THEN 'dead' ELSE 'delivered' END, 1,
    NULL, "createdAt", "createdAt"
FROM product_orders;
INSERT INTO referans.deliveries (notification_id, status, duration_ms) SELECT id, 200, 10 FROM referans.notifications;
INSERT INTO referans.former_references (referans, provider_id, order_id)
SELECT (200000000000000 + "orderNo")::text, 'sandbox', id FROM product_orders;
ANALYZE
"""
PATHS = [
    "/ops",
    "/ops/orders",
    "/ops/orders?stage=completed",
    "/ops/orders?stage=sent&since=24h",
    "/ops/orders?stage=reversed",
    "/ops/orders?provider=sandbox&product=game",
    "/ops/orders?player=player-77",
    f"/ops/orders?tenant={factories.TENANT}",
    "/ops/orders?needs=no_code",
    "/ops/orders?needs=no_code&provider=new",
    "/ops/orders?q=player-77",
    "/ops/orders?q=100000000000077",
    "/ops/orders?q=77777",
    "/ops/orders?q=nothing",
    "/ops/orders/{id}",
    "/ops/orders/{id}/proof",
    "/ops/stuck",
    "/ops/bulk/new?needs=no_code",
    "/ops/providers",
    "/ops/providers/sandbox",
    "/ops/callbacks",
    "/ops/callbacks?result=conflict",
    "/ops/callbacks?result=unmatched",
    "/ops/callbacks?since=1h",
    "/ops/callbacks/1",
    "/ops/notifications",
    "/ops/notifications?state=dead",
    "/ops/notifications?state=waiting",
    "/ops/notifications?state=delivered&since=1h",
    "/ops/notifications/1",
    "/ops/account",
    "/ops/reports",
    "/ops/export/orders.csv?stage=sent",
    "/ops/export/orders.csv?needs=no_code",
]


@pytest.fixture
def statements(operator: Browser, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[str, Any]]]:
    """What the pages ask of a table of many orders."""
    with database.session():
        for statement in FILL.format(many=ORDERS, tenant=factories.TENANT).split(";\n"):
            database.rows(f"SET statement_timeout = 0; {statement}")
    found: list[tuple[str, Any]] = []
    execute = Pool.execute_sql

    def heard(self: Pool, sql: str, params: Any = None) -> Any:
        found.append((sql, params))
        return execute(self, sql, params)

    with monkeypatch.context() as patch:
        patch.setattr(Pool, "execute_sql", heard)
        yield found


def plan(sql: str, params: Any) -> str:
    """How PostgreSQL runs it."""
    asked = re.sub(r"^SET LOCAL [^;]*;\s*", "", sql.strip())
    if not asked.upper().startswith(("SELECT", "WITH", "EXECUTE")):
        return ""
    return "\n".join(row["QUERY PLAN"] for row in database.rows(f"EXPLAIN {asked}", params or ()))


def test_every_page_rides_indexes(operator: Browser, statements: list[tuple[str, Any]]) -> None:
    with database.session():
        [first] = database.rows('SELECT id::text FROM product_orders WHERE "orderNo" = 1')
    seen = 0
    for path in PATHS:
        statements.clear()
        answer = operator.get(path.format(id=first["id"]))
        assert answer.status_code in (200, 303), (path, answer.text)
        asked = list(statements)
        with database.session():
            for sql, params in asked:
                shown = plan(sql, params)
                seen += bool(shown)
                read = re.findall(rf"Seq Scan on ({'|'.join(GROWING)})", shown)
                assert not read, f"{path}\n{sql}\n{shown}"
                # PostgreSQL expects no orders of a provider that is new, and looked through all of them for each.
                assert "needs=" not in path or "idx_orders_provider_created" not in shown, f"{sql}\n{shown}"
    assert seen > 2 * len(PATHS)


def test_the_plans_are_seen(operator: Browser, pool: object) -> None:
    """A statement that reads the table is found by the test above."""
    with database.session():
        factories.settle(factories.arrival(factories.sent(), ExternalStatus.COMPLETED))
        assert "Seq Scan on product_orders" in plan("SELECT max(quantity) FROM product_orders", ())
