"""What storefronts and providers send, and what every error looks like."""

import base64
import hashlib
import hmac
import itertools
import json
import re
import time
from typing import Any

from falcon.testing import Result

from models.db import database
from tests import factories
from tests.gateway.web.conftest import Client

SECRET = factories.CREDENTIALS["callback_secret"]
BODY = {"productId": "game", "packageId": "60", "userIdentifier": "player"}
#: A reference that no order has.
NOBODY = "123456789012345678"
#: What pydantic and Python say of a value: words for programmers.
WORDS_OF_LIBRARIES = re.compile(
    "Input should|Value error|integer value|out of range 0|codec|unable to|Invalid IPv6"
)
_numbers = itertools.count()


def place(client: Client, path: str = "/orders", **fields: Any) -> dict[str, Any]:
    """Place an order over HTTP."""
    answer = client.simulate_post(path, json=BODY | fields)
    assert answer.status_code == 201, answer.text
    placed: dict[str, Any] = answer.json
    return placed


def problem(answer: Result, status: int) -> dict[str, Any]:
    """The problem in an answer that must be one, of this status."""
    assert answer.status_code == status, (answer.status, answer.text)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["x-request-id"]
    found: dict[str, Any] = answer.json
    assert found["status"] == status
    assert found["type"] and found["title"] and found["detail"]
    assert not WORDS_OF_LIBRARIES.search(answer.text)
    return found


def pointers(answer: Result, status: int = 422) -> list[str]:
    """Where the input is wrong, by a problem's word."""
    return [one["pointer"] for one in problem(answer, status)["errors"]]


def neutral(referans: str, status: str = "completed", **fields: Any) -> dict[str, Any]:
    """A callback in the neutral format."""
    return {"provider_referans": referans, "status": status} | fields


def signed(
    body: bytes, *, webhook_id: str | None = None, secret: str = SECRET, age_seconds: float = 0
) -> dict[str, str]:
    """Headers of a callback, signed `age_seconds` ago; each has an id of its own unless one is given."""
    event, at = webhook_id or f"msg_{next(_numbers)}", str(int(time.time() - age_seconds))
    key = base64.b64decode(secret.removeprefix("whsec_"))
    digest = hmac.new(key, f"{event}.{at}.".encode() + body, hashlib.sha256).digest()
    signature = f"v1,{base64.b64encode(digest).decode()}"
    return {
        "webhook-id": event,
        "webhook-timestamp": at,
        "webhook-signature": signature,
        "content-type": "application/json",
    }


def call_back(
    client: Client, content: Any, *, provider: str = factories.SANDBOX, webhook_id: str | None = None
) -> Result:
    """Send a signed callback; `content` goes as JSON unless it is bytes already."""
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    headers = signed(body, webhook_id=webhook_id)
    return client.simulate_post(f"/callbacks/{provider}", body=body, headers=headers)


def result(answer: Result, status: int = 200) -> str:
    """What a callback is said to have done, in an answer of this status."""
    assert answer.status_code == status, answer.text
    return str(answer.json["result"])


def standing(order: dict[str, Any]) -> str:
    """The order's externalStatus."""
    return str(factories.column(order, "externalStatus"))


def inbox() -> list[dict[str, Any]]:
    """Every callback that was kept, oldest first."""
    return database.rows(
        "SELECT id, provider_id, result, order_id, raw FROM referans.callback_events ORDER BY id"
    )


def timeline(order_id: str) -> list[tuple[str, str]]:
    """(source, message) of an order's events."""
    sql = "SELECT source, message FROM referans.order_events WHERE order_id = %s ORDER BY id"
    return [(row["source"], row["message"]) for row in database.rows(sql, (order_id,))]
