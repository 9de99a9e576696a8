"""Orders that another system placed: in whose hands one is, and which are not followed because of their provider."""

from dataclasses import dataclass

from models.db import database
from models.plans import UNFOLLOWED
from models.status import IS_OURS, REFERENCE

#: Orders of one provider that are counted, at most.
MOST = 1_000
#: Orders that were sent longer ago are not counted, in hours.
RECENT_HOURS = 24


@dataclass(frozen=True, slots=True)
class Hands:
    """In whose hands an order is: a row of HANDS."""

    #: The gateway placed it.
    is_ours: bool
    #: It has a reference by which its provider can be asked.
    has_reference: bool
    #: Its provider is configured here.
    has_provider: bool


@dataclass(frozen=True, slots=True)
class Unfollowed:
    """Open orders of another system that are not followed, since their provider is not configured here."""

    provider_id: str
    #: Of those that were sent within RECENT_HOURS, MOST are counted.
    count: int


def hands(order_id: str) -> Hands:
    """In whose hands the order with this id is; there must be one."""
    return database.load(Hands, HANDS, (order_id,))[0]


def bounded(count: int) -> str:
    """A count of `unfollowed` for people."""
    return f"{count} or more" if count == MOST else str(count)


def unfollowed() -> list[Unfollowed]:
    """The providers that are not configured here and have open orders of another system, most orders first."""
    return database.load(Unfollowed, UNFOLLOWED_PROVIDERS, {"most": MOST, "hours": RECENT_HOURS})


HANDS = f"""
SELECT {IS_OURS} AS is_ours, {REFERENCE} IS NOT NULL AS has_reference,
    EXISTS (SELECT FROM referans.providers AS p WHERE p.id = o."providerId") AS has_provider
FROM product_orders AS o WHERE o.id = %s
"""
#: Goes along idx_orders_to_follow from one provider to the next: its cost follows their number, and what is counted.
UNFOLLOWED_PROVIDERS = f"""
WITH RECURSIVE named AS (
    (SELECT o."providerId" AS id FROM product_orders AS o
     WHERE o."providerId" IS NOT NULL AND {UNFOLLOWED} ORDER BY o."providerId" LIMIT 1)
    UNION ALL
    SELECT (SELECT o."providerId" FROM product_orders AS o
            WHERE o."providerId" > named.id AND {UNFOLLOWED} ORDER BY o."providerId" LIMIT 1)
    FROM named WHERE named.id IS NOT NULL
)
SELECT named.id AS provider_id, waiting.count
FROM named CROSS JOIN LATERAL (
    SELECT count(*)::int AS count FROM (
        SELECT FROM product_orders AS o
        WHERE o."providerId" = named.id AND {UNFOLLOWED} AND o."sentAt" > now() - make_interval(hours => %(hours)s)
        LIMIT %(most)s
    ) AS recent
) AS waiting
WHERE waiting.count > 0 AND NOT EXISTS (SELECT FROM referans.providers AS p WHERE p.id = named.id)
ORDER BY waiting.count DESC, named.id
"""
