"""Providers whose callbacks have fallen silent: orders complete, and only checks find out."""

from dataclasses import dataclass

from models.db import database
from models.report_sums import PROVIDER

#: Minutes that are looked at; deliveries within them that say enough; and days that say what is usual.
MINUTES, LEAST_DELIVERED, USUAL_DAYS = 60, 10, 7
#: Share of the delivered orders that callbacks usually tell of, below which silence means nothing.
USUAL_SHARE = 0.5
#: Deliveries of the days before that say what is usual.
LEAST_USUAL = 50


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
WITH usual AS (
    SELECT t.provider_id, sum(t.by_callback)::float8 / sum(t.delivered) AS share
    FROM referans.day_totals AS t
    WHERE t.level = {PROVIDER} AND t.day BETWEEN now()::date - {USUAL_DAYS} AND now()::date - 1
    GROUP BY 1 HAVING sum(t.delivered) >= {LEAST_USUAL}
), lately AS (
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
