"""How the balance with each provider moved, by quarters of an hour; and since when its callbacks fall short."""

SQL = """
CREATE TABLE IF NOT EXISTS referans.balance_points (
    provider_id text NOT NULL,
    at timestamptz NOT NULL,
    balance numeric NOT NULL,
    currency text,
    PRIMARY KEY (provider_id, at)
);
ALTER TABLE referans.provider_health ADD COLUMN IF NOT EXISTS callbacks_low_since timestamptz;
"""


def up(migrator, db):
    db.execute_sql(SQL)
