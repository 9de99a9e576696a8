"""How a callback in a protocol's own scheme shows that it comes from its provider. Pure."""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from gateway.providers.described.protocol import Protocol
from gateway.providers.described.schema import Verify
from gateway.providers.described.templates import BadValue
from gateway.signatures import TOLERANCE_SECONDS, BadSignature, verify_standard_webhook
from models.provider import CALLBACK_SECRET, Provider


@dataclass(frozen=True, slots=True)
class Presented:
    """A callback as it came."""

    method: str
    #: Without the query.
    path: str
    #: Names in lower case.
    headers: Mapping[str, str]
    body: bytes
    #: What the body, or the query, says.
    fields: Mapping[str, Any]


def verify(protocol: Protocol, provider: Provider, presented: Presented, now: datetime) -> str | None:
    """The id of the event, if the protocol has one. Raises BadSignature."""
    callback = protocol.file.callback
    described = callback.verify if callback else None
    if callback is None or described is None or described.token:
        raise BadSignature(f"the protocol {protocol.name} has no signature of its own")
    if described.standard_webhooks:
        return verify_standard_webhook(provider.secrets(), presented.headers, presented.body, now)
    shown = _shown(described, presented)
    if not shown:
        raise BadSignature("the signature is missing")
    values = _values(presented)
    _check_moment(described, values, now)
    if not any(_matches(each, shown) for each in _expected(protocol, provider, described, values)):
        raise BadSignature("the signature does not match")
    in_header = presented.headers.get((callback.event_header or "").lower())
    return in_header or (callback.event.text_in(presented.fields) if callback.event else "") or None


def signature(protocol: Protocol, provider: Provider, presented: Presented) -> tuple[str, str]:
    """The header that a provider would add, and its value. Raises ValueError where it would not."""
    described = protocol.file.callback.verify if protocol.file.callback else None
    if described is None or described.header is None:
        raise ValueError(f"the protocol {protocol.name} does not sign with a header")
    for expected in _expected(protocol, provider, described, _values(presented)):
        return described.header, described.prefix + expected
    raise ValueError(f"{provider.id} has no {CALLBACK_SECRET}")


def _shown(described: Verify, presented: Presented) -> str:
    if described.field is not None:
        return described.field.text_in(presented.fields)
    return presented.headers.get((described.header or "").lower(), "").strip().removeprefix(described.prefix)


def _values(presented: Presented) -> dict[str, Any]:
    """What the template may name; `-` in the name of a header is written `_`."""
    return {
        "method": presented.method,
        "path": presented.path,
        "body": presented.body.decode(errors="surrogateescape"),
        "header": {name.replace("-", "_"): value for name, value in presented.headers.items()},
        "field": presented.fields,
    }


def _expected(protocol: Protocol, provider: Provider, described: Verify, values: dict[str, Any]) -> list[str]:
    """What is right under each secret. One that is empty signs nothing."""
    assert described.equals is not None
    needs_secret = f"credentials.{CALLBACK_SECRET}" in described.equals.names()
    found = []
    for secret in provider.secrets() if needs_secret else [""]:
        credentials = protocol.credentials(provider) | {CALLBACK_SECRET: secret}
        try:
            found.append(described.equals.fill({**values, "credentials": credentials}))
        except BadValue:
            continue
    return [each for each in found if each]


def _matches(expected: str, shown: str) -> bool:
    return hmac.compare_digest(expected.encode(), shown.encode(errors="backslashreplace"))


def _check_moment(described: Verify, values: Mapping[str, Any], now: datetime) -> None:
    """Raises BadSignature for one that is too old, or from the future."""
    if described.timestamp is None:
        return
    said = described.timestamp.fill(values)
    if not (said.isdecimal() and len(said) <= 13):
        raise BadSignature("the timestamp is missing, or is not a Unix time")
    seconds = int(said) / (1000 if len(said) > 11 else 1)
    if abs(now.timestamp() - seconds) > TOLERANCE_SECONDS:
        raise BadSignature("the timestamp is more than five minutes off")
