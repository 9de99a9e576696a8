"""The orders of a tenant in the order of a list; built without stopping writes."""

from migrations import indexes

#: A concurrent index build cannot run inside a transaction.
atomic = False

SQL = """
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_orders_tenant_created
    ON product_orders ("tenantId", "createdAt" DESC, id DESC) WHERE "tenantId" IS NOT NULL;
"""
#: A build that was cut short leaves an index that is there but not used; it must go before IF NOT EXISTS sees it.
INVALID = """
SELECT index.indexrelid::regclass::text FROM pg_index AS index
WHERE index.indrelid = 'product_orders'::regclass AND NOT index.indisvalid
  AND index.indexrelid::regclass::text LIKE 'idx_orders_%%'
"""


def up(migrator, db):
    indexes.build(db, SQL, INVALID)
