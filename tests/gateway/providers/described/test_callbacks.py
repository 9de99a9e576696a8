"""How callbacks in a protocol's own scheme show where they come from, and what they say."""

import hashlib
import hmac
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from gateway.providers.base import AskNow, UnreadableCallback
from gateway.providers.described import callbacks, schema
from gateway.providers.described.callbacks import Presented
from gateway.providers.described.protocol import Protocol
from gateway.signatures import BadSignature
from models.outcome import Outcome
from models.provider import Provider
from models.status import ExternalStatus, FailureReason
from tests.gateway.providers.parties import load

NOW = datetime(2026, 3, 14, 9, 26, 53, tzinfo=UTC)
FILE = """
title = "T"
source = "S"
credentials = ["key"]
traits = { traces = "reference" }
send = { path = "/" }
reference = { make = "X-{referans}", read = '^x-(?P<referans>[0-9]+)$' }

[callback]
event_header = "X-Event"
event = "event"
read = { reference = "ref", own = "id", message = "note" }
codes = { code = "code" }
rules = [
  { where = { s = "done" }, means = "completed" },
  { where = { s = "failed" }, means = "failed" },
  { where = { s = "ask" }, means = "ask" },
  { where = { s = "ping" }, means = "ping" },
]

[callback.verify]
"""
SIGNED = """
header = "X-Signature"
prefix = "v1="
equals = { text = "{header.x_time}.{body}", as = ["hmac_sha256:credentials.callback_secret", "hex"] }
timestamp = "{header.x_time}"
"""
OF_REFERENCE = """
field = "sign"
equals = { text = "{credentials.key}{field.ref}", as = ["md5", "hex"] }
covers_state = false
"""


def protocol(verify: str = SIGNED) -> Protocol:
    return Protocol("t", schema.load(FILE + verify, "t.toml"))


SECRET = "s1"


def provider(secret: str = f"{SECRET} s2") -> Provider:
    return Provider("p", "t", "https://x.example", "protocol", {"key": "k", "callback_secret": secret})


def callback(
    said: dict[str, Any], secret: str = SECRET, at: float = NOW.timestamp(), **headers: str
) -> Presented:
    body, time = json.dumps(said).encode(), str(int(at))
    digest = hmac.new(secret.encode(), f"{time}.".encode() + body, hashlib.sha256).hexdigest()
    sent = {"x-time": time, "x-signature": f"v1={digest}", **headers}
    return Presented("POST", "/callbacks/p", sent, body, said)


@pytest.mark.parametrize("secret", ["s1", "s2"])
def test_either_secret_of_a_rotation(secret: str) -> None:
    assert callbacks.verify(protocol(), provider(), callback({"s": "done"}, secret), NOW) is None


@pytest.mark.parametrize(
    ("came", "told"),
    [
        (callback({"s": "done"}, "s3"), "does not match"),
        (callback({"s": "done"}, **{"x-signature": ""}), "is missing"),
        (callback({"s": "done"}, **{"x-signature": "v1=ü"}), "does not match"),
        (callback({"s": "done"}, at=NOW.timestamp() - 301), "more than five minutes off"),
        (callback({"s": "done"}, at=NOW.timestamp() + 301), "more than five minutes off"),
        (callback({"s": "done"}, **{"x-time": "soon"}), "is not a Unix time"),
        (callback({"s": "done"}, **{"x-time": ""}), "is not a Unix time"),
        (callback({"s": "done"}, **{"x-time": "1" * 40}), "is not a Unix time"),
    ],
)
def test_a_signature_that_is_not_right(came: Presented, told: str) -> None:
    with pytest.raises(BadSignature, match=told):
        callbacks.verify(protocol(), provider(), came, NOW)


@pytest.mark.parametrize("secret", ["", " "])
def test_without_a_secret_nothing_is_right(secret: str) -> None:
    """A signature with an empty secret could be made by anyone."""
    for signed_with in ("", " "):
        with pytest.raises(BadSignature):
            callbacks.verify(protocol(), provider(secret), callback({"s": "done"}, signed_with), NOW)


def test_milliseconds_are_seconds_too() -> None:
    body, time = b"{}", f"{int(NOW.timestamp())}123"
    digest = hmac.new(b"s1", f"{time}.".encode() + body, hashlib.sha256).hexdigest()
    came = Presented("POST", "/", {"x-time": time, "x-signature": digest}, body, {})
    assert callbacks.verify(protocol(), provider(), came, NOW) is None


def test_what_makes_an_event_known_again() -> None:
    assert callbacks.verify(protocol(), provider(), callback({"event": "e1"}), NOW) == "e1"
    assert (
        callbacks.verify(protocol(), provider(), callback({"event": "e1"}, **{"x-event": "e2"}), NOW) == "e2"
    )


def test_a_provider_would_sign_like_this() -> None:
    came = callback({"s": "done"})
    name, value = callbacks.signature(protocol(), provider(), came)
    assert (name, value) == ("X-Signature", came.headers["x-signature"])
    with pytest.raises(ValueError, match="does not sign with a header"):
        callbacks.signature(protocol(OF_REFERENCE), provider(), came)
    with pytest.raises(ValueError, match="has no callback_secret"):
        callbacks.signature(protocol(), provider(""), came)


def test_a_signature_that_does_not_cover_the_state_is_only_a_reason_to_ask() -> None:
    sign = hashlib.md5(b"kX-17", usedforsecurity=False).hexdigest()
    said = {"ref": "X-17", "s": "done", "sign": sign}
    assert callbacks.verify(protocol(OF_REFERENCE), provider(), callback(said), NOW) is None
    assert protocol(OF_REFERENCE).callback(said)[1] == AskNow("17")
    with pytest.raises(BadSignature):
        callbacks.verify(protocol(OF_REFERENCE), provider(), callback(said | {"ref": "X-18"}), NOW)


@pytest.mark.parametrize("verify", ["token = true"])
def test_a_token_is_for_the_core_to_look_at(verify: str) -> None:
    with pytest.raises(BadSignature, match="has no signature of its own"):
        callbacks.verify(protocol(verify), provider(), callback({}), NOW)


def test_what_a_callback_says() -> None:
    _, said = protocol().callback({"ref": "X-17", "id": 5, "s": "done", "code": "A1", "note": "n"})
    assert isinstance(said, Outcome)
    assert (said.status, said.referans, said.external_order_id) == (ExternalStatus.COMPLETED, "17", "5")
    assert [each.code for each in said.codes] == ["A1"] and said.message == "n"
    assert protocol().callback({"id": "5", "s": "ask"})[1] == AskNow(None, "5")
    assert protocol().callback({"s": "ping"})[1] is None


@pytest.mark.parametrize(
    "said", [{}, {"s": "new", "ref": "X-17"}, {"s": "done"}, {"s": "done", "ref": "Y-17"}, {"s": "ask"}]
)
def test_a_callback_that_cannot_be_read(said: dict[str, Any]) -> None:
    with pytest.raises(UnreadableCallback):
        protocol().callback(said)


def test_a_protocol_without_callbacks() -> None:
    silent = Protocol("t", schema.load(FILE.partition("[callback]")[0], "t.toml"))
    with pytest.raises(UnreadableCallback, match="has no callbacks"):
        silent.callback({"s": "done"})
    with pytest.raises(BadSignature):
        callbacks.verify(silent, provider(), callback({}), NOW)


@pytest.mark.parametrize(
    ("reason", "read"),
    [
        ("customer", FailureReason.CUSTOMER),
        ("product", FailureReason.PRODUCT),
        ("account", None),
        (None, None),
    ],
)
def test_a_failure_may_say_what_it_is_about(reason: str | None, read: FailureReason | None) -> None:
    data = {"reference": "482915736401852", "externalStatus": "failed", "failureReason": reason}
    _, outcome = load("referans").callback({"type": "order.failed", "data": data})
    assert isinstance(outcome, Outcome) and outcome.failure_reason is read
