"""The neutral format of callbacks: `provider_referans`, `status`, `pin_code`, `codes`, `receipt`, `message`, or a list
of such objects under `orders`."""

import json
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
#: Entries of one list.
MAX_ENTRIES = 200

#: What one entry says, or why it cannot be read.
Entry = Outcome | UnreadableCallback


def is_list(fields: Mapping[str, Any]) -> bool:
    """Whether these fields are a list of orders."""
    return "orders" in fields


def seems_meant(fields: Mapping[str, Any]) -> bool:
    """Whether the sender used a word of this format, so that its faults are worth naming."""
    return not fields.keys().isdisjoint(("provider_referans", "status", "orders"))


def read(fields: Mapping[str, Any]) -> list[Entry]:
    """What it says, one entry for each order. Raises UnreadableCallback where no entry can be read."""
    return _read_list(fields["orders"]) if "orders" in fields else [_read_order(fields)]


def write(outcome: Outcome) -> bytes:
    """`outcome` as the JSON that `read` takes; what it does not have is left out."""
    fields = {
        "provider_referans": outcome.referans,
        "status": outcome.status.value,
        "pin_code": outcome.codes[0].code if outcome.codes else None,
        "message": outcome.whole_message(),
    }
    said = {name: value for name, value in fields.items() if value}
    return json.dumps(said, ensure_ascii=False).encode()


def check_storable(*references: str | None) -> None:
    """Raises UnreadableCallback for a reference that the database cannot store."""
    for reference in filter(None, references):
        if len(reference) > MAX_REFERANS:
            raise UnreadableCallback(f"the reference is longer than {MAX_REFERANS} characters")
        if not inputs.is_storable(reference):
            raise UnreadableCallback("the reference contains an invalid character (NUL or a lone surrogate)")


def entry(value: Any) -> bytes:
    """One entry of a list as a callback of its own, which `read` takes."""
    return json.dumps({"orders": [value]}).encode()


def _read_list(orders: Any) -> list[Entry]:
    if not isinstance(orders, list) or not orders:
        raise UnreadableCallback("`orders` must be a list with at least one order")
    if len(orders) > MAX_ENTRIES:
        raise UnreadableCallback(f"`orders` contains more than {MAX_ENTRIES} orders")
    entries = [_read_entry(order) for order in orders]
    if not any(isinstance(one, Outcome) for one in entries):
        raise UnreadableCallback(f"no entry of `orders` can be read; the first one: {entries[0]}")
    return entries


def _read_entry(order: Any) -> Entry:
    try:
        return _read_order(order)
    except UnreadableCallback as error:
        return error


def _read_order(fields: Any) -> Outcome:
    if not isinstance(fields, Mapping):
        raise UnreadableCallback("every entry of `orders` must be an object")
    referans = _string(fields, "provider_referans")
    status = STATUSES.get(_string(fields, "status").lower())
    if not referans:
        raise UnreadableCallback("the reference is missing: send `provider_referans`")
    if status is None:
        raise UnreadableCallback(f"`status` must be one of {', '.join(STATUSES)}")
    found = codes.read(fields.get("pin_code") if "codes" not in fields else _all_codes(fields))
    check_storable(referans)
    return Outcome(
        status,
        referans,
        codes=found.codes,
        unreadable_code=found.unreadable,
        receipt=_text(fields, "receipt") or None,
        message=_text(fields, "message") or None,
    )


def _all_codes(fields: Mapping[str, Any]) -> list[Any]:
    """The entries of `codes`, then those of `pin_code`; a code that stands in both counts once."""
    given = (fields["codes"], fields.get("pin_code"))
    return [each for value in given for each in (value if isinstance(value, list) else [value])]


def _string(fields: Mapping[str, Any], name: str) -> str:
    """Raises UnreadableCallback for a value that is neither a string nor a whole number."""
    value = inputs.exact(fields.get(name))
    if value is not None and (isinstance(value, bool) or not isinstance(value, (str, int))):
        raise UnreadableCallback(f"`{name}` must be a string")
    return "" if value is None else str(value).strip()


def _text(fields: Mapping[str, Any], name: str) -> str:
    """A text for people; a value that is neither a string nor a number is left out, and costs no outcome."""
    value = fields.get(name)
    return str(value).strip() if isinstance(value, (str, int, float)) and not isinstance(value, bool) else ""
