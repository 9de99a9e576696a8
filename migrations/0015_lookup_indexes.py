"""Indexes by which people find an order: its number, and the storefront's reference; built without stopping writes.

The player, the referans and the provider's number have theirs already (0003).
"""

from migrations import indexes

#: A concurrent index build cannot run inside a transaction.
atomic = False

#: The older storefront has an index of the first name on the same column.
SQL = """
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_orders_order_no ON product_orders ("orderNo");
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_orders_order_uuid ON product_orders ("orderUuid")
    WHERE "orderUuid" IS NOT NULL;
"""
#: A build that was cut short leaves an index that is there but not used; it must go before IF NOT EXISTS sees it.
INVALID = """
SELECT index.indexrelid::regclass::text FROM pg_index AS index
WHERE index.indrelid = 'product_orders'::regclass AND NOT index.indisvalid
  AND index.indexrelid::regclass::text LIKE 'idx_orders_%%'
"""


def up(migrator, db):
    indexes.build(db, SQL, INVALID)
