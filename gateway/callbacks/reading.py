"""Reading callbacks, as they come and once more from the inbox. Pure; the database is the caller's."""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from gateway.callbacks import contents, neutral
from gateway.callbacks.requests import CallbackRequest
from gateway.callbacks.verifiers import verifier_of
from gateway.providers import kinds, traits
from gateway.providers.base import AskNow, Kind, Reply, UnreadableCallback, known
from gateway.providers.described.kind import Described
from models import masking
from models.outcome import Arrival
from models.provider import CallbackFormat, Provider
from models.status import Source

#: Prefix of the dedupe key of a callback that could not be read.
INVALID_KEY = "invalid:"
#: `type` of a message that only tries out the address.
PING = "ping"
JSON = "application/json"

#: A text as JSON. Putting the object together around it takes a third of the time of `json.dumps`.
quoted = json.encoder.encode_basestring_ascii


class Unreadable(ValueError):
    """The signature is right, the content is not. The callback, or one entry of it, is kept under `dedupe_key`."""

    def __init__(self, reason: str, dedupe_key: str, raw: str) -> None:
        super().__init__(reason)
        self.dedupe_key = dedupe_key
        self.raw = raw


@dataclass(frozen=True, slots=True)
class Received:
    """What a verified callback says."""

    #: In the sender's order. Nothing for a message that only tries out the address.
    entries: Sequence[Arrival | Unreadable]
    #: What the sender expects as the answer; None where ours will do.
    acknowledgement: Reply | None
    is_list: bool = False
    #: It says nothing itself, but that the provider is to be asked for this order.
    ask: AskNow | None = None

    @property
    def arrivals(self) -> list[Arrival]:
        """What can be settled."""
        return [each for each in self.entries if isinstance(each, Arrival)]

    @property
    def invalid(self) -> list[Unreadable]:
        """The entries of a list that cannot be read, beside others that can."""
        return [each for each in self.entries if isinstance(each, Unreadable)]


@dataclass(frozen=True, slots=True)
class _Said:
    """What the fields of a callback say, in one of the two formats."""

    entries: Sequence[neutral.Entry]
    acknowledgement: Reply | None
    is_list: bool = False
    ask: AskNow | None = None


def receive(
    provider: Provider, request: CallbackRequest, *, trust_seconds: float, now: datetime | None = None
) -> Received:
    """The outcomes in a callback. Raises signatures.BadSignature, Unreadable.

    `trust_seconds` is how long an order is not polled after a callback that is not final.
    """
    event_id = verifier_of(provider).verify(provider, request, now or datetime.now(UTC))
    with masking.knowing(known(provider)):
        return _receive(provider, request, event_id, trust_seconds)


def _receive(
    provider: Provider, request: CallbackRequest, event_id: str | None, trust_seconds: float
) -> Received:
    if _tries_the_address(request):
        return _nothing(provider)
    if request.query and not verifier_of(provider).covers_query:
        request = replace(request, query={})
    content = _content(request)
    digest, raw = _digest(provider, content), _raw(content, request.headers.get("content-type"), event_id)
    fields: Mapping[str, Any] = {}
    try:
        fields = contents.read_fields(request)
        said = _read(provider, fields, request.body)
    except UnreadableCallback as error:
        if fields.get("type") == PING:
            return _nothing(provider)
        raise Unreadable(str(error), INVALID_KEY + digest, raw) from None
    if said.ask or not said.entries:
        return Received([], said.acknowledgement, ask=said.ask)
    return _received(provider, said, fields, digest, raw, event_id, trust_seconds)


def read_again(provider: Provider, raw: str, dedupe_key: str) -> Received:
    """What a callback says that was kept as Unreadable, by the adapter of today. Raises UnreadableCallback.

    The arrivals have the keys that they would have if the same came again.
    """
    digest = dedupe_key.removeprefix(INVALID_KEY)
    with masking.knowing(known(provider)):
        request = kept_request(raw)
        fields = contents.read_fields(request)
        said = _read(provider, fields, request.body)
        if said.ask or not said.entries:
            raise UnreadableCallback(
                "it says nothing of an order; its provider is asked on: gateway orders check"
            )
        return _received(provider, said, fields, digest, raw, json.loads(raw).get("id"))


def kept_request(raw: str) -> CallbackRequest:
    """The request that the inbox keeps as `raw`."""
    kept = json.loads(raw)
    body = base64.b64decode(kept["bytes"]) if "bytes" in kept else kept.get("body", "").encode()
    headers = {"content-type": kept.get("content_type", "")}
    return CallbackRequest(kept.get("method", "POST"), None, kept.get("query", {}), headers, body)


def _tries_the_address(request: CallbackRequest) -> bool:
    """A HEAD, or a GET without any field: what panels send when the address is saved."""
    if request.method == "POST":
        return False
    return request.method == "HEAD" or (
        not request.body.strip() and not contents.without_token(request.query)
    )


def _nothing(provider: Provider) -> Received:
    neutral_only = provider.callback_format is CallbackFormat.NEUTRAL
    kind = kinds.find(provider.adapter)
    return Received([], kind.ACKNOWLEDGEMENT if kind and not neutral_only else None)


def _read(provider: Provider, fields: Mapping[str, Any], body: bytes) -> _Said:
    """By the provider's format. Where none was chosen (by an earlier version), whichever can be read.

    A protocol that is described came after the choice.
    """
    chosen = provider.callback_format
    if chosen is None and isinstance(kinds.find(provider.adapter), Described):
        chosen = CallbackFormat.PROTOCOL
    if chosen is CallbackFormat.PROTOCOL:
        return _read_protocol(provider, fields, body)
    try:
        return _Said(neutral.read(fields), None, neutral.is_list(fields))
    except UnreadableCallback as error:
        if provider.callback_format is CallbackFormat.NEUTRAL:
            raise
        try:
            return _read_protocol(provider, fields, body)
        except UnreadableCallback as of_protocol:
            raise (error if neutral.seems_meant(fields) else of_protocol) from None


def _read_protocol(provider: Provider, fields: Mapping[str, Any], body: bytes) -> _Said:
    """The whole body is the protocol's, whatever words the neutral format shares with it."""
    kind = _kind_of(provider)
    said = kind.read_callback(fields, body.decode(errors="replace"))
    if said is None:
        return _Said([], kind.ACKNOWLEDGEMENT)
    neutral.check_storable(said.referans, said.external_order_id)
    if isinstance(said, AskNow):
        return _Said([], kind.ACKNOWLEDGEMENT, ask=said)
    return _Said([said], kind.ACKNOWLEDGEMENT)


def _kind_of(provider: Provider) -> Kind:
    """Raises UnreadableCallback where the protocol cannot be used."""
    try:
        return kinds.get(provider.adapter)
    except kinds.Unusable as error:
        raise UnreadableCallback(str(error)) from None


def _received(
    provider: Provider,
    said: _Said,
    fields: Mapping[str, Any],
    digest: str,
    raw: str,
    event_id: str | None,
    trust_seconds: float | None = None,
) -> Received:
    """Each entry of a list has a key of its own. The digest in it makes other content under a known id an own event.

    The first arrival keeps what came over the wire; the others name it.
    """
    key = f"id:{event_id}:{digest}" if event_id else f"content:{digest}"
    entries: list[Arrival | Unreadable] = []
    keeper: str | None = None
    may_ask = not traits(provider.adapter).ask_buys
    for number, each in enumerate(said.entries):
        place = f"#{number}" if len(said.entries) > 1 else ""
        if isinstance(each, UnreadableCallback):
            own = _raw(_content_of_entry(fields["orders"][number]), JSON, event_id)
            entries.append(Unreadable(str(each), f"{INVALID_KEY}{digest}{place}", own))
        else:
            arrival = Arrival(
                provider.id,
                Source.CALLBACK,
                each,
                dedupe_key=key + place,
                raw=None if keeper else raw,
                raw_of=keeper,
                next_check_seconds=trust_seconds,
                code_ask_seconds=0,
                may_ask_for_code=may_ask,
            )
            entries.append(arrival)
            keeper = keeper or arrival.dedupe_key
    return Received(entries, said.acknowledgement, said.is_list)


def _raw(content: str, content_type: str | None, event_id: str | None) -> str:
    """The callback as the inbox keeps it: enough to read it again, and without the token."""
    beside = (("content_type", content_type), ("id", event_id))
    said = [f', "{name}": {quoted(value)}' for name, value in beside if value]
    return f"{content[:-1]}{''.join(said)}}}"


def _content(request: CallbackRequest) -> str:
    """What makes two callbacks the same, as JSON. A body that is not text is kept as bytes, beside what is readable."""
    body = request.body.decode(errors="replace").replace("\x00", "\ufffd")
    query = json.dumps(contents.without_token(request.query)) if request.query else "{}"
    content = f'"method": {quoted(request.method)}, "query": {query}, "body": {quoted(body)}'
    if body.encode() != request.body:
        content += f', "bytes": {quoted(base64.b64encode(request.body).decode())}'
    return f"{{{content}}}"


def _content_of_entry(value: Any) -> str:
    return _content(CallbackRequest("POST", None, {}, {}, neutral.entry(value)))


def _digest(provider: Provider, content: str) -> str:
    """Keyed with the secrets, so that PINs cannot be guessed from the inbox."""
    return hmac.digest(" ".join(provider.secrets()).encode(), content.encode(), hashlib.sha256).hex()
