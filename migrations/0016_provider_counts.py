"""What went wrong at each provider in the last hour, counted by five minutes; a row is used again an hour later."""

SQL = """
CREATE TABLE IF NOT EXISTS referans.provider_counts (
    provider_id text NOT NULL,
    kind text NOT NULL,
    slot integer NOT NULL,
    began_at timestamptz NOT NULL,
    count integer NOT NULL,
    last_at timestamptz NOT NULL,
    last_reason text,
    PRIMARY KEY (provider_id, kind, slot)
);
"""


def up(migrator, db):
    db.execute_sql(SQL)
