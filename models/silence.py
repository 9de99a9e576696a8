"""Providers whose callbacks have fallen silent: orders complete, and only checks find out."""

from dataclasses import dataclass

from models.callback_shares import LEAST_DELIVERED, MINUTES, USUAL
from models.db import database

#: Share of the delivered orders that callbacks usually tell of, below which silence means nothing.
USUAL_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class Silent:
    """A provider: a row of SILENT."""

    provider_id: str
    #: Delivered in the last MINUTES, none of them told by a callback.
    delivered: int
    #: The share that callbacks told of in the days before.
    usual_share: float


def silent() -> list[Silent]:
    """Those that are silent now. Reads the orders that were placed in the last MINUTES, and days summed up."""
    return database.load(Silent, SILENT)


SILENT = f"""
WITH usual AS ({USUAL}), lately AS (
    SELECT o."providerId" AS provider_id, count(*)::int AS delivered, max(o."lastCallbackAt") AS told_at
    FROM product_orders AS o
    WHERE o."createdAt" >= now() - interval '{MINUTES} minutes' AND o."completedAt" IS NOT NULL
      AND o."providerId" IS NOT NULL
    GROUP BY 1
)
SELECT lately.provider_id, lately.delivered, usual.share AS usual_share
FROM lately JOIN usual ON usual.provider_id = lately.provider_id
WHERE lately.told_at IS NULL AND lately.delivered >= {LEAST_DELIVERED} AND usual.share >= {USUAL_SHARE}
ORDER BY 1
"""
