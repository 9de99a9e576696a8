"""Finding orders: by what a person has in hand, or a page of a list. Their `attention` is the computed one, too."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from gateway.inputs import is_storable
from models.db import database
from models.db.prepared import Prepared
from models.order import Order
from models.status import STAGES, ExternalStatus, words
from models.stuck import PROVIDER, SHOWN, Limits

#: Digits of the largest "orderNo", a PostgreSQL integer.
MAX_ORDER_NO = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Filter:
    """Which orders to list; None is any."""

    external_status: ExternalStatus | None = None
    provider_id: str | None = None
    user_identifier: str | None = None
    product_id: str | None = None
    #: The storefront's own number.
    reference: str | None = None
    #: A time, or an age.
    created_after: datetime | timedelta | None = None
    created_before: datetime | timedelta | None = None


def by_id(order_id: str, limits: Limits) -> Order | None:
    """The order with this id; None if it is unknown or not a UUID."""
    try:
        known_as = str(UUID(order_id))
    except ValueError:
        return None
    return database.load_one(Order, BY_ID, limits.parameters() | {"id": known_as})


def by_anything(text: str, limits: Limits, limit: int) -> list[Order]:
    """Up to `limit` orders that `text` names, newest first.

    It may be the order's id, its number, its referans or a former one, the provider's own number, the storefront's
    reference, or the player.
    """
    if found := by_id(text, limits):
        return [found]
    if not is_storable(text):
        return []
    number = int(text) if text.isascii() and text.isdecimal() and int(text) <= MAX_ORDER_NO else None
    values = {"text": text, "number": number, "limit": limit}
    return database.load(Order, BY_ANYTHING, limits.parameters() | values)


def page(
    wanted: Filter, limits: Limits, limit: int, before: tuple[datetime, str] | None = None
) -> list[Order]:
    """Up to `limit` orders, newest first, that come after the (created_at, id) `before` in that order."""
    conditions, values = _conditions(wanted)
    if before:
        conditions.append('(o."createdAt", o.id) < (%(at)s, %(id)s::uuid)')
        values |= {"at": before[0], "id": before[1]}
    where = " AND ".join(['o."createdAt" IS NOT NULL', *conditions])
    return database.load(Order, PAGE.format(where=where), limits.parameters() | values | {"limit": limit})


def _conditions(wanted: Filter) -> tuple[list[str], dict[str, Any]]:
    candidates = {
        "statuses": _status_condition(wanted.external_status),
        "provider": ('o."providerId" = %(provider)s', wanted.provider_id),
        "user": ('o."userIdentifier" = %(user)s', wanted.user_identifier),
        "product": ('o."productId"::text = %(product)s', wanted.product_id),
        "reference": ('o."orderUuid" = %(reference)s', wanted.reference),
        "after": _time_condition(">=", "after", wanted.created_after),
        "until": _time_condition("<", "until", wanted.created_before),
    }
    used = {name: pair for name, pair in candidates.items() if pair[1] is not None}
    return [condition for condition, _ in used.values()], {name: value for name, (_, value) in used.items()}


def _time_condition(
    comparison: str, name: str, at: datetime | timedelta | None
) -> tuple[str, datetime | timedelta | None]:
    limit = f"now() - %({name})s" if isinstance(at, timedelta) else f"%({name})s"
    return f'o."createdAt" {comparison} {limit}', at


def _status_condition(wanted: ExternalStatus | None) -> tuple[str, list[str] | None]:
    """A word that we do not know reads as `pending`."""
    if wanted is ExternalStatus.PENDING:
        others = [name for name, _, _ in STAGES if name != wanted]
        return 'lower(o."externalStatus") <> ALL (%(statuses)s)', others
    return 'lower(o."externalStatus") = ANY (%(statuses)s)', words(wanted) if wanted else None


BY_ID = Prepared(f"SELECT {SHOWN} FROM product_orders AS o {PROVIDER} WHERE o.id = %(id)s")
#: Each part rides an index of its own. The newest of each are enough: of all, the newest are returned.
_NEWEST = 'ORDER BY o."createdAt" DESC, o.id DESC LIMIT %(limit)s'
_NAMED = {
    "referans": "o.provider_referans = %(text)s",
    "number": 'o."orderNo" = %(number)s::int',
    "reference": 'o."orderUuid" = %(text)s',
    "external": 'o."externalOrderId" = %(text)s',
    "player": 'o."userIdentifier" = %(text)s',
    "former": """o.id IN (
        SELECT order_id FROM former_references WHERE referans = %(text)s OR external_order_id = %(text)s)""",
}
BY_ANYTHING = f"""
SELECT {SHOWN}
FROM product_orders AS o {PROVIDER}
WHERE o.id IN ({
    " UNION ".join(
        f"(SELECT o.id FROM product_orders AS o WHERE {named} {_NEWEST})" for named in _NAMED.values()
    )
})
{_NEWEST}
"""
PAGE = f"""
SELECT {SHOWN}
FROM (
    SELECT * FROM product_orders AS o WHERE {{where}} {_NEWEST}
) AS o {PROVIDER}
ORDER BY o."createdAt" DESC, o.id DESC
"""
