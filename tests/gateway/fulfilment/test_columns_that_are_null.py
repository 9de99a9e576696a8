"""Orders of another system on a table that allows NULL where ours has a default: they are followed like any other."""

import uuid
from datetime import UTC, datetime

import pytest

from gateway import providers
from gateway.dev.simulator import Simulator
from gateway.dev.simulator.book import State
from gateway.fulfilment import checking, following
from gateway.fulfilment.worker import Worker
from gateway.providers.base import Task
from models import plans, provider, stuck
from models.db import database
from models.stuck import Limits
from tests import factories
from tests.gateway.fulfilment.orders import row, status

LIMITS = Limits(sweep_period_seconds=300, max_checks=20, first_check_delay_seconds=60)
NULLABLE = (
    *(
        "externalStatus",
        "createdAt",
        "sentAt",
        "quantity",
        "attempts",
        "lastMessage",
        "productId",
        "tenantId",
    ),
    *("triedProviders", "checkCount", "unknownCount", "late", "orderNo"),
)


@pytest.mark.parametrize("column", NULLABLE)
def test_it_is_followed_to_its_end(worker: Worker, simulator: Simulator, column: str) -> None:
    order_id, known_as = str(uuid.uuid4()), "820000000023"
    database.rows(
        """INSERT INTO product_orders (id, "providerId", provider_referans, "externalStatus", "sentAt")
        VALUES (%s, 'sandbox', %s, 'sent', now())""",
        (order_id, known_as),
    )
    database.rows(f'UPDATE product_orders SET "{column}" = NULL WHERE id = %s', (order_id,))
    account = provider.find(factories.SANDBOX)
    assert account
    simulator.book.reset()
    providers.send(
        account, worker.client, Task(known_as, "player+never", params={"oyun": "1", "kupur": "60"})
    )

    assert following.take_up(worker) == 1
    factories.put({"id": order_id}, nextCheckAt=datetime.now(UTC))
    assert [each.id for each in plans.due(10, None)] == [order_id]
    checking.check(worker, order_id)
    assert row(order_id)["checkCount"] == 1 and stuck.counts(LIMITS) == {}
    booked = simulator.book.get(known_as)
    assert booked
    simulator.book.decide(booked, State.COMPLETED, "PIN-1", "")
    factories.put({"id": order_id}, nextCheckAt=datetime.now(UTC))
    checking.check(worker, order_id)
    assert status(order_id) == "completed"
