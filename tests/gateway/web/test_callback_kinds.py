"""Each kind of `--callback` over HTTP: `hmac`, `basic` and `none`. Signatures have a file of their own, tokens too."""

import base64
import hashlib
import hmac
import json
from typing import Any

import pytest
from falcon.testing import Result

from tests import factories
from tests.gateway.web import calls
from tests.gateway.web.calls import NOBODY, neutral, result, standing
from tests.gateway.web.conftest import Client

SECRET, OLD_SECRET = "the-secret-of-the-panel", "the-old-one"
HMAC_DEFAULTS = {"header": "X-Signature", "algorithm": "sha256", "encoding": "hex", "template": "{body}"}


def add(kind: str, **options: str) -> None:
    credentials = factories.CREDENTIALS | {
        "callback_secret": f"{OLD_SECRET} {SECRET}",
        "callback_user": "panel",
    }
    factories.add_provider(callback=kind, credentials=credentials, callback_options=options)


def send(client: Client, said: Any, headers: dict[str, str], **more: Any) -> Result:
    body = said if isinstance(said, bytes) else json.dumps(said).encode()
    given = {"content-type": "application/json"} | headers
    return client.simulate_post("/callbacks/sandbox", body=body, headers=given, **more)


def digest(content: bytes, algorithm: str = "sha256", secret: str = SECRET) -> bytes:
    return hmac.new(secret.encode(), content, getattr(hashlib, algorithm)).digest()


# --- hmac


@pytest.mark.parametrize("algorithm", ["sha1", "sha256", "sha512"])
@pytest.mark.parametrize("encoding", ["hex", "base64"])
@pytest.mark.parametrize("prefix", ["", "sha1="])
@pytest.mark.parametrize("secret", [SECRET, OLD_SECRET])
def test_an_hmac_of_the_body_is_believed(
    anonymous: Client, order: dict[str, Any], algorithm: str, encoding: str, prefix: str, secret: str
) -> None:
    add("hmac", **HMAC_DEFAULTS | {"algorithm": algorithm, "encoding": encoding})
    body = json.dumps(neutral(order["provider_referans"], "processing")).encode()
    made = digest(body, algorithm, secret)
    shown = made.hex() if encoding == "hex" else base64.b64encode(made).decode()
    assert result(send(anonymous, body, {"x-signature": prefix + shown})) == "applied"
    assert result(send(anonymous, body, {"X-SIGNATURE": shown})) == "duplicate"
    assert len(calls.inbox()) == 1


@pytest.mark.parametrize("encoding", ["hex", "base64"])
def test_another_hmac_is_refused_and_not_stored(
    anonymous: Client, order: dict[str, Any], encoding: str
) -> None:
    add("hmac", **HMAC_DEFAULTS | {"encoding": encoding})
    body = json.dumps(neutral(order["provider_referans"])).encode()
    for made in (digest(b""), digest(body + b" "), digest(body, "sha1"), digest(body, secret="x")):
        for shown in (made.hex(), base64.b64encode(made).decode(), f"sha256={made.hex()}"):
            calls.problem(send(anonymous, body, {"X-Signature": shown}), 401)
    for headers in ({}, {"X-Signature": ""}, {"X-Other": digest(body).hex()}, {"X-Signature": "\xe9"}):
        calls.problem(send(anonymous, body, headers), 401)
    assert calls.inbox() == [] and standing(order) == "sent"


def test_an_hmac_of_headers_and_body_covers_both(anonymous: Client, order: dict[str, Any]) -> None:
    add("hmac", **HMAC_DEFAULTS | {"template": "{header:X-Time}|{body}:{header:X-Nonce}"})
    body = json.dumps(neutral(order["provider_referans"])).encode()
    signature = digest(b"1700000000|" + body + b":\xe9").hex()
    headers = {"X-Time": "1700000000", "X-Nonce": "\xe9", "X-Signature": signature}
    for changed in ({"X-Time": "1700000001"}, {"X-Nonce": "e"}, {"X-Time": "", "X-Nonce": ""}):
        calls.problem(send(anonymous, body, headers | changed), 401)
    missing = {name: value for name, value in headers.items() if name != "X-Time"}
    assert "X-Time is missing" in calls.problem(send(anonymous, body, missing), 401)["detail"]
    assert result(send(anonymous, body, headers)) == "applied"


def test_a_query_that_no_signature_covers_is_not_read(anonymous: Client, order: dict[str, Any]) -> None:
    add("hmac", **HMAC_DEFAULTS)
    said = {"referans": order["provider_referans"], "durum": "2"}
    signature = {"X-Signature": digest(b"").hex()}
    calls.problem(anonymous.simulate_get("/callbacks/sandbox", params=said, headers=signature), 400)
    form = b"message=hello"
    headers = {"X-Signature": digest(form).hex(), "content-type": "application/x-www-form-urlencoded"}
    calls.problem(send(anonymous, form, headers, params=said), 400)
    assert standing(order) == "sent"


def test_a_panels_own_words_are_read_under_an_hmac(anonymous: Client, order: dict[str, Any]) -> None:
    add("hmac", **HMAC_DEFAULTS)
    form = f"referans={order['provider_referans']}&durum=2&pin=P-1".encode()
    headers = {"X-Signature": digest(form).hex(), "content-type": "application/x-www-form-urlencoded"}
    assert send(anonymous, form, headers).text == "OK"
    assert standing(order) == "completed"


# --- basic


def basic(user: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


@pytest.mark.parametrize("password", [SECRET, OLD_SECRET])
def test_user_and_password_are_believed(anonymous: Client, order: dict[str, Any], password: str) -> None:
    add("basic")
    said = {"referans": order["provider_referans"], "durum": "1"}
    answer = anonymous.simulate_get("/callbacks/sandbox", params=said, headers=basic("panel", password))
    assert answer.text == "OK" and standing(order) == "processing"
    posted = send(anonymous, neutral(order["provider_referans"]), basic("panel", password))
    assert result(posted) == "applied"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        basic("panel", "wrong"),
        basic("panel", f"{OLD_SECRET} {SECRET}"),
        basic("", SECRET),
        basic("other", SECRET),
        {"Authorization": f"Bearer {SECRET}"},
        {"X-Callback-Token": SECRET},
        {"Authorization": "Basic \xff"},
    ],
)
def test_another_user_or_password_is_asked_for_the_right_one(
    anonymous: Client, order: dict[str, Any], headers: dict[str, str]
) -> None:
    add("basic")
    answer = send(anonymous, neutral(order["provider_referans"]), headers)
    calls.problem(answer, 401)
    assert answer.headers["www-authenticate"].startswith("Basic ")
    assert calls.inbox() == [] and standing(order) == "sent"


def test_only_basic_challenges(anonymous: Client) -> None:
    answer = send(anonymous, neutral(NOBODY), {})
    calls.problem(answer, 401)
    assert "www-authenticate" not in answer.headers


# --- none


def test_a_provider_that_does_not_call_back_is_never_believed(
    anonymous: Client, order: dict[str, Any]
) -> None:
    add("none")
    said = neutral(order["provider_referans"])
    body = json.dumps(said).encode()
    for headers in ({}, basic("panel", SECRET), {"X-Callback-Token": SECRET}, calls.signed(body)):
        calls.problem(send(anonymous, body, headers), 401)
    calls.problem(anonymous.simulate_get(f"/callbacks/sandbox/{SECRET}", params=said), 401)
    assert calls.inbox() == [] and standing(order) == "sent"
