"""Reading callbacks: who sent it, and what it says. Pure; the database is the caller's."""

import base64
import hashlib
import hmac
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

from gateway import signatures, strict_json
from gateway.providers import ADAPTERS
from gateway.providers.base import UnreadableCallback
from models import codes
from models.db.text import INVALID, is_storable
from models.outcome import Arrival, Outcome
from models.provider import Provider
from models.status import ExternalStatus, Source

#: Where a token may stand, besides the path.
TOKEN_HEADER = "x-callback-token"
TOKEN_FIELD = "token"
#: The neutral format's own words for a status; `not_sent` is ours alone.
STATUSES = {status.value: status for status in ExternalStatus if status is not ExternalStatus.NOT_SENT}
#: Longest reference that the orders table holds.
MAX_REFERANS = 255
#: Times that one callback may speak of one order: each takes a turn in the database.
MAX_TURNS = 10
#: Longest id of an event; the inbox has an index over them.
MAX_WEBHOOK_ID = 255
#: What the key of a callback begins with that could not be read.
INVALID_KEY = "invalid:"


@dataclass(frozen=True, slots=True)
class CallbackRequest:
    """A callback as it came over HTTP."""

    method: str
    #: From the path, where it had one.
    token: str | None
    query: Mapping[str, str]
    #: Lower-case names.
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Received:
    """What an authenticated callback says."""

    arrivals: list[Arrival]
    #: The text its sender waits for; None where it takes ours.
    acknowledgement: str | None


class Unreadable(ValueError):
    """The signature is right, the content is not. What came is kept under `dedupe_key`."""

    def __init__(self, reason: str, dedupe_key: str, raw: str) -> None:
        super().__init__(reason)
        self.dedupe_key = dedupe_key
        self.raw = raw


def receive(
    provider: Provider, request: CallbackRequest, *, trust_seconds: float, now: datetime | None = None
) -> Received:
    """The outcomes in a callback. Raises signatures.BadSignature, Unreadable.

    `trust_seconds` is how long an order is not polled after a callback that is not final.
    """
    webhook_id = VERIFIERS[provider.callback](provider, request, now or datetime.now(UTC))
    if webhook_id and request.query:  # what was signed is the body: anybody may have written the query
        request = replace(request, query={})
    raw = _raw(request, webhook_id)
    try:
        outcomes, acknowledgement = _read(provider, request)
    except UnreadableCallback as error:  # under a key of its own: the same event may come again, mended
        raise Unreadable(str(error), f"{INVALID_KEY}{_digest(provider, request)}", raw) from None
    key = f"id:{webhook_id}" if webhook_id else f"content:{_digest(provider, request)}"
    return Received(_arrivals(provider, outcomes, key, raw, trust_seconds), acknowledgement)


def read_again(provider: Provider, raw: str, dedupe_key: str) -> list[Arrival]:
    """What a callback says that was kept as Unreadable, by the adapter of today. Raises UnreadableCallback.

    The arrivals have the keys that the same event would have if it came again.
    """
    kept = json.loads(raw)
    body = base64.b64decode(kept["bytes"]) if "bytes" in kept else kept["body"].encode()
    headers = {"content-type": kept.get("content_type", "")}
    outcomes, _ = _read(provider, CallbackRequest(kept["method"], None, kept["query"], headers, body))
    webhook_id, digest = kept.get("id"), dedupe_key.removeprefix(INVALID_KEY)
    return _arrivals(provider, outcomes, f"id:{webhook_id}" if webhook_id else f"content:{digest}", raw)


def _arrivals(
    provider: Provider, outcomes: list[Outcome], key: str, raw: str, trust_seconds: float | None = None
) -> list[Arrival]:
    keys = [key] if len(outcomes) == 1 else [f"{key}#{number}" for number in range(len(outcomes))]
    return [
        Arrival(
            provider.id,
            Source.CALLBACK,
            outcome,
            dedupe_key=each,
            raw=raw,
            next_check_seconds=trust_seconds,
        )
        for outcome, each in zip(outcomes, keys, strict=True)
    ]


def _by_standard_webhooks(provider: Provider, request: CallbackRequest, now: datetime) -> str | None:
    webhook_id = signatures.verify_standard_webhook(provider.secrets(), request.headers, request.body, now)
    if len(webhook_id) > MAX_WEBHOOK_ID:
        raise signatures.BadSignature(f"webhook-id is longer than {MAX_WEBHOOK_ID} characters")
    return webhook_id


def _by_token(provider: Provider, request: CallbackRequest, now: datetime) -> str | None:
    scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
    presented = request.token or request.headers.get(TOKEN_HEADER) or request.query.get(TOKEN_FIELD)
    if not presented and scheme.lower() == "bearer":
        presented = bearer.strip()
    signatures.verify_token(provider.secrets(), presented)
    return None


#: How a callback shows that it comes from the provider: what `gateway providers add --callback` takes. Each
#: returns the event's id, or None where the scheme has none, and raises signatures.BadSignature.
VERIFIERS = {"standard-webhooks": _by_standard_webhooks, "token": _by_token}


def _read(provider: Provider, request: CallbackRequest) -> tuple[list[Outcome], str | None]:
    fields = _fields(request)
    if "orders" in fields:
        return _read_list(fields["orders"]), None
    if "provider_referans" in fields or "status" in fields:
        return [read_neutral(fields)], None
    adapter = ADAPTERS[provider.adapter]
    return [_sound(adapter.read_callback(fields))], adapter.ACKNOWLEDGEMENT


def _read_list(orders: Any) -> list[Outcome]:
    if not isinstance(orders, list) or not orders:
        raise UnreadableCallback("`orders` must be a list with at least one order")
    if not all(isinstance(order, dict) for order in orders):
        raise UnreadableCallback("every entry of `orders` must be an object")
    outcomes = [read_neutral(order) for order in orders]
    if max(Counter(outcome.referans for outcome in outcomes).values()) > MAX_TURNS:
        raise UnreadableCallback(f"`orders` has the same order more than {MAX_TURNS} times")
    return outcomes


def read_neutral(fields: Mapping[str, Any]) -> Outcome:
    """The neutral format: `provider_referans`, `status`, `pin_code`, `message`. Raises UnreadableCallback."""
    referans = _string(fields, "provider_referans")
    status = STATUSES.get(_string(fields, "status") or "")
    if not referans:
        raise UnreadableCallback("no reference: send `provider_referans`")
    if status is None:
        raise UnreadableCallback(f"`status` must be one of {', '.join(STATUSES)}")
    found = codes.read(fields.get("pin_code"))
    return _sound(
        Outcome(
            status,
            referans,
            codes=found.codes,
            unreadable_code=found.unreadable,
            message=_string(fields, "message") or None,
        )
    )


def _string(fields: Mapping[str, Any], name: str) -> str | None:
    value = fields.get(name)
    if isinstance(value, bool) or not isinstance(value, (str, int, type(None))):
        raise UnreadableCallback(f"`{name}` must be a string")
    return None if value is None else str(value).strip()


def _sound(outcome: Outcome) -> Outcome:
    """Raises UnreadableCallback for text that a database cannot hold."""
    if len(outcome.referans or "") > MAX_REFERANS:
        raise UnreadableCallback(f"the reference is longer than {MAX_REFERANS} characters")
    for text in filter(None, (outcome.referans, outcome.message)):
        if not is_storable(text):
            raise UnreadableCallback(f"the text {INVALID}")
    return outcome


def _fields(request: CallbackRequest) -> Mapping[str, Any]:
    query = {name: value for name, value in request.query.items() if name != TOKEN_FIELD}
    if not request.body.strip():
        if request.method == "GET" and query:
            return query
        raise UnreadableCallback("the callback is empty")
    if "form-urlencoded" in request.headers.get("content-type", ""):
        return {**query, **_form(request.body)}
    return _json(request.body)


def _form(body: bytes) -> dict[str, str]:
    try:
        return dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=200))
    except ValueError:
        raise UnreadableCallback("the form cannot be read") from None


def _json(body: bytes) -> Mapping[str, Any]:
    try:
        fields = strict_json.loads(body)
    except strict_json.NotJson as error:
        raise UnreadableCallback(f"the body {error}") from None
    if not isinstance(fields, dict):
        raise UnreadableCallback("the body must be a JSON object")
    return fields


def _raw(request: CallbackRequest, webhook_id: str | None) -> str:
    """What came, for the inbox, without the token: enough to read it again."""
    content_type = request.headers.get("content-type")
    beside = {"content_type": content_type, "id": webhook_id}
    return json.dumps(_content(request) | {name: value for name, value in beside.items() if value})


def _content(request: CallbackRequest) -> dict[str, Any]:
    """What makes two callbacks the same. Bytes that are no text are kept beside what a person can read of them."""
    query = {name: value for name, value in request.query.items() if name != TOKEN_FIELD}
    body = request.body.decode(errors="replace").replace("\x00", "\ufffd")
    content = {"method": request.method, "query": query, "body": body}
    if body.encode() != request.body:
        content["bytes"] = base64.b64encode(request.body).decode()
    return content


def _digest(provider: Provider, request: CallbackRequest) -> str:
    """Keyed, so that nobody who reads the inbox can try PINs against it."""
    content = json.dumps(_content(request)).encode()
    return hmac.new(" ".join(provider.secrets()).encode(), content, hashlib.sha256).hexdigest()
