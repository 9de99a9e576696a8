"""The neutral format of callbacks: `provider_referans`, `status`, `pin_code`, `message`, or a list under `orders`."""

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

from gateway import inputs
from gateway.providers.base import UnreadableCallback
from models import codes
from models.outcome import Outcome
from models.status import ExternalStatus

#: What `status` may say; a provider cannot say `not_sent`.
STATUSES = {status.value: status for status in ExternalStatus if status is not ExternalStatus.NOT_SENT}
#: Characters that the column of the reference holds.
MAX_REFERANS = 255
#: Entries of one list that may be about the same order, since each takes a turn in the database.
MAX_TURNS = 10


def is_neutral(fields: Mapping[str, Any]) -> bool:
    """Whether these fields are in the neutral format."""
    return "orders" in fields or "provider_referans" in fields or "status" in fields


def read(fields: Mapping[str, Any]) -> list[Outcome]:
    """The outcomes in it. Raises UnreadableCallback."""
    return _read_list(fields["orders"]) if "orders" in fields else [_read_order(fields)]


def write(outcome: Outcome) -> bytes:
    """`outcome` as the JSON that `read` takes; what it does not have is left out."""
    fields = {
        "provider_referans": outcome.referans,
        "status": outcome.status.value,
        "pin_code": outcome.codes[0].code if outcome.codes else None,
        "message": outcome.message,
    }
    said = {name: value for name, value in fields.items() if value}
    return json.dumps(said, ensure_ascii=False).encode()


def storable(outcome: Outcome) -> Outcome:
    """`outcome`, whose texts the database can store. Raises UnreadableCallback."""
    if len(outcome.referans or "") > MAX_REFERANS:
        raise UnreadableCallback(f"the reference is longer than {MAX_REFERANS} characters")
    try:
        for text in filter(None, (outcome.referans, outcome.message)):
            inputs.storable(text)
    except ValueError as error:
        raise UnreadableCallback(f"the text {error}") from None
    return outcome


def _read_list(orders: Any) -> list[Outcome]:
    if not isinstance(orders, list) or not orders:
        raise UnreadableCallback("`orders` must be a list with at least one order")
    if not all(isinstance(order, dict) for order in orders):
        raise UnreadableCallback("every entry of `orders` must be an object")
    outcomes = [_read_order(order) for order in orders]
    if max(Counter(outcome.referans for outcome in outcomes).values()) > MAX_TURNS:
        raise UnreadableCallback(f"`orders` contains the same order more than {MAX_TURNS} times")
    return outcomes


def _read_order(fields: Mapping[str, Any]) -> Outcome:
    referans = _string(fields, "provider_referans")
    status = STATUSES.get(_string(fields, "status") or "")
    if not referans:
        raise UnreadableCallback("the reference is missing: send `provider_referans`")
    if status is None:
        raise UnreadableCallback(f"`status` must be one of {', '.join(STATUSES)}")
    found = codes.read(fields.get("pin_code"))
    return storable(
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
