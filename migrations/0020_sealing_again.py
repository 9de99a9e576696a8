"""How far `gateway keys rotate-encryption` has come in each table, so that it goes on where it was stopped."""

SQL = """
CREATE TABLE IF NOT EXISTS referans.sealing_progress (
    key_digest text NOT NULL,
    table_name text NOT NULL,
    after text[],
    is_done boolean NOT NULL DEFAULT false,
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (key_digest, table_name)
);
"""


def up(migrator, db):
    db.execute_sql(SQL)
