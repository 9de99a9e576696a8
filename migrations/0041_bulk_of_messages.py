"""Actions on all callbacks or notifications that match: how far each is, by the number of the last one that is done."""

SQL = """
ALTER TABLE referans.bulk_actions
    ADD COLUMN IF NOT EXISTS what text NOT NULL DEFAULT 'orders',
    ADD COLUMN IF NOT EXISTS "position" bigint NOT NULL DEFAULT 0,
    ADD COLUMN IF NOT EXISTS last_id bigint,
    ADD COLUMN IF NOT EXISTS done integer NOT NULL DEFAULT 0,
    ADD COLUMN IF NOT EXISTS refused integer NOT NULL DEFAULT 0,
    ADD COLUMN IF NOT EXISTS became jsonb NOT NULL DEFAULT '{}',
    ADD COLUMN IF NOT EXISTS refusal text;
"""


def up(migrator, db):
    db.execute_sql(SQL)
