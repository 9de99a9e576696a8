"""The rights that `gateway migrate --sql --role` prints are enough for whatever the gateway writes, and are no more."""

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from urllib.parse import urlsplit

import psycopg2
import pytest

from models import (
    api_key,
    balance_ledger,
    balances,
    claims,
    idempotency,
    inbox,
    measurements,
    plans,
    provider_counts,
    provider_health,
    readiness,
    removal,
    resealing,
    resolving,
    route,
    stock,
    sweep_run,
    timeline,
)
from models.api_key import Scope
from models.balances import Told
from models.codes import Code
from models.db import migrate
from models.measurements import Measured
from models.provider_counts import Addition, Counted
from models.status import ExternalStatus, Source
from models.stock import NewCode
from tests import factories
from tests.conftest import KEY
from tests.models.db import psql
from tests.models.db.test_migrate import connected


@pytest.fixture
def role_url(empty_database_url: str, stranger_url: str) -> Iterator[str]:
    """A database for a role that has the printed rights and no others."""
    role = urlsplit(stranger_url).username
    assert psql.by_hand(empty_database_url, migrate.sql(stranger_url, role=role)) == (0, "")
    yield stranger_url


def test_the_rights_are_enough(role_url: str) -> None:
    with factories.bound(role_url, keys=[KEY]):
        factories.add_provider()
        key = api_key.create("shop", [Scope.ORDERS_WRITE])
        found = api_key.find(key)
        assert found
        api_key.record_use([found.id])
        factories.place()
        idempotency.forget(0, 10)
        order = factories.sent()
        plans.request_check(order["id"])
        delays = {"trust_seconds": 600, "order_timeout_seconds": 86400, "grace_seconds": 60}
        claims.claim_check(order["id"], [30.0], **delays)
        factories.settle(factories.arrival(order, ExternalStatus.PROCESSING, source=Source.POLL))
        assert factories.settle(factories.arrival(order, ExternalStatus.COMPLETED, "PIN")) == ["applied"]
        assert factories.settle(factories.arrival(order, ExternalStatus.FAILED)) == ["conflict"]
        resolving.accept(order["id"], by="me", reason="why")
        resolving.resend(order["id"], by="me", reason="why", may_buy_twice=True, provider_id=None)
        timeline.record(order["id"], Source.OPERATOR, "looked", by="me")
        plans.drop_ended(10)
        plans.adopt(86400, 10)
        inbox.purge(0, 10)
        balances.keep("sandbox", Told(Decimal(100), "TRY", Decimal(1)), datetime.now(UTC), order["id"])
        balance_ledger.follow("sandbox", 0)
        balance_ledger.purge(10)
        provider_health.failed("sandbox", "away", 30)
        provider_health.answered("sandbox")
        measurements.add([Measured("name", ["label"], [1], 0.5)])
        provider_counts.add([Addition("sandbox", Counted.ORDER_REFUSED, 1, "why")])
        stock.load("own", [NewCode(Code("WXYZ-1"))])
        stock.take("own", 1, provider_id="own", referans="7")
        sweep_run.end(sweep_run.begin("scheduler"), {})
        sweep_run.beat("scheduler")
        assert resealing.reseal().left == 0
        assert readiness.obstacle() is None
        readiness.write_and_undo()
        route.remove("*", "*", "sandbox")
        removal.remove("sandbox", even_if_awaited=True)


@pytest.mark.parametrize(
    "statement",
    [
        'UPDATE product_orders SET "price" = 0',
        'UPDATE product_orders SET "userId" = NULL',
        "DELETE FROM product_orders",
        "TRUNCATE referans.routes",
        "CREATE TABLE referans.more (id int)",
        "CREATE TABLE public.more (id int)",
    ],
)
def test_they_are_no_more(role_url: str, statement: str) -> None:
    with connected(role_url) as cursor, pytest.raises(psycopg2.errors.InsufficientPrivilege):
        cursor.execute(statement)
