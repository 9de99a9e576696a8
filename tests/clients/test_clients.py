"""The clients in clients/, against the web, a worker and the simulator as they run."""

import base64
import hashlib
import hmac
import json
import os
import re
import shutil
import subprocess
import time
import uuid
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest
import referans_client
import standardwebhooks
from referans_client import ApiError, BadSignature, Client, NotFound, NotReached, OrderRefused

from gateway.fulfilment import messages
from gateway.web import answers
from models.order import Order
from tests.clients import stripped
from tests.clients.conftest import NEEDS_NODE, PYTHON, TYPESCRIPT, Gateway

SECRET, OTHER_SECRET = (
    "whsec_" + base64.b64encode(text * 2).decode() for text in (b"0123456789abcdef", b"f" * 16)
)
VENDOR = Path(__file__).parent / "vendor"
OFFICIAL = """
import standardwebhooks from "standardwebhooks";
const [body, headers, secret] = JSON.parse(process.env.SENT);
new standardwebhooks.Webhook(secret).verify(body, headers);
"""
#: Lines of a client at most.
MOST_LINES = 300


@pytest.fixture
def client(gateway: Gateway) -> Client:
    return Client(gateway.url, gateway.key)


def player() -> dict[str, Any]:
    return {"userIdentifier": f"py-{uuid.uuid4()}"}


ORDER = Order(**dict.fromkeys((each.name for each in fields(Order)), None) | {"last_message": "ş€😀"})


def notification() -> tuple[str, dict[str, str]]:
    """As the gateway sends it, while its secret is rotated."""
    now = datetime.now(UTC)
    body = messages.body("order.completed", now, ORDER)
    return body.decode(), messages.headers([OTHER_SECRET, SECRET], "msg_1", now, body)


def test_an_order_is_placed_waited_for_and_brings_its_code(client: Client) -> None:
    reference = f"cart-{uuid.uuid4()}"
    placed = client.place("game", "60", **player(), reference=reference, metadata={"cart": "ş"})
    assert (placed["externalStatus"], placed["metadata"]) == ("not_sent", {"cart": "ş"})
    ended = client.wait(placed["id"], 20)
    assert ended["externalStatus"] == "completed"
    assert ended["codes"][0]["code"] == ended["pinCode"]
    assert client.get(placed["id"]) == ended
    found = client.find(reference)
    assert found and found["id"] == placed["id"]
    assert client.find("no-such-reference") is None
    assert next(client.events(placed["id"]))["to"] == "not_sent"


def test_waiting_ends_when_its_time_is_up(client: Client) -> None:
    placed, began = client.place("game", "60", **player()), time.monotonic()
    assert client.wait(placed["id"], 0.1)["id"] == placed["id"]
    assert time.monotonic() - began < 15


def test_the_same_order_with_the_same_reference_is_placed_once_and_another_is_refused(client: Client) -> None:
    fields = player() | {"reference": f"cart-{uuid.uuid4()}"}
    first = client.place("game", "60", **fields)
    assert client.place("game", "60", **fields)["id"] == first["id"]
    with pytest.raises(OrderRefused) as refused:
        client.place("game", "60", **fields, quantity=2)
    assert (refused.value.status, refused.value.order_id) == (409, first["id"])


def test_lists_come_whole_page_by_page(client: Client) -> None:
    fields = player()
    placed = [client.place("game", "60", **fields)["id"] for _ in range(3)]
    assert [one["id"] for one in client.list(**fields, limit=1)] == placed[::-1]


def test_an_error_has_the_fields_of_its_problem(client: Client, gateway: Gateway) -> None:
    with pytest.raises(OrderRefused) as refused:
        client.place("game", "60", quantity=0)
    error = refused.value
    assert (error.status, error.type, error.errors[0]["pointer"]) == (422, "invalid-order", "/quantity")
    assert error.request_id and error.request_id in str(error) and "/quantity" in str(error)
    with pytest.raises(NotFound):
        client.get("00000000-0000-4000-8000-000000000000")
    with pytest.raises(ApiError) as unknown:
        Client(gateway.url, "wrong").get("x")
    assert unknown.value.status == 401


def test_checked_cancelled_and_what_an_order_needs(client: Client) -> None:
    placed = client.place("game", "60", **player())
    client.wait(placed["id"], 20)
    assert client.check(placed["id"])["id"] == placed["id"]
    with pytest.raises(ApiError) as late:
        client.cancel(placed["id"])
    assert late.value.status == 409
    assert client.needs("game", "60")["available"] is True


@pytest.mark.parametrize("fault", ["lost", "busy"])
def test_an_order_whose_answer_gets_lost_is_placed_once(client: Client, gateway: Gateway, fault: str) -> None:
    fields = player()
    placed = Client(f"{gateway.flaky}/{fault}", gateway.key).place("game", "60", **fields)
    assert [one["id"] for one in client.list(**fields)] == [placed["id"]]


def test_what_is_not_safe_to_repeat_is_not_repeated(
    client: Client, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    placed = client.place("game", "60", **player())
    client.wait(placed["id"], 20)
    with pytest.raises(NotReached):
        Client(f"{gateway.flaky}/lost", gateway.key).check(placed["id"])
    monkeypatch.setattr(referans_client, "MAX_PAUSE_SECONDS", 0.01)
    with pytest.raises(NotReached):
        Client(f"{gateway.flaky}/dead", gateway.key).get(placed["id"])


@pytest.mark.parametrize("url", ["127.0.0.1:8000", "localhost:8000", ""])
def test_an_address_without_its_scheme_is_told_at_once(url: str) -> None:
    with pytest.raises(ValueError, match="https://"):
        Client(url, "key")


@pytest.mark.parametrize("key", ["", " ", "kéy", "ключ", "a\nb", "a\x00", "“key”"])
def test_a_key_that_no_header_can_carry_is_told_at_once_without_it(key: str) -> None:
    with pytest.raises(ValueError, match="the API key must be visible ASCII characters") as told:
        Client("http://127.0.0.1:1", key)
    assert not key.strip() or key not in str(told.value)


@pytest.mark.parametrize("idempotency_key", ["a\nb", "ключ"])
def test_an_idempotency_key_that_no_header_can_carry_is_no_silence(idempotency_key: str) -> None:
    with pytest.raises(ValueError):
        Client("http://127.0.0.1:1", "key").place("game", "60", idempotency_key=idempotency_key)


@pytest.mark.parametrize(
    "retry_after", ["²", "١", "-1", "1.5", "9" * 5000, "Wed, 21 Oct 2065 07:28:00 GMT", "soon", "", None]
)
def test_whatever_retry_after_says_a_pause_is_short(retry_after: str | None) -> None:
    assert 0 < referans_client._pause(1, retry_after) <= referans_client.MAX_PAUSE_SECONDS
    assert referans_client._pause(1, "0") == 0


def test_a_mistake_of_the_caller_is_told_at_once_and_not_as_silence(client: Client, gateway: Gateway) -> None:
    with pytest.raises(ValueError, match="id of the order"):
        client.get("")
    assert Client(gateway.url, f"{gateway.key}\n").find("no-such-reference") is None
    placed = client.place("game", "60", **player(), reference=f"cart-{uuid.uuid4()}")
    with pytest.raises(OrderRefused, match=placed["id"]):
        client.place("game", "60", **player(), reference=placed["reference"])
    with pytest.raises(NotReached, match=r"http://127\.0\.0\.1:1/orders"):
        Client("http://127.0.0.1:1", "key").check(placed["id"])


def test_a_notification_is_verified_by_client_and_official_library() -> None:
    body, headers = notification()
    found = referans_client.verify(
        body.encode(), {name.title(): value for name, value in headers.items()}, SECRET
    )
    assert (found["type"], found["data"]["lastMessage"]) == ("order.completed", "ş€😀")
    another = "whsec_" + base64.b64encode(bytes(32)).decode()
    for secret in (f"{another},{SECRET}", f" {OTHER_SECRET} , {another}\n", SECRET, OTHER_SECRET):
        assert referans_client.verify(body.encode(), headers, secret) == found
    for secret in (SECRET, OTHER_SECRET):
        assert standardwebhooks.Webhook(secret).verify(body, headers) == found


@NEEDS_NODE
def test_a_notification_is_verified_by_the_official_library_of_javascript(tmp_path: Path) -> None:
    shutil.copytree(VENDOR, tmp_path / "node_modules")
    (tmp_path / "official.mjs").write_text(OFFICIAL)
    body, headers = notification()
    for sent, status in ((body, 0), (body + " ", 1)):
        given = {"SENT": json.dumps([sent, headers, SECRET])}
        done = subprocess.run(
            ["node", str(tmp_path / "official.mjs")],
            env=os.environ | given,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert done.returncode == status, done.stderr
    assert "WebhookVerificationError" in done.stderr


@pytest.mark.parametrize(
    ("changed", "more"),
    [
        ({}, b" "),
        ({"webhook-id": "msg_2"}, b""),
        ({"webhook-timestamp": str(int(time.time()) - 600)}, b""),
        ({"webhook-timestamp": "x"}, b""),
        ({"webhook-signature": "v1,AAAA v1a,x v1, ş"}, b""),
        ({"webhook-signature": ""}, b""),
    ],
)
def test_a_notification_that_was_changed_is_refused(changed: dict[str, str], more: bytes) -> None:
    body, headers = notification()
    with pytest.raises(BadSignature):
        referans_client.verify(body.encode() + more, headers | changed, SECRET)
    with pytest.raises(BadSignature, match="the header webhook-id is missing"):
        referans_client.verify(body.encode(), {}, SECRET)
    with pytest.raises(BadSignature):
        referans_client.verify(body.encode(), headers, "whsec_" + base64.b64encode(bytes(32)).decode())


@pytest.mark.parametrize(
    ("secret", "why"),
    [
        ("", "empty"),
        ("whsec_", "empty"),
        (f"{SECRET},", "empty"),
        ("whsec_…", "cannot be read"),
        ("a", "cannot be read"),
    ],
)
def test_without_a_secret_no_notification_is_right_whoever_signed_it(secret: str, why: str) -> None:
    sent_at = str(int(time.time()))
    digest = hmac.new(b"", f"msg_1.{sent_at}.{{}}".encode(), hashlib.sha256).digest()
    signature = f"v1,{base64.b64encode(digest).decode()}"
    headers = {"webhook-id": "msg_1", "webhook-timestamp": sent_at, "webhook-signature": signature}
    with pytest.raises(BadSignature, match=why):
        referans_client.verify(b"{}", headers, secret)


@NEEDS_NODE
def test_the_client_in_typescript_passes_its_own_tests(gateway: Gateway, tmp_path: Path) -> None:
    stripped.placed([TYPESCRIPT / "referans.ts", TYPESCRIPT / "referans.test.ts"], tmp_path / "client")
    body, headers = notification()
    given = {"GATEWAY": gateway.url, "FLAKY": gateway.flaky, "KEY": gateway.key}
    given["NOTIFICATION"] = json.dumps({"body": body, "headers": headers, "secret": SECRET})
    done = subprocess.run(
        ["node", "--test", "--test-reporter", "tap", str(tmp_path / "client")],
        env=os.environ | given,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert int(re.findall(r"^# pass (\d+)", done.stdout, re.MULTILINE)[0]) > 5


def test_the_clients_name_the_fields_of_the_document() -> None:
    typescript = (TYPESCRIPT / "referans.ts").read_text()
    for kind, model in (("Order", answers.Order), ("Event", answers.Event)):
        names = [str(field.alias) for field in model.model_fields.values()]
        assert list(cast(Any, getattr(referans_client, kind)).__annotations__) == names
        [written] = re.findall(rf"export interface {kind} {{\n(.*?)\n}}", typescript, re.DOTALL)
        assert re.findall(r"^  (\w+)\??:", written, re.MULTILINE) == names


@pytest.mark.parametrize("path", [PYTHON / "referans_client/__init__.py", TYPESCRIPT / "referans.ts"])
def test_a_client_is_read_in_one_sitting(path: Path) -> None:
    assert len(path.read_text().splitlines()) < MOST_LINES
