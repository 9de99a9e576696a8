"""Indexes on the inbox, for people who look for one callback among a month of them; built without stopping writes.

The rest rides what is there: time on `received_at`, a rare provider on the unique key. Most callbacks are applied,
so that result has no index of its own and costs nothing here.
"""

from migrations import indexes

#: A concurrent index build cannot run inside a transaction.
atomic = False

SQL = """
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_callback_events_order ON referans.callback_events (order_id)
    WHERE order_id IS NOT NULL;
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_callback_events_result ON referans.callback_events (result, received_at)
    WHERE result <> 'applied';
"""
#: A build that was cut short leaves an index that is there but not used; it must go before IF NOT EXISTS sees it.
INVALID = """
SELECT index.indexrelid::regclass::text FROM pg_index AS index
WHERE index.indrelid = 'referans.callback_events'::regclass AND NOT index.indisvalid
"""


def up(migrator, db):
    indexes.build(db, SQL, INVALID)
