"""The column for a code, which other systems made for 120 characters; a sealed code is longer.

It is widened unless something that uses it forbids that. Codes that do not fit stand in `codes` only.
"""

from models.db import database, expected
from models.db.expected import ORDERS, quoted


def limit(pool: database.Pool) -> int | None:
    """How many characters "pinCode" takes; None if it takes any number. Needs an open connection."""
    found = pool.execute_sql(LIMIT, (expected.home(pool), ORDERS)).fetchone()
    return int(found[0]) if found else None


def users(pool: database.Pool) -> list[str]:
    """What forbids to widen it: views and rules that use the column."""
    return [name for (name,) in pool.execute_sql(USERS, (expected.home(pool), ORDERS)).fetchall()]


def widening(home: str) -> str:
    """The statement that widens it."""
    return f'ALTER TABLE {quoted(home)}.{ORDERS} ALTER COLUMN "pinCode" TYPE text'


def in_words(limit: int, users: list[str]) -> str:
    """What a limit means for codes, and what keeps it."""
    because = f", because {', '.join(users)} uses the column" if users else ""
    return f'"pinCode" takes {limit} characters{because}: longer codes stand in `codes` only'


LIMIT = """
SELECT a.atttypmod - 4
FROM pg_attribute AS a
JOIN pg_class AS c ON c.oid = a.attrelid
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname = %s AND c.relname = %s AND a.attname = 'pinCode' AND NOT a.attisdropped AND a.atttypmod > 4
"""
USERS = """
SELECT DISTINCT 'the view ' || quote_ident(view.relname)
FROM pg_depend AS uses
JOIN pg_rewrite AS rule ON rule.oid = uses.objid
JOIN pg_class AS view ON view.oid = rule.ev_class
JOIN pg_class AS c ON c.oid = uses.refobjid
JOIN pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = uses.refobjsubid
WHERE uses.classid = 'pg_rewrite'::regclass AND n.nspname = %s AND c.relname = %s AND a.attname = 'pinCode'
ORDER BY 1
"""
