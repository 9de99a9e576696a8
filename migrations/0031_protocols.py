"""Protocol files that `gateway protocols add` stores for every process, each with its sample exchanges."""

SQL = """
CREATE TABLE IF NOT EXISTS referans.protocols (
    name text PRIMARY KEY,
    file text NOT NULL,
    samples text NOT NULL,
    added_at timestamptz NOT NULL DEFAULT now()
);
"""


def up(migrator, db):
    db.execute_sql(SQL)
