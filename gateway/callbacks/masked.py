"""Callbacks for an operator, with PINs and secrets masked."""

import json
import re
from dataclasses import replace
from typing import Any

from gateway import log
from gateway.callbacks import contents, reading
from gateway.callbacks.requests import CallbackRequest
from gateway.providers import base
from gateway.providers.base import UnreadableCallback
from models import inbox, masking, order, provider
from models.inbox import WholeCallback
from models.masking import Known
from models.outcome import Arrival

#: Parts of names under which providers send a PIN or what belongs to it; it rather masks too much.
PIN_NAME = re.compile(r"pin|code|kod|seri|voucher|epin|key|[sş]ifre|token|secret|pass", re.IGNORECASE)
#: Names under which a callback tells our reference, which looks like a code but is not one.
REFERENCE_NAMES = frozenset({"provider_referans", "referans"})


def known(callback: WholeCallback, said: Arrival | None, found: order.Order | None) -> Known:
    """The codes that a callback brought and that its order has, the order's numbers, and its provider's credentials.

    Raises sealed.Unsealable.
    """
    codes = (*(said.outcome.codes if said else ()), *(order.codes_of(found) if found else ()))
    numbers = [callback.referans, callback.external_order_id, callback.order_id]
    if found:
        numbers += [found.provider_referans, found.external_order_id, str(found.order_no)]
        numbers += [found.user_identifier, found.extra_field]
    secrets = tuple(text for code in codes for text in code.secrets())
    account = provider.find_renewable(callback.provider_id)
    of_provider = base.known(account) if account else Known()
    return replace(of_provider, codes=secrets, own=(*of_provider.own, *filter(None, numbers)))


def raw(callback: WholeCallback, known: Known) -> dict[str, Any]:
    """The request as it arrived: `{method, contentType, query, body}`. Raises sealed.Unsealable.

    The body is its fields if it is a form or JSON, otherwise its text.
    """
    text = inbox.raw(callback)
    kept = json.loads(text or "{}")
    return {
        "method": kept.get("method"),
        "contentType": kept.get("content_type"),
        "query": clean(kept.get("query", {}), known),
        "body": clean(_fields(text) if text else "", known),
    }


def clean(value: Any, known: Known, *, is_secret: bool = False, is_reference: bool = False) -> Any:
    """`value` with PINs and secrets masked, found by their names and by their look, at any depth.

    All that stands under the name of a secret is masked, lists and objects too; references are not masked by their
    look.
    """
    if isinstance(value, dict):
        return {
            name: clean(
                each,
                known,
                is_secret=is_secret or bool(PIN_NAME.search(name)),
                is_reference=name in REFERENCE_NAMES,
            )
            for name, each in value.items()
        }
    if isinstance(value, list):
        return [clean(each, known, is_secret=is_secret, is_reference=is_reference) for each in value]
    if value is None or isinstance(value, bool):
        return value
    text = str(value)
    if is_secret:
        return log.MASKED if text else value
    with masking.knowing(known):
        masked = masking.strike(text) if is_reference else masking.mask_lines(text)
    return value if masked == text else masked


def _fields(text: str) -> Any:
    """The fields of the body, read as they are for settling; its text where they cannot be read."""
    request = replace(reading.kept_request(text), query={})
    try:
        return contents.read_fields(request)
    except UnreadableCallback:
        return _unread(request)


def _unread(request: CallbackRequest) -> Any:
    body = request.body.decode(errors="replace")
    if (
        "multipart" in request.headers["content-type"]
    ):  # a value stands on a line of its own, without its name
        return log.MASKED
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return body
