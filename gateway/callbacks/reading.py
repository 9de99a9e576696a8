"""Reading callbacks, as they come and once more from the inbox. Pure; the database is the caller's."""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

from gateway import strict_json
from gateway.callbacks import neutral
from gateway.callbacks.verifiers import VERIFIERS, CallbackRequest, Token
from gateway.providers import ADAPTERS
from gateway.providers.base import UnreadableCallback
from models.outcome import Arrival, Outcome
from models.provider import Provider
from models.status import Source

#: Prefix of the dedupe key of a callback that could not be read.
INVALID_KEY = "invalid:"
#: Fields that are read of one form.
MAX_FORM_FIELDS = 200


@dataclass(frozen=True, slots=True)
class Received:
    """What a verified callback says."""

    arrivals: list[Arrival]
    #: The text that the sender expects as the answer; None where ours will do.
    acknowledgement: str | None


class Unreadable(ValueError):
    """The signature is right, the content is not. The callback is kept under `dedupe_key`."""

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
    verifier = VERIFIERS[provider.callback]
    event_id = verifier.verify(provider, request, now or datetime.now(UTC))
    if request.query and not verifier.covers_query:
        request = replace(request, query={})
    raw = _raw(request, event_id)
    try:
        outcomes, acknowledgement = _read(provider, request)
    except UnreadableCallback as error:  # under a key of its own: the same event may come again, corrected
        raise Unreadable(str(error), f"{INVALID_KEY}{_digest(provider, request)}", raw) from None
    key = f"id:{event_id}" if event_id else f"content:{_digest(provider, request)}"
    return Received(_arrivals(provider, outcomes, key, raw, trust_seconds), acknowledgement)


def read_again(provider: Provider, raw: str, dedupe_key: str) -> list[Arrival]:
    """What a callback says that was kept as Unreadable, by the adapter of today. Raises UnreadableCallback.

    The arrivals have the keys that the same event would have if it came again.
    """
    kept = json.loads(raw)
    body = base64.b64decode(kept["bytes"]) if "bytes" in kept else kept["body"].encode()
    headers = {"content-type": kept.get("content_type", "")}
    outcomes, _ = _read(provider, CallbackRequest(kept["method"], None, kept["query"], headers, body))
    event_id, digest = kept.get("id"), dedupe_key.removeprefix(INVALID_KEY)
    return _arrivals(provider, outcomes, f"id:{event_id}" if event_id else f"content:{digest}", raw)


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
            code_ask_seconds=0,
        )
        for outcome, each in zip(outcomes, keys, strict=True)
    ]


def _read(provider: Provider, request: CallbackRequest) -> tuple[list[Outcome], str | None]:
    fields = _fields(request)
    if neutral.is_neutral(fields):
        return neutral.read(fields), None
    adapter = ADAPTERS[provider.adapter]
    return [neutral.storable(adapter.read_callback(fields))], adapter.ACKNOWLEDGEMENT


def _fields(request: CallbackRequest) -> Mapping[str, Any]:
    query = _without_token(request.query)
    if not request.body.strip():
        if request.method == "GET" and query:
            return query
        raise UnreadableCallback("the callback is empty")
    if "form-urlencoded" in request.headers.get("content-type", ""):
        return {**query, **_form(request.body)}
    return _json(request.body)


def _form(body: bytes) -> dict[str, str]:
    try:
        return dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=MAX_FORM_FIELDS))
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


def _raw(request: CallbackRequest, event_id: str | None) -> str:
    """The callback as the inbox keeps it: enough to read it again, and without the token."""
    content_type = request.headers.get("content-type")
    beside = {"content_type": content_type, "id": event_id}
    return json.dumps(_content(request) | {name: value for name, value in beside.items() if value})


def _content(request: CallbackRequest) -> dict[str, Any]:
    """What makes two callbacks the same. A body that is not text is kept as bytes, beside what is readable of it."""
    body = request.body.decode(errors="replace").replace("\x00", "\ufffd")
    content = {"method": request.method, "query": _without_token(request.query), "body": body}
    if body.encode() != request.body:
        content["bytes"] = base64.b64encode(request.body).decode()
    return content


def _without_token(query: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in query.items() if name != Token.FIELD}


def _digest(provider: Provider, request: CallbackRequest) -> str:
    """Keyed with the secrets, so that PINs cannot be guessed from the inbox."""
    content = json.dumps(_content(request)).encode()
    return hmac.new(" ".join(provider.secrets()).encode(), content, hashlib.sha256).hexdigest()
