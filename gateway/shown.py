"""An order as the API and the notifications show it."""

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from pydantic.alias_generators import to_camel

from gateway.providers import refusals
from gateway.providers.znet import fold
from models.codes import Code
from models.order import Order
from models.outcome import ACCOUNT_MARK, ACCOUNT_MESSAGE
from models.status import Source
from models.timeline import Event

#: The fields of an order that the API shows, in the order of the contract; `pin_code` and `codes`
#: only to keys that may read them.
FIELDS = (
    "id",
    "order_no",
    "tenant_id",
    "reference",
    "product_id",
    "package_id",
    "quantity",
    "user_identifier",
    "extra_field",
    "metadata",
    "status",
    "external_status",
    "failure_reason",
    "attention",
    "provider_id",
    "provider_referans",
    "external_order_id",
    "pin_code",
    "codes",
    "receipt",
    "cost",
    "last_message",
    "created_at",
    "sent_at",
    "last_sync_at",
    "completed_at",
    "reversed_at",
    "duration_ms",
)
#: The fields of an order that the API does not show, or shows within another one. A new field stands in one of the two.
HIDDEN = ("notify_url", "cost_amount", "cost_currency")
#: (field, name in the API) of what is shown.
NAMES = tuple((field, to_camel(field)) for field in FIELDS)


#: Sources of events that hold no words of a provider.
OWN_SOURCES = (Source.API, Source.OPERATOR, Source.NOTIFY)
#: Our words on the timeline behind which those about our account stand, or why a provider is paused.
OF_ACCOUNT = re.compile(f"({ACCOUNT_MARK}|is paused by [^:]{{0,200}}): .*", re.DOTALL)


def show_order(order: Order, codes: Sequence[Code] | None = None) -> dict[str, Any]:
    """The order as the API shows it; with `pinCode` and `codes` only if the codes (or an empty list) are given."""
    shown = {name: plain(getattr(order, field, None)) for field, name in NAMES}
    shown["metadata"] = order.metadata or {}
    if order.last_message and refusals.is_about_account(fold(order.last_message)):
        shown["lastMessage"] = ACCOUNT_MESSAGE
    if order.cost_amount is not None:
        shown["cost"] = {"amount": str(order.cost_amount), "currency": order.cost_currency}
    if codes is None:
        del shown["pinCode"], shown["codes"]
    else:
        shown |= {"pinCode": codes[0].code if codes else None, "codes": [_show_code(each) for each in codes]}
    return shown


def show_to_storefront(event: Event) -> Event:
    """An event of the timeline without what providers say of our account with them, and why one is paused.

    A storefront is to see neither; people of the gateway see the event as it is.
    """
    message = event.message or ""
    if event.source in OWN_SOURCES or not message:
        return event
    if OF_ACCOUNT.search(message):
        return replace(event, message=OF_ACCOUNT.sub(r"\1", message), whole=None)
    if refusals.is_about_account(fold(f"{message} {event.whole or ''}")):
        return replace(event, message=ACCOUNT_MESSAGE, whole=None)
    return event


def _show_code(code: Code) -> dict[str, str]:
    named = {"code": code.code, "pin": code.pin, "serial": code.serial, "expiresAt": code.expires_at}
    return {name: value for name, value in named.items() if value is not None}


def plain(value: Any) -> Any:
    """A value as JSON has it: a time in UTC, with its microseconds."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    return value
