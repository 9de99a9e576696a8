"""What keeps orders from a provider: the open breaker, a pause, a balance that is used up; and the known balance.

`returned_at` is set while orders that waited for the provider are still to be taken up.
"""

SQL = """
ALTER TABLE referans.provider_health
    ADD COLUMN IF NOT EXISTS down_since timestamptz,
    ADD COLUMN IF NOT EXISTS returned_at timestamptz,
    ADD COLUMN IF NOT EXISTS paused_at timestamptz,
    ADD COLUMN IF NOT EXISTS paused_by text,
    ADD COLUMN IF NOT EXISTS pause_reason text,
    ADD COLUMN IF NOT EXISTS lacks_balance boolean NOT NULL DEFAULT false,
    ADD COLUMN IF NOT EXISTS paused_balance numeric,
    ADD COLUMN IF NOT EXISTS account_refusals integer NOT NULL DEFAULT 0,
    ADD COLUMN IF NOT EXISTS balance numeric,
    ADD COLUMN IF NOT EXISTS balance_currency text,
    ADD COLUMN IF NOT EXISTS balance_at timestamptz;
"""


def up(migrator, db):
    db.execute_sql(SQL)
