"""What the page of an order shows beside the order itself."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from models.claims import USUAL, Asking
from models.db import database
from models.plans import CAN_BE_ASKED
from models.status import IS_OURS


@dataclass(frozen=True, slots=True)
class Facts:
    """Facts of an order: a row of FACTS."""

    #: The gateway placed it; else another system did.
    is_ours: bool
    #: Its provider can be asked for it.
    can_be_asked: bool
    check_count: int
    next_check_at: datetime | None
    #: Providers that refused it before.
    tried_providers: list[str]


@dataclass(frozen=True, slots=True)
class Price:
    """What a customer paid for an order, as the storefront says: a row of PRICES."""

    order_id: str
    amount: Decimal
    currency: str


def of(order_id: str, asking: Asking = USUAL) -> Facts:
    """Facts of an order that exists; `asking` is what its provider's protocol says of asking."""
    return database.load(Facts, FACTS, asking.parameters() | {"id": order_id})[0]


def prices(order_ids: Sequence[str]) -> dict[str, Price]:
    """What was paid for these orders, by id; of those without a price nothing."""
    return {each.order_id: each for each in database.load(Price, PRICES, (list(order_ids),))}


PRICES = """
SELECT o.id::text AS order_id, o."priceAmount" AS amount, o."priceCurrency" AS currency
FROM product_orders AS o WHERE o.id = ANY (%s::uuid[]) AND o."priceAmount" IS NOT NULL
"""
FACTS = f"""
SELECT {IS_OURS} AS is_ours, {CAN_BE_ASKED} AS can_be_asked,
    COALESCE(o."checkCount", 0) AS check_count, o."nextCheckAt" AS next_check_at,
    COALESCE(o."triedProviders", ARRAY[]::text[]) AS tried_providers
FROM product_orders AS o WHERE o.id = %(id)s
"""
