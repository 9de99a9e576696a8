"""What the processes measure: counts, and how long things take. Each adds to it in batches."""

#: Rows are changed every few seconds by each process: room in each page lets that happen in place.
SQL = """
CREATE TABLE IF NOT EXISTS referans.measurements (
    name text NOT NULL,
    labels text[] NOT NULL,
    counts bigint[] NOT NULL,
    total double precision NOT NULL,
    PRIMARY KEY (name, labels)
);
ALTER TABLE referans.measurements SET (fillfactor = 50);
"""


def up(migrator, db):
    db.execute_sql(SQL)
