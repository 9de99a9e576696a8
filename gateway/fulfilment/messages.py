"""What is sent to a receiver: the body of a notification, and the headers that sign it. Pure."""

import json
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from gateway import shown, signatures
from gateway.inputs import host_address
from models.codes import Code
from models.order import Order

#: Bytes of a body; the contract allows 20 kB with everything around it.
MAX_BYTES = 19_000
#: Characters to which the texts of an order are cut, if nothing else has helped.
SHORT = 120

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def body(kind: str, at: datetime, order: Order, codes: Sequence[Code] | None = None) -> bytes:
    """The JSON of a notification of type `kind`; with codes only if they are given.

    Whatever the order holds, it is no longer than MAX_BYTES: what is too long is cut, `lastMessage` first.
    """
    data = shown.show_order(order, codes)
    whole = _body(kind, at, data)
    for shorten in SHORTER:
        if len(whole) <= MAX_BYTES:
            break
        data = shorten(data, len(whole) - MAX_BYTES)
        whole = _body(kind, at, data)
    return whole


def headers(secrets: Sequence[str], webhook_id: str, now: datetime, content: bytes) -> dict[str, str]:
    """The headers of one try, with a signature for each secret."""
    signed = signatures.sign_with_each(secrets, webhook_id, now, content)
    return {"Content-Type": "application/json", **signed}


def may_carry_codes(url: str) -> bool:
    """Whether nobody on the way can read what is sent there: over https, or within this machine."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    literal = host_address(host)
    return parts.scheme == "https" or host == "localhost" or (literal is not None and literal.is_loopback)


def _body(kind: str, at: datetime, data: dict[str, Any]) -> bytes:
    return _encode({"type": kind, "timestamp": shown.plain(at), "data": data}).encode()


def _cut_last_message(data: dict[str, Any], excess: int) -> dict[str, Any]:
    text = data.get("lastMessage") or ""
    data["lastMessage"] = text[: max(SHORT, len(text) - excess)]
    return data


def _cut_metadata(data: dict[str, Any], excess: int) -> dict[str, Any]:
    """Without its last entries, as many as are needed; without what another system keeps there that has none."""
    given = data.get("metadata")
    metadata = dict(given) if isinstance(given, dict) else {}
    while metadata and excess > 0:
        excess -= len(_encode(dict([metadata.popitem()])).encode())
    return data | ({"metadata": metadata} if data.get("metadata") else {})


def _without_codes(data: dict[str, Any], _: int) -> dict[str, Any]:
    """The storefront fetches them: a part of them would look like all of them."""
    return {name: value for name, value in data.items() if name not in ("pinCode", "codes")}


def _cut_texts(data: dict[str, Any], _: int) -> dict[str, Any]:
    """On orders of another system, any text may be of any length, also that of a currency."""
    return {name: _cut(value) for name, value in data.items()}


def _cut(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _cut(each) for name, each in value.items()}
    return value[:SHORT] if isinstance(value, str) else value


#: What is tried in turn until a body is short enough.
SHORTER: tuple[Callable[[dict[str, Any], int], dict[str, Any]], ...] = (
    _cut_last_message,
    _cut_metadata,
    _without_codes,
    _cut_texts,
)
