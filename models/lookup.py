"""Finding orders by what a person has in hand. Their `attention` is the computed one, too."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from gateway.inputs import is_storable
from models.db import database
from models.db.prepared import Prepared
from models.order import Order
from models.status import READ, ExternalStatus, kind_in_sql
from models.stuck import PROVIDER, SHOWN, Limits
from models.tenants import EVERYTHING, IS_SEEN, View

#: Digits of the largest "orderNo", a PostgreSQL integer.
MAX_ORDER_NO = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Given:
    """Further inputs by name, what the customer pays, and what the order may cost; each None if it was not said."""

    fields: dict[str, str] | None
    price: str | None
    max_cost: str | None


def by_id(order_id: str, view: View, limits: Limits) -> Order | None:
    """The order with this id; None if it is unknown, not in the view, or not a UUID."""
    try:
        known_as = as_id(order_id)
    except ValueError:
        return None
    return database.load_one(Order, BY_ID, limits.parameters() | view.parameters() | {"id": known_as})


def as_id(text: str) -> str:
    """An order's id as it is stored. Raises ValueError."""
    return str(UUID(text))


def changed(waited_for: Sequence[tuple[str, ExternalStatus | None]]) -> list[int]:
    """Which orders, given by their ids, read as another word than the one that is known, by position; one statement.

    Without a known word, those that are final.
    """
    given = {
        "ids": database.array(order_id for order_id, _ in waited_for),
        "known": database.array(known for _, known in waited_for),
    }
    return [row["position"] - 1 for row in database.rows(CHANGED, given)] if waited_for else []


def given(order_id: str) -> Given:
    """What the storefront said of an order beside what the order shows."""
    return database.load(Given, GIVEN, (order_id,))[0]


def by_anything(text: str, limits: Limits, limit: int) -> list[Order]:
    """Up to `limit` orders of whatever tenant that `text` names, newest first.

    It may be the order's id, its number, its referans or a former one, the provider's own number, the storefront's
    reference, or the player.
    """
    if found := by_id(text, EVERYTHING, limits):
        return [found]
    if not is_storable(text):
        return []
    number = int(text) if text.isascii() and text.isdecimal() and int(text) <= MAX_ORDER_NO else None
    values = {"text": text, "number": number, "limit": limit}
    return database.load(Order, BY_ANYTHING, limits.parameters() | values)


#: Without a known word, an order that is final; else one that reads as another word.
CHANGED = Prepared(f"""
SELECT w.position
FROM unnest(%(ids)s::uuid[], %(known)s::text[]) WITH ORDINALITY AS w (id, known, position)
JOIN product_orders AS o ON o.id = w.id
WHERE CASE WHEN w.known IS NULL THEN {kind_in_sql(READ)} <> 'open' ELSE {READ} <> w.known END
""")
GIVEN = """
SELECT o."inputFields" AS fields, o."priceAmount" || ' ' || o."priceCurrency" AS price,
    o."maxCostAmount" || ' ' || o."maxCostCurrency" AS max_cost
FROM product_orders AS o WHERE o.id = %s
"""
BY_ID = Prepared(f"SELECT {SHOWN} FROM product_orders AS o {PROVIDER} WHERE o.id = %(id)s AND {IS_SEEN}")
#: Each part rides an index of its own. The newest of each are enough: of all, the newest are returned.
_NEWEST = 'ORDER BY o."createdAt" DESC, o.id DESC LIMIT %(limit)s'
_NAMED = {
    "referans": "o.provider_referans = %(text)s",
    "number": 'o."orderNo" = %(number)s::int',
    "reference": 'o."orderUuid" = %(text)s',
    "external": 'o."externalOrderId" = %(text)s',
    "player": 'o."userIdentifier" = %(text)s',
    "former": """o.id IN (
        SELECT order_id FROM referans.former_references WHERE referans = %(text)s OR external_order_id = %(text)s)""",
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
