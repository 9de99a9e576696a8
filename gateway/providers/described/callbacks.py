"""How a callback in a protocol's own scheme shows that it comes from its provider. Pure."""

import hmac
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from gateway.providers.described.protocol import Protocol
from gateway.providers.described.templates import BadValue, Made
from gateway.providers.described.values import Value
from gateway.signatures import TOLERANCE_SECONDS, BadSignature, verify_standard_webhook
from models.provider import CALLBACK_SECRET, Provider

#: The value that is the secret of callbacks.
SECRET = f"credentials.{CALLBACK_SECRET}"


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

    def header(self, name: str | None) -> str:
        return self.headers.get((name or "").lower(), "")


def verify(protocol: Protocol, provider: Provider, presented: Presented, now: datetime) -> str | None:
    """The id of the event, if the protocol has one. Raises BadSignature."""
    callback = protocol.file.callback
    scheme = callback.verify if callback else None
    if callback is None or scheme is None or scheme.token:
        raise BadSignature(f"the protocol {protocol.name} has no signature of its own")
    if scheme.standard_webhooks or scheme.equals is None:
        return verify_standard_webhook(provider.secrets(), presented.headers, presented.body, now)
    shown = presented.header(scheme.header).strip().removeprefix(scheme.prefix)
    if scheme.field:
        shown = scheme.field.text_in(presented.fields)
    if not shown:
        raise BadSignature("the signature is missing")
    values = _values(protocol, provider, presented)
    if scheme.timestamp:
        _check_moment(scheme.timestamp.fill(values), now)
    given = shown.encode(errors="backslashreplace")
    if not any(
        hmac.compare_digest(each.encode(), given) for each in _expected(scheme.equals, provider, values)
    ):
        raise BadSignature("the signature does not match")
    in_body = callback.event.text_in(presented.fields) if callback.event else ""
    return presented.header(callback.event_header) or in_body or None


def signature(protocol: Protocol, provider: Provider, presented: Presented) -> tuple[str, str]:
    """The header that a provider would add, and its value. Raises ValueError where it would not."""
    scheme = protocol.file.callback.verify if protocol.file.callback else None
    if scheme is None or scheme.header is None or scheme.equals is None:
        raise ValueError(f"the protocol {protocol.name} does not sign with a header")
    for expected in _expected(scheme.equals, provider, _values(protocol, provider, presented)):
        return scheme.header, scheme.prefix + expected
    raise ValueError(f"{provider.id} has no {CALLBACK_SECRET}")


def _values(protocol: Protocol, provider: Provider, presented: Presented) -> Made:
    """What the template may name; `-` in the name of a header is written `_`."""
    of_provider = protocol.values(provider)

    def field(name: str) -> object:
        found: Any = presented.fields
        for part in name.split("."):
            found = found.get(part) if isinstance(found, Mapping) else None
        return found

    return Made(
        {
            "credentials": lambda name: of_provider[f"credentials.{name}"],
            "method": lambda _: presented.method,
            "path": lambda _: presented.path,
            "body": lambda _: presented.body.decode(errors="surrogateescape"),
            "header": lambda name: presented.header(name.replace("_", "-")),
            "field": field,
        }
    )


def _expected(equals: Value, provider: Provider, values: Made) -> Iterator[str]:
    """What is right under each secret. One that is empty signs nothing."""
    needs_secret = SECRET in equals.names()
    for secret in provider.secrets() if needs_secret else [""]:
        values[SECRET] = secret
        try:
            if expected := equals.fill(values):
                yield expected
        except BadValue:
            continue


def _check_moment(said: str, now: datetime) -> None:
    """Raises BadSignature for one that is too old, or from the future."""
    if not (said.isdecimal() and len(said) <= 13):
        raise BadSignature("the timestamp is missing, or is not a Unix time")
    seconds = int(said) / (1000 if len(said) > 11 else 1)
    if abs(now.timestamp() - seconds) > TOLERANCE_SECONDS:
        raise BadSignature("the timestamp is more than five minutes off")
