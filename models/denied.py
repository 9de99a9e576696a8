"""Orders that their provider has accepted, and now says that it does not know."""

from dataclasses import dataclass

from models.claims import ASKS
from models.db import database
from models.status import IS_OPEN, REFERENCE, WORD


@dataclass(frozen=True, slots=True)
class Denied:
    """How many orders a provider has accepted and now denies: a row of DENIED."""

    provider_id: str
    count: int
    #: The reference of one of them.
    example: str


def by_provider() -> list[Denied]:
    """Open orders that their provider has denied ASKS times since it last said something of them, by provider."""
    return database.load(Denied, DENIED)


#: Uses idx_orders_planned: its cost follows the number of waiting orders.
DENIED = f"""
SELECT o."providerId" AS provider_id, count(*)::int AS count, min({REFERENCE}) AS example
FROM product_orders AS o
WHERE o."nextCheckAt" IS NOT NULL AND {IS_OPEN} AND {WORD} NOT IN ('not_sent', 'pending')
  AND o."unknownCount" >= {ASKS} AND o."providerId" IS NOT NULL AND {REFERENCE} IS NOT NULL
GROUP BY 1 ORDER BY 1
"""
