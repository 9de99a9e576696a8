"""Callbacks for an operator, with PINs and secrets masked."""

import json
import re
from collections.abc import Collection
from typing import Any
from urllib.parse import parse_qsl

from gateway import log
from models import inbox, order
from models.inbox import WholeCallback
from models.outcome import Arrival

#: Parts of names under which providers send a PIN or what belongs to it; it rather masks too much.
PIN_NAME = re.compile(r"pin|code|kod|seri|voucher|epin|key|[sş]ifre|token|secret|pass", re.IGNORECASE)
#: Length of the shortest PIN that is masked inside other texts, in characters; shorter ones match by chance.
SHORTEST_PIN = 4


def pins(said: Arrival | None, found: order.Order | None) -> set[str]:
    """Every secret text of the codes that a callback brought and that its order has. Raises sealed.Unsealable."""
    codes = (*(said.outcome.codes if said else ()), *(order.codes_of(found) if found else ()))
    return {text for code in codes for text in (code.code, code.pin, code.serial) if text}


def raw(callback: WholeCallback, known_pins: Collection[str]) -> dict[str, Any]:
    """The request as it arrived: `{method, contentType, query, body}`. Raises sealed.Unsealable.

    The body is its fields if it is a form or JSON, otherwise its text.
    """
    kept = json.loads(inbox.raw(callback) or "{}")
    body = _fields(kept.get("body", ""), kept.get("content_type", ""))
    return {
        "method": kept.get("method"),
        "contentType": kept.get("content_type"),
        "query": clean(kept.get("query", {}), known_pins),
        "body": clean(body, known_pins),
    }


def clean(value: Any, known_pins: Collection[str]) -> Any:
    """`value` with PINs and secrets masked, found by their names and by their form, at any depth."""
    if isinstance(value, dict):
        return {
            name: log.MASKED if each and PIN_NAME.search(name) and not isinstance(each, (dict, list))
            else clean(each, known_pins)
            for name, each in value.items()
        }  # fmt: skip
    if isinstance(value, list):
        return [clean(each, known_pins) for each in value]
    if value is None or isinstance(value, bool):
        return value
    text = str(value)
    masked = log.mask(_without(text, known_pins))
    return value if masked == text else masked


def _without(text: str, known_pins: Collection[str]) -> str:
    for pin in known_pins:
        if text == pin:
            return log.MASKED
        if len(pin) >= SHORTEST_PIN:
            text = text.replace(pin, log.MASKED)
    return text


def _fields(body: str, content_type: str) -> Any:
    if "form-urlencoded" in content_type:
        return dict(parse_qsl(body, keep_blank_values=True)) or body
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return body
