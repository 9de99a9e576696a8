"""examples/receiver: what docs/moving.md gives to the shop's developers."""

import io
import json
import uuid
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg2
import pytest

from gateway import signatures
from models.db.migrate import migrate
from tests.acceptance.beside.scene import SCHEMA
from tests.acceptance.beside.shop import receiver
from tests.acceptance.system import SECRET, execute

#: One order of the shop and one that the gateway placed, with what each end makes of them: `status` and the wallet.
PLACE = """
WITH shop AS (
    INSERT INTO tenant (name, code) VALUES ('Shop', %s) RETURNING id
), placed AS (
    INSERT INTO product_orders ("tenantId", "externalStatus", status, "placedByGateway", price)
    SELECT id, %s, %s, %s, 12.34 FROM shop RETURNING id
), paid AS (
    INSERT INTO wallet_moves (order_id, amount) SELECT id, -12.34 FROM placed WHERE %s
)
SELECT id::text FROM placed
"""
STANDING = """
SELECT status, "fxLocked", (SELECT sum(amount)::text FROM wallet_moves WHERE order_id = o.id)
FROM product_orders AS o WHERE id = %s
"""


@pytest.fixture
def shop(empty_database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A connection of the shop's own."""
    execute(empty_database_url, SCHEMA)
    migrate(empty_database_url, echo=lambda line: None)
    monkeypatch.setenv("SHOP_DATABASE_URL", empty_database_url)
    monkeypatch.setenv("NOTIFY_SECRET", SECRET)
    monkeypatch.setenv("USD_TRY", "41.25")
    with closing(psycopg2.connect(empty_database_url)) as connection:
        yield connection


def rows(connection: Any, sql: str, *values: Any) -> list[Any]:
    with connection, connection.cursor() as cursor:
        cursor.execute(sql, values)
        return list(cursor.fetchall())


def place(
    shop: Any, word: str, status: str = "pending", *, by_gateway: bool | None = None, is_paid: bool = True
) -> str:
    return str(rows(shop, PLACE, uuid.uuid4().hex, word, status, by_gateway, is_paid)[0][0])


def notified(order_id: str, *, secret: str = SECRET, age: timedelta = timedelta()) -> str:
    """The status of the answer to a notification."""
    body = json.dumps({"type": "order.completed", "data": {"id": order_id}}).encode()
    signed = signatures.sign_standard_webhook(secret, "msg_1", datetime.now(UTC) - age, body)
    headers = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in signed.items()}
    answers: list[str] = []
    environ = {"wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body)), **headers}
    assert receiver.application(environ, lambda status, headers: answers.append(status)) == [b""]
    return answers[0]


def test_each_end_is_acted_upon_once(shop: Any) -> None:
    cases = {
        place(shop, "completed"): ("approved", True, "-12.34"),
        place(shop, "failed"): ("rejected", False, "0.00"),
        place(shop, "Failed", "rejected", by_gateway=True): ("rejected", False, "0.00"),
        place(shop, "completed", "approved", by_gateway=True): ("approved", True, "-12.34"),
        # Decided by the shop's people before, taken back by the provider, or not at an end.
        place(shop, "failed", "rejected"): ("rejected", False, "-12.34"),
        place(shop, "failed", "approved"): ("approved", False, "-12.34"),
        place(shop, "reversed"): ("pending", False, "-12.34"),
        place(shop, "unknown"): ("pending", False, "-12.34"),
    }
    for _ in range(2):
        assert {notified(order_id) for order_id in cases} == {"204 No Content"}
        assert {order_id: rows(shop, STANDING, order_id)[0] for order_id in cases} == cases
    assert receiver.ended(shop) == []


def test_what_is_not_paid_yet_comes_again(shop: Any) -> None:
    order_id = place(shop, "failed", "rejected", by_gateway=True, is_paid=False)
    assert notified(order_id) == "503 Service Unavailable"
    rows(shop, "INSERT INTO wallet_moves (order_id, amount) VALUES (%s, -12.34) RETURNING id", order_id)
    assert notified(order_id) == "204 No Content"
    assert rows(shop, STANDING, order_id) == [("rejected", False, "0.00")]


@pytest.mark.parametrize(
    "forged", [{"secret": "whsec_bm90IHRoZSBzZWNyZXQgb2YgdGhlIHNob3A="}, {"age": timedelta(hours=1)}]
)
def test_what_is_not_signed_does_nothing(shop: Any, forged: dict[str, Any]) -> None:
    order_id = place(shop, "failed")
    assert notified(order_id, **forged) == "401 Unauthorized"
    assert rows(shop, STANDING, order_id) == [("pending", False, "-12.34")]


def test_without_notifications_it_finds_what_has_ended(shop: Any) -> None:
    ended = {place(shop, "completed"), place(shop, "failed")}
    place(shop, "sent")
    assert set(receiver.ended(shop)) == ended
    for order_id in ended:
        assert receiver.act(shop, order_id, "41.25")
    assert receiver.ended(shop) == []
