"""A callback that completes an order without its code: the provider is asked for it at once."""

from typing import Any

import dramatiq
import redis

from models.db import database
from tests import factories
from tests.gateway.web.calls import call_back, neutral, result
from tests.gateway.web.conftest import Client
from tests.waiting import wait_until

IS_DUE = 'SELECT "nextCheckAt" <= now() AS due FROM product_orders WHERE id = %s'


def is_due(order: dict[str, Any]) -> Any:
    return database.rows(IS_DUE, (order["id"],))[0]["due"]


def test_its_check_is_due_now_and_a_worker_is_woken(
    client: Client, order: dict[str, Any], redis_url: str
) -> None:
    assert result(call_back(client, neutral(order["provider_referans"]))) == "applied"
    assert is_due(order)
    with redis.Redis.from_url(redis_url) as queue:
        messages: Any = wait_until(lambda: queue.hvals("referans:checks.msgs"))
    woken: dramatiq.Message[Any] = dramatiq.Message.decode(messages[0])
    assert (woken.actor_name, woken.args) == ("check_order_status", (order["id"],))


def test_one_with_its_code_is_not_asked_about(client: Client, order: dict[str, Any]) -> None:
    assert result(call_back(client, neutral(order["provider_referans"], pin_code="A"))) == "applied"
    assert is_due(order) is None


def test_one_of_a_route_without_codes_is_not_asked_about(client: Client, order: dict[str, Any]) -> None:
    factories.put(order, expects="no-code")
    assert result(call_back(client, neutral(order["provider_referans"]))) == "applied"
    assert is_due(order) is None
