"""The storefront's own number is unique among its tenant's orders of ours; built without stopping writes.

Orders of another system may have any numbers there, also the same ones. Those without a tenant form one tenant.
"""

from migrations import indexes

#: A concurrent index build cannot run inside a transaction.
atomic = False

SQL = """
CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS idx_orders_reference_of_ours
    ON product_orders (COALESCE("tenantId", '00000000-0000-0000-0000-000000000000'), "orderUuid")
    WHERE "placedByGateway" AND "orderUuid" IS NOT NULL;
"""
#: A build that was cut short leaves an index that is there but not used; it must go before IF NOT EXISTS sees it.
INVALID = """
SELECT index.indexrelid::regclass::text FROM pg_index AS index
WHERE index.indrelid = 'product_orders'::regclass AND NOT index.indisvalid
  AND index.indexrelid::regclass::text LIKE 'idx_orders_%%'
"""


def up(migrator, db):
    indexes.build(db, SQL, INVALID)
