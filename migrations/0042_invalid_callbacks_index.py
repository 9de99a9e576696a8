"""An index on the callbacks that could not be read, by number: a replay of all of them goes on where it was."""

from migrations import indexes

#: A concurrent index build cannot run inside a transaction.
atomic = False

SQL = """
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_callback_events_invalid ON referans.callback_events (id)
    WHERE result = 'invalid';
"""
#: A build that was cut short leaves an index that is there but not used; it must go before IF NOT EXISTS sees it.
INVALID = """
SELECT index.indexrelid::regclass::text FROM pg_index AS index
WHERE index.indrelid = 'referans.callback_events'::regclass AND NOT index.indisvalid
"""


def up(migrator, db):
    indexes.build(db, SQL, INVALID)
