"""Callbacks are believed only if they are signed, recently, by a secret that is valid now."""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook

from gateway.signatures import (
    BadSignature,
    sign_basic,
    sign_hmac,
    sign_standard_webhook,
    verify_basic,
    verify_hmac,
    verify_standard_webhook,
    verify_token,
)

SECRET = "whsec_" + base64.b64encode(b"a key of twenty-four by.").decode()
OTHER = "whsec_" + base64.b64encode(b"another key of 24 bytes.").decode()
NOW = datetime(2026, 5, 1, 12, 0, 0, 250_000, tzinfo=UTC)
BODY = '{"pin_code":"ş"}'.encode()


def signed(secret: str = SECRET, at: datetime = NOW, body: bytes = BODY) -> dict[str, str]:
    return sign_standard_webhook(secret, "msg_1", at, body)


def refusal(headers: Mapping[str, str], secrets: list[str] | None = None, body: bytes = BODY) -> str:
    with pytest.raises(BadSignature) as refused:
        verify_standard_webhook([SECRET] if secrets is None else secrets, headers, body, NOW)
    return str(refused.value)


def test_what_we_sign_we_believe() -> None:
    assert verify_standard_webhook([SECRET], signed(), BODY, NOW) == "msg_1"


def test_what_we_sign_the_reference_library_believes() -> None:
    headers = signed(at=datetime.now(UTC))
    assert Webhook(SECRET).verify(BODY, headers) == {"pin_code": "ş"}


def test_the_vector_of_the_specification() -> None:
    secret, body = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", b'{"test": 2432232314}'
    headers = {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
    at = datetime.fromtimestamp(1614265330, UTC)
    assert verify_standard_webhook([secret], headers, body, at) == headers["webhook-id"]
    assert sign_standard_webhook(secret, headers["webhook-id"], at, body) == headers


def test_the_zone_of_the_clock_does_not_matter() -> None:
    assert signed(at=NOW.astimezone(timezone(timedelta(hours=3)))) == signed()


def test_any_secret_will_do_while_one_is_rotated() -> None:
    assert verify_standard_webhook([OTHER, SECRET], signed(), BODY, NOW)


def test_an_invalid_secret_does_not_affect_the_others() -> None:
    assert verify_standard_webhook(["whsec_!", SECRET], signed(), BODY, NOW)


def test_any_signature_will_do_and_unknown_versions_are_skipped() -> None:
    headers = signed()
    several = f"v2,AAAA {signed(OTHER)['webhook-signature']} {headers['webhook-signature']}"
    assert verify_standard_webhook([SECRET], headers | {"webhook-signature": several}, BODY, NOW)


def test_the_same_digest_under_another_version_does_not_count() -> None:
    headers = signed()
    assert "match" in refusal(
        headers | {"webhook-signature": headers["webhook-signature"].replace("v1,", "v1a,")}
    )


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_a_missing_header_is_named(name: str) -> None:
    assert name in refusal({key: value for key, value in signed().items() if key != name})
    assert name in refusal(signed() | {name: ""})


def test_another_body_id_or_time_does_not_match() -> None:
    assert "match" in refusal(signed(), body=BODY + b" ")
    assert "match" in refusal(signed() | {"webhook-id": "msg_2"})
    assert "match" in refusal(signed() | {"webhook-timestamp": str(int(NOW.timestamp()) + 1)})


@pytest.mark.parametrize("off_seconds", [-299, 0, 299])
def test_a_recent_timestamp_is_taken(off_seconds: int) -> None:
    at = NOW + timedelta(seconds=off_seconds)
    assert verify_standard_webhook([SECRET], signed(at=at), BODY, NOW)


@pytest.mark.parametrize("off_seconds", [-302, 302])
def test_an_old_or_future_timestamp_is_refused(off_seconds: int) -> None:
    assert "five minutes" in refusal(signed(at=NOW + timedelta(seconds=off_seconds)))


@pytest.mark.parametrize("timestamp", ["now", "-1", "1e9", "1777636800.0", "٤", " 1", "9" * 5000])
def test_an_invalid_timestamp_is_refused(timestamp: str) -> None:
    assert "Unix time" in refusal(signed() | {"webhook-timestamp": timestamp})


@pytest.mark.parametrize("secrets", [[], [""], ["whsec_"], ["whsec_!!"], ["ключ"]])
def test_without_a_usable_secret_nothing_is_believed(secrets: list[str]) -> None:
    empty_key = "v1," + base64.b64encode(_hmac_of_empty_key()).decode()
    assert "match" in refusal(signed() | {"webhook-signature": empty_key}, secrets)


def _hmac_of_empty_key() -> bytes:
    content = f"msg_1.{int(NOW.timestamp())}.".encode() + BODY
    return hmac.new(b"", content, hashlib.sha256).digest()


anything = st.text(st.characters(), max_size=60)


@given(
    webhook_id=anything,
    timestamp=anything | st.just(str(int(NOW.timestamp()))),
    signature=anything,
    body=st.binary(),
)
def test_garbage_is_a_bad_signature_and_no_other_error(
    webhook_id: str, timestamp: str, signature: str, body: bytes
) -> None:
    headers = {"webhook-id": webhook_id, "webhook-timestamp": timestamp, "webhook-signature": signature}
    refusal(headers, body=body)


@given(signature=st.text(st.characters(exclude_categories=()), max_size=60))
def test_half_a_surrogate_pair_is_a_bad_signature(signature: str) -> None:
    assert "match" in refusal(signed() | {"webhook-signature": signature + "\ud800"})
    assert "match" in refusal(signed() | {"webhook-id": "\ud800"})


def test_a_token_is_believed_while_it_is_valid() -> None:
    verify_token(["old", "new"], "old")
    verify_token(["old", "şifre"], "şifre")


@pytest.mark.parametrize("presented", [None, "", "ol", "old ", "OLD", "\ud800"])
def test_any_other_token_is_refused(presented: str | None) -> None:
    with pytest.raises(BadSignature):
        verify_token(["old", "new"], presented)


@pytest.mark.parametrize("secrets", [[], [""]])
def test_without_a_secret_everything_is_refused(secrets: list[str]) -> None:
    for presented in (None, "", "x"):
        with pytest.raises(BadSignature):
            verify_token(secrets, presented)


# --- HMAC

#: The example of GitHub's documentation of webhooks.
GITHUB_SECRET, GITHUB_BODY = "It's a Secret to Everybody", b"Hello, World!"
GITHUB_SIGNATURE = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"


def test_the_hmac_of_a_published_example() -> None:
    assert sign_hmac(GITHUB_SECRET, GITHUB_BODY, "sha256", "hex") == GITHUB_SIGNATURE
    for shown in (GITHUB_SIGNATURE, f"sha256={GITHUB_SIGNATURE}", f" SHA256={GITHUB_SIGNATURE.upper()} "):
        verify_hmac(["old", GITHUB_SECRET], GITHUB_BODY, shown, "sha256", "hex")


@pytest.mark.parametrize("algorithm", ["sha1", "sha256", "sha512"])
def test_an_hmac_in_base64_keeps_its_padding_behind_a_prefix(algorithm: Any) -> None:
    digest = hmac.new(b"secret", b"content", getattr(hashlib, algorithm)).digest()
    shown = base64.b64encode(digest).decode()
    assert sign_hmac("secret", b"content", algorithm, "base64") == shown
    for presented in (shown, f"{algorithm}={shown}"):
        verify_hmac(["secret"], b"content", presented, algorithm, "base64")


@pytest.mark.parametrize(
    ("presented", "encoding"),
    [
        ("", "hex"),
        ("=", "hex"),
        ("sha256=", "hex"),
        (GITHUB_SIGNATURE[:-1], "hex"),
        (GITHUB_SIGNATURE + "0", "hex"),
        (f"a=b={GITHUB_SIGNATURE}", "hex"),
        (f"{GITHUB_SIGNATURE}=x", "hex"),
        (GITHUB_SIGNATURE, "base64"),
        ("\ud800", "hex"),
        ("\xe9=ş", "base64"),
    ],
)
def test_any_other_hmac_is_refused(presented: str, encoding: Any) -> None:
    with pytest.raises(BadSignature):
        verify_hmac([GITHUB_SECRET], GITHUB_BODY, presented, "sha256", encoding)


@pytest.mark.parametrize("secrets", [[], [""], ["another"]])
def test_an_hmac_needs_a_secret(secrets: list[str]) -> None:
    for secret in ("", GITHUB_SECRET):
        with pytest.raises(BadSignature):
            verify_hmac(secrets, b"x", sign_hmac(secret, b"x", "sha1", "hex"), "sha1", "hex")


def test_base64_distinguishes_capitals() -> None:
    with pytest.raises(BadSignature):
        verify_hmac(["s"], b"x", sign_hmac("s", b"x", "sha256", "base64").swapcase(), "sha256", "base64")


# --- user name and password


@pytest.mark.parametrize(
    ("user", "password", "authorization"),
    [  # RFC 7617, sections 2 and 2.1
        ("Aladdin", "open sesame", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="),
        ("test", "123£", "Basic dGVzdDoxMjPCow=="),
    ],
)
def test_the_examples_of_the_rfc(user: str, password: str, authorization: str) -> None:
    assert sign_basic(user, password) == authorization
    for shown in (authorization, authorization.replace("Basic ", "bAsIc   ")):
        verify_basic(user, ["old", password], shown)


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Basic",
        "Basic !",
        "Basic dXNlcg==",
        "Bearer dXNlcjpwYXNz",
        "dXNlcjpwYXNz",
        sign_basic("user", "pass "),
        sign_basic("User", "pass"),
        sign_basic("user", ""),
        sign_basic("", "pass"),
        "Basic \ud800",
        "Basic ş",
    ],
)
def test_any_other_user_or_password_is_refused(authorization: str | None) -> None:
    with pytest.raises(BadSignature):
        verify_basic("user", ["pass"], authorization)


def test_without_user_and_password_everything_is_refused() -> None:
    for user, passwords in (("", ["pass"]), ("user", []), ("user", [""]), ("", [""])):
        with pytest.raises(BadSignature):
            verify_basic(user, passwords, sign_basic(user, "".join(passwords)))
