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
    """What forbids to widen it: views, triggers, generated columns, policies, … that use the column.

    Each on one line, since a script has them in a comment.
    """
    return [
        " ".join(name.split())
        for (name,) in pool.execute_sql(USERS, (expected.home(pool), ORDERS)).fetchall()
    ]


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
#: Defaults of the column itself, constraints and indexes are altered with it.
USERS = """
SELECT DISTINCT CASE
    WHEN view.relkind IN ('v', 'm') THEN 'the view ' || quote_ident(view.relname)
    WHEN computed.oid IS NOT NULL THEN 'the generated column ' || quote_ident(made.attname)
    ELSE 'the ' || pg_describe_object(uses.classid, uses.objid, uses.objsubid)
END
FROM pg_depend AS uses
JOIN pg_class AS c ON c.oid = uses.refobjid AND uses.refclassid = 'pg_class'::regclass
JOIN pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = uses.refobjsubid
LEFT JOIN pg_rewrite AS rule ON uses.classid = 'pg_rewrite'::regclass AND rule.oid = uses.objid
LEFT JOIN pg_class AS view ON view.oid = rule.ev_class
LEFT JOIN pg_attrdef AS computed ON uses.classid = 'pg_attrdef'::regclass AND computed.oid = uses.objid
LEFT JOIN pg_attribute AS made ON made.attrelid = computed.adrelid AND made.attnum = computed.adnum
WHERE n.nspname = %s AND c.relname = %s AND a.attname = 'pinCode'
    AND uses.classid NOT IN ('pg_class'::regclass, 'pg_constraint'::regclass, 'pg_statistic_ext'::regclass)
    AND computed.adnum IS DISTINCT FROM a.attnum
ORDER BY 1
"""
