"""Signing and verifying of callbacks and notifications. Pure: no clock of its own, no I/O.

Every comparison with a secret takes the same time wherever the two differ.
"""

import base64
import hmac
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Literal

from standardwebhooks import Webhook

#: Seconds that a timestamp may be off, either way (Standard Webhooks).
TOLERANCE_SECONDS = 300

Algorithm = Literal["sha1", "sha256", "sha512"]
Encoding = Literal["hex", "base64"]


class BadSignature(ValueError):
    """A signature is missing, wrong or expired; the message says which."""


def sign_standard_webhook(secret: str, webhook_id: str, timestamp: datetime, body: bytes) -> dict[str, str]:
    """The three headers of a signed event.

    Source: the Standard Webhooks specification; signed content is `{id}.{timestamp}.{body}`.
    """
    return sign_with_each([secret], webhook_id, timestamp, body)


def sign_with_each(
    secrets: Sequence[str], webhook_id: str, timestamp: datetime, body: bytes
) -> dict[str, str]:
    """The same with a signature for each secret, one of which the receiver knows while they are rotated."""
    at, text = timestamp.astimezone(UTC), body.decode()
    return {
        "webhook-id": webhook_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": " ".join(Webhook(secret).sign(webhook_id, at, text) for secret in secrets),
    }


def verify_standard_webhook(
    secrets: Sequence[str], headers: Mapping[str, str], body: bytes, now: datetime
) -> str:
    """The event's id, if any of `secrets` signed it. Header names are lower case. Raises BadSignature."""
    missing = [
        name for name in ("webhook-id", "webhook-timestamp", "webhook-signature") if not headers.get(name)
    ]
    if missing:
        raise BadSignature(f"the header {missing[0]} is missing")
    timestamp = headers["webhook-timestamp"]
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12):
        raise BadSignature("webhook-timestamp is not a Unix time in seconds")
    if abs(now.timestamp() - int(timestamp)) > TOLERANCE_SECONDS:
        raise BadSignature("the timestamp is more than five minutes off")
    if not any(_signed_by(secret, headers, body) for secret in secrets):
        raise BadSignature("the signature does not match")
    return headers["webhook-id"]


def sign_hmac(secret: str, content: bytes, algorithm: Algorithm, encoding: Encoding) -> str:
    """The HMAC of `content` as text: lower-case hex, or base64 with its padding."""
    digest = hmac.digest(secret.encode(), content, algorithm)
    return digest.hex() if encoding == "hex" else base64.b64encode(digest).decode()


def verify_hmac(
    secrets: Sequence[str], content: bytes, presented: str, algorithm: Algorithm, encoding: Encoding
) -> None:
    """Raises BadSignature unless `presented` is the HMAC of `content` under one of `secrets`.

    A prefix such as `sha1=` is skipped, and hex may be written in capitals.
    """
    text = presented.strip().lower() if encoding == "hex" else presented.strip()
    expected = [sign_hmac(secret, content, algorithm, encoding) for secret in secrets if secret]
    if not (_is_one_of(expected, text) or _is_one_of(expected, text.partition("=")[2])):
        raise BadSignature("the signature does not match")


def verify_token(secrets: Sequence[str], presented: str | None) -> None:
    """Raises BadSignature unless `presented` is one of `secrets`."""
    if not presented or not _is_one_of(secrets, presented):
        raise BadSignature("the token is missing or wrong")


def sign_basic(user: str, password: str) -> str:
    """The value of the header `Authorization` (RFC 7617), in UTF-8."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def verify_basic(user: str, passwords: Sequence[str], authorization: str | None) -> None:
    """Raises BadSignature unless `authorization`, the header's value, has the user and one of the passwords."""
    scheme, _, encoded = (authorization or "").partition(" ")
    expected = [sign_basic(user, password) for password in passwords if user and password]
    if scheme.lower() != "basic" or not _is_one_of(expected, f"Basic {encoded.strip()}"):
        raise BadSignature("the user name or password is missing or wrong")


def _is_one_of(expected: Iterable[str], presented: str) -> bool:
    given = presented.encode(errors="backslashreplace")
    return any(hmac.compare_digest(each.encode(), given) for each in expected)


def _signed_by(secret: str, headers: Mapping[str, str], body: bytes) -> bool:
    """Compares the raw bytes, since the library wants text; skips versions other than v1."""
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
        content = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
        given = [signature.encode() for signature in headers["webhook-signature"].split(" ")]
    except ValueError:  # the secret is not base64, or a header is not text
        return False
    if not key:  # everyone could sign with it
        return False
    expected = b"v1," + base64.b64encode(hmac.digest(key, content, "sha256"))
    return any(hmac.compare_digest(expected, signature) for signature in given)
