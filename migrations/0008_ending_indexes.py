"""Marks the orders that an earlier version placed, and builds the indexes of 0007, without stopping writes.

What is due rides the plan alone now: an order that is completed may still wait for its code, and the older storefront
has words for open orders that no list names.
"""

from migrations import indexes

#: A concurrent index build cannot run inside a transaction.
atomic = False

#: Rows looked at in one statement.
BATCH = 5000
#: Only the gateway writes a route's parameters into an order. Locks rows in the order in which `settle` does.
MARK = f"""
WITH batch AS (
    SELECT id, "routeParams" IS NOT NULL AND "placedByGateway" IS NULL AS ours
    FROM product_orders WHERE id > %s ORDER BY id LIMIT {BATCH}
), ours AS (
    SELECT o.id FROM product_orders AS o JOIN batch ON batch.id = o.id AND batch.ours ORDER BY o.id FOR UPDATE OF o
), marked AS (
    UPDATE product_orders AS o SET "placedByGateway" = true FROM ours WHERE o.id = ours.id
)
SELECT id::text FROM batch ORDER BY id DESC LIMIT 1
"""
SQL = """
UPDATE product_orders SET "placedByGateway" = true WHERE "routeParams" IS NOT NULL AND "placedByGateway" IS NULL;
CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS idx_orders_referans_of_ours ON product_orders (provider_referans)
    WHERE "placedByGateway";
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_orders_planned ON product_orders ("nextCheckAt", id)
    WHERE "nextCheckAt" IS NOT NULL;
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_orders_attention ON product_orders ("attentionAt", id)
    WHERE attention IS NOT NULL;
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_orders_completed_of_route
    ON product_orders ("providerId", "productId", "packageId", "completedAt" DESC)
    WHERE "externalStatus" = 'completed' AND "completedAt" IS NOT NULL AND "codeAsks" IS NULL;
DROP INDEX CONCURRENTLY IF EXISTS idx_orders_due;
"""
#: A build that was cut short leaves an index that is there but not used; it must go before IF NOT EXISTS sees it.
INVALID = """
SELECT index.indexrelid::regclass::text FROM pg_index AS index
WHERE index.indrelid = 'product_orders'::regclass AND NOT index.indisvalid
  AND index.indexrelid::regclass::text LIKE 'idx_orders_%%'
"""


def up(migrator, db):
    last = ("00000000-0000-0000-0000-000000000000",)
    while last:
        last = db.execute_sql(MARK, last).fetchone()
    indexes.build(db, SQL, INVALID)
