"""Indexes on the inbox, for people who look for one callback among a month of them; built without stopping writes.

The rest rides what is there: time on `received_at`, a rare provider on the unique key. Most callbacks are applied,
so that result has no index of its own and costs nothing here.
"""

#: A concurrent index build cannot run inside a transaction.
atomic = False

SQL = """
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_callback_events_order ON callback_events (order_id)
    WHERE order_id IS NOT NULL;
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_callback_events_result ON callback_events (result, received_at)
    WHERE result <> 'applied';
"""
#: A build that was cut short leaves an index that is there but not used; it must go before IF NOT EXISTS sees it.
INVALID = """
SELECT index.indexrelid::regclass::text FROM pg_index AS index
WHERE index.indrelid = 'callback_events'::regclass AND NOT index.indisvalid
"""


def up(migrator, db):
    # A build waits for older transactions without holding up anybody's writes: let it.
    db.execute_sql("SET lock_timeout = 0")
    for (name,) in db.execute_sql(INVALID).fetchall():
        db.execute_sql(f"DROP INDEX CONCURRENTLY {name}")
    for statement in filter(None, map(str.strip, SQL.split(";\n"))):
        db.execute_sql(statement)
    if db.execute_sql(INVALID).fetchall():
        raise RuntimeError("an index on callback_events did not build; run `gateway migrate` again")
