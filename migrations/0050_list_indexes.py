"""The orders and the callbacks of a provider, and the orders that need a person for one reason, in the order of a list.

Built without stopping writes. That of a provider's orders is on an expression which only lists name: what is due is
looked for by the provider too, and must ride the small index of what waits whatever the statistics of the table say.
"""

from migrations import indexes

#: A concurrent index build cannot run inside a transaction.
atomic = False

SQL = """
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_orders_provider_created
    ON product_orders ((COALESCE("providerId", '')), "createdAt" DESC, id DESC);
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_orders_kind ON product_orders (attention, "attentionAt", id)
    WHERE attention IS NOT NULL;
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_callback_events_provider
    ON referans.callback_events (provider_id, received_at DESC, id DESC);
"""
#: A build that was cut short leaves an index that is there but not used; it must go before IF NOT EXISTS sees it.
INVALID = """
SELECT index.indexrelid::regclass::text FROM pg_index AS index
WHERE index.indrelid IN ('product_orders'::regclass, 'referans.callback_events'::regclass) AND NOT index.indisvalid
  AND index.indexrelid::regclass::text ~ 'idx_(orders|callback_events)_'
"""


def up(migrator, db):
    indexes.build(db, SQL, INVALID)
