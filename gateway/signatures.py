"""Signing and verifying of callbacks and notifications. Pure: no clock of its own, no I/O."""

import base64
import hmac
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from standardwebhooks import Webhook

#: Seconds that a timestamp may be off, either way (Standard Webhooks).
TOLERANCE_SECONDS = 300


class BadSignature(ValueError):
    """A signature is missing, wrong or expired; the message says which."""


def sign_standard_webhook(secret: str, webhook_id: str, timestamp: datetime, body: bytes) -> dict[str, str]:
    """The three headers of a signed event.

    Source: the Standard Webhooks specification; signed content is `{id}.{timestamp}.{body}`.
    """
    at = timestamp.astimezone(UTC)
    signature = Webhook(secret).sign(webhook_id, at, body.decode())
    return {
        "webhook-id": webhook_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": signature,
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
    _check_time(headers["webhook-timestamp"], now)
    if not any(_signed_by(secret, headers, body) for secret in secrets):
        raise BadSignature("the signature does not match")
    return headers["webhook-id"]


def verify_token(secrets: Sequence[str], presented: str | None) -> None:
    """Raises BadSignature unless `presented` is one of `secrets`."""
    given = (presented or "").encode(errors="backslashreplace")
    matches = [hmac.compare_digest(secret.encode(), given) for secret in secrets]
    if not given or not any(matches):
        raise BadSignature("the token is missing or wrong")


def _check_time(timestamp: str, now: datetime) -> None:
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12):
        raise BadSignature("webhook-timestamp is not a Unix time in seconds")
    if abs(now.timestamp() - int(timestamp)) > TOLERANCE_SECONDS:
        raise BadSignature("the timestamp is more than five minutes off")


def _signed_by(secret: str, headers: Mapping[str, str], body: bytes) -> bool:
    """Compares in constant time, on the raw bytes (the library wants text); skips versions it does not know."""
    try:
        expected = _signature(secret, headers["webhook-id"], headers["webhook-timestamp"], body)
        given = [signature.encode() for signature in headers["webhook-signature"].split(" ")]
    except ValueError:  # a secret that is none, or a header that is no text
        return False
    return any(hmac.compare_digest(expected, signature) for signature in given)


def _signature(secret: str, webhook_id: str, timestamp: str, body: bytes) -> bytes:
    """Raises ValueError for a secret without a key: anybody could sign with that."""
    key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    if not key:
        raise ValueError("the secret is empty")
    digest = hmac.digest(key, f"{webhook_id}.{timestamp}.".encode() + body, "sha256")
    return b"v1," + base64.b64encode(digest)
