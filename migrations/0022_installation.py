"""What `gateway migrate` decides once for an installation, and keeps: one row.

`seal_pins`: whether codes in the orders table are sealed where SEAL_PINS is `auto`.
"""

SQL = """
CREATE TABLE IF NOT EXISTS referans.installation (
    is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only),
    seal_pins boolean NOT NULL,
    decided_at timestamptz NOT NULL DEFAULT now()
);
"""


def up(migrator, db):
    db.execute_sql(SQL)
