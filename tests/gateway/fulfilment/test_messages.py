"""What is sent to a receiver."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from standardwebhooks import Webhook

from gateway import shown
from gateway.fulfilment import messages
from models import outbox
from models.codes import Code
from models.db import database
from models.order import Order
from tests import factories

AT = datetime(2026, 11, 26, 12, 0, 0, 123456, tzinfo=UTC)
SECRETS = ["whsec_Zmlyc3Qtc2VjcmV0LW9mLXRlc3Rz", "whsec_c2Vjb25kLXNlY3JldC1vZi10ZXN0cw=="]


@pytest.fixture
def order(db: None) -> Order:
    placed = factories.place()
    return outbox.orders([placed["id"]])[placed["id"]]


def document(content: bytes) -> Any:
    assert len(content) <= messages.MAX_BYTES
    return json.loads(content)


def test_a_body_is_what_the_api_shows_without_codes(order: Order) -> None:
    content = document(messages.body("order.completed", AT, order))
    assert content == {
        "type": "order.completed",
        "timestamp": "2026-11-26T12:00:00.123456Z",
        "data": json.loads(database.as_json(shown.show_order(order))),
    }


def test_what_stands_in_a_notification_is_shown_as_the_api_shows_it(order: Order) -> None:
    database.rows(
        'UPDATE product_orders SET "gatewayCostAmount" = 10.50, "gatewayCostCurrency" = %s, "sentAt" = now()',
        ("TRY",),
    )
    [kept] = database.rows(
        f"SELECT to_jsonb(shown)::text AS payload FROM (SELECT {outbox.COLUMNS} FROM product_orders AS o) AS shown"
    )
    assert outbox.order_of(kept["payload"]) == outbox.orders([order.id])[order.id]
    assert shown.show_order(outbox.order_of(kept["payload"]))["cost"] == {
        "amount": "10.50",
        "currency": "TRY",
    }


def test_what_a_later_version_knows_is_missing_in_what_an_earlier_one_wrote() -> None:
    found = outbox.order_of('{"id": "1", "created_at": "2026-11-26T12:00:00+00:00"}')
    assert (found.id, found.receipt, found.created_at.year) == ("1", None, 2026)


@pytest.mark.parametrize("character", ["x", "é", "ش", "💥", '"', "\\", "\n"])
def test_whatever_an_order_holds_its_body_is_short(order: Order, character: str) -> None:
    long = character * 60_000
    fields = [
        name
        for name, value in vars_of(order).items()
        if isinstance(value, str) and name not in ("id", "status")
    ]
    metadata = {f"{number:040}": character * 200 for number in range(20)}
    everything = replace(order, **dict.fromkeys(fields, long), metadata=metadata)
    assert document(messages.body("order.failed", AT, everything))["data"]["id"] == order.id
    found = document(messages.body("order.failed", AT, replace(order, last_message=long)))["data"]
    assert long.startswith(found["lastMessage"])
    assert found["userIdentifier"] == order.user_identifier


def test_the_last_message_is_cut_before_the_metadata_and_no_more_than_is_needed(order: Order) -> None:
    metadata = {"é" * 38 + f"{number:02}": "💥" * 200 for number in range(20)}
    full = replace(order, metadata=metadata, last_message="💥" * 250)
    found = document(messages.body("order.completed", AT, full))["data"]
    assert len(found["lastMessage"]) < 250
    assert found["metadata"] == metadata
    longer = replace(order, metadata=metadata | {f"more-{number}": "💥" * 200 for number in range(9)})
    found = document(messages.body("order.completed", AT, longer))["data"]
    assert 15 < len(found["metadata"]) < 29
    assert found["metadata"].items() <= longer.metadata.items()


@pytest.mark.parametrize("metadata", [["x" * 30_000], "x" * 30_000, {"a": ["x" * 30_000]}, [[1] * 30_000]])
def test_metadata_of_another_system_may_have_any_shape(order: Order, metadata: Any) -> None:
    """One whose body cannot be made would hold up everything that its order is to be told of."""
    whole = replace(order, metadata=metadata, cost_amount=Decimal(1), cost_currency="x" * 30_000)
    assert document(messages.body("order.completed", AT, whole))["data"]["id"] == order.id


def test_codes_that_are_too_many_are_left_out_as_a_whole(order: Order) -> None:
    few, many = ([Code(f"CODE-{number:020}") for number in range(count)] for count in (3, 1000))
    assert len(document(messages.body("order.completed", AT, order, few))["data"]["codes"]) == 3
    found = document(messages.body("order.completed", AT, order, many))["data"]
    assert not found.keys() & {"codes", "pinCode"}


def test_every_secret_signs(order: Order) -> None:
    content = messages.body("order.completed", AT, order)
    headers = messages.headers(SECRETS, "msg_1", datetime.now(UTC), content)
    for secret in SECRETS:
        Webhook(secret).verify(content, headers)
    assert headers["webhook-signature"].count("v1,") == 2


@pytest.mark.parametrize(
    ("url", "may"),
    [
        ("https://shop.example/", True),
        ("http://127.0.0.1:8000/", True),
        ("http://127.9.9.9/", True),
        ("http://[::1]/", True),
        ("http://localhost:3000/", True),
        ("http://shop.example/", False),
        ("http://10.0.0.1/", False),
        ("http://localhost.shop.example/", False),
        ("http://127.0.0.1.shop.example/", False),
    ],
)
def test_codes_go_only_where_nobody_on_the_way_can_read_them(url: str, may: bool) -> None:
    assert messages.may_carry_codes(url) is may


def vars_of(order: Order) -> dict[str, Any]:
    return {name: getattr(order, name) for name in Order.__dataclass_fields__}
