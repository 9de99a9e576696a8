"""Indexes on the orders table, built without stopping writes to it.

The partial ones hold only orders that are not final, so what rides them costs the same however old the table is.
"""

from migrations import indexes

#: A concurrent index build cannot run inside a transaction.
atomic = False

SQL = """
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_orders_provider_referans ON product_orders (provider_referans);
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_orders_external_order_id
    ON product_orders ("externalOrderId") WHERE "externalOrderId" IS NOT NULL;
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_orders_created ON product_orders ("createdAt" DESC, id DESC);
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_orders_user
    ON product_orders ("userIdentifier", "createdAt" DESC, id DESC);
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_orders_due ON product_orders ("nextCheckAt", id)
    WHERE "nextCheckAt" IS NOT NULL AND "externalStatus" IN ('not_sent', 'pending', 'queued', 'sent', 'processing');
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_orders_unplanned ON product_orders ("sentAt")
    WHERE "nextCheckAt" IS NULL AND "externalStatus" IN ('queued', 'sent', 'processing');
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_orders_waiting ON product_orders ("externalStatus", "sentAt")
    WHERE "externalStatus" IN ('pending', 'sent', 'processing');
"""
#: A build that was cut short leaves an index that is there but not used; it must go before IF NOT EXISTS sees it.
INVALID = """
SELECT index.indexrelid::regclass::text FROM pg_index AS index
WHERE index.indrelid = 'product_orders'::regclass AND NOT index.indisvalid
  AND index.indexrelid::regclass::text LIKE 'idx_orders_%%'
"""


def up(migrator, db):
    indexes.build(db, SQL, INVALID)
