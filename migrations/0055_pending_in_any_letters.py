"""The index by which orders of another system are found that are not followed yet, whatever letters `status` is in.

What it holds is said in 0026. Its condition is UNFOLLOWED in models/plans.py. Built without stopping writes; the index
before it goes, for it knew `pending` in small letters only.
"""

from migrations import indexes

#: A concurrent index build cannot run inside a transaction.
atomic = False

SQL = """
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_orders_to_follow ON product_orders ("providerId", "sentAt")
    WHERE "nextCheckAt" IS NULL AND lower(status COLLATE "C") = 'pending'
    AND lower(COALESCE("externalStatus", '') COLLATE "C") NOT IN ('not_sent', 'completed', 'done', 'delivered',
        'approved', 'success', 'failed', 'cancelled', 'canceled', 'rejected', 'reject', 'reversed')
    AND COALESCE(provider_referans, "externalOrderId") IS NOT NULL
    AND ("adoptedAt" IS NULL OR "adoptedAt" < "sentAt")
    AND (attention IS NULL OR "attentionAt" < "sentAt");
DROP INDEX CONCURRENTLY IF EXISTS idx_orders_unfollowed;
"""
#: A build that was cut short leaves an index that is there but not used; it must go before IF NOT EXISTS sees it.
INVALID = """
SELECT index.indexrelid::regclass::text FROM pg_index AS index
WHERE index.indrelid = 'product_orders'::regclass AND NOT index.indisvalid
  AND index.indexrelid::regclass::text LIKE 'idx_orders_%%'
"""


def up(migrator, db):
    indexes.build(db, SQL, INVALID)
