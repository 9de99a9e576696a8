"""What `gateway migrate` decides once for an installation, and keeps."""

from models.db import database, expected
from models.db.expected import ORDERS, quoted


def decide(pool: database.Pool) -> None:
    """Decide what has not been decided yet; needs an open connection."""
    if pool.execute_sql(DECIDED).fetchone() is None:
        pool.execute_sql(decision(expected.home(pool)))


def is_undecided(pool: database.Pool) -> bool:
    """Whether something is certainly not decided yet, as far as the role may see; needs an open connection."""
    known = pool.execute_sql(READABLE, (pool.schema,)).fetchone()
    return bool(known and known[0]) and pool.execute_sql(DECIDED).fetchone() is None


def decision(home: str) -> str:
    """The statement that decides it; does nothing where it was decided before.

    `seal_pins`: codes stand in clear on an orders table that has columns which no migration of ours adds, since the
    system that has them shows the codes to its customers; elsewhere they are sealed.
    """
    ours = ", ".join(f"'{name}'" for name in sorted(expected.columns()[ORDERS]))
    return f"""\
INSERT INTO referans.installation (seal_pins)
SELECT NOT EXISTS (
    SELECT FROM pg_attribute
    WHERE attrelid = '{quoted(home).replace("'", "''")}.{ORDERS}'::regclass AND attnum > 0 AND NOT attisdropped
        AND attname NOT IN ({ours})
)
ON CONFLICT DO NOTHING"""


DECIDED = "SELECT seal_pins FROM referans.installation"
READABLE = """
SELECT has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname = %s AND c.relname = 'installation' AND c.relkind = 'r'
"""
