"""Moving the gateway's own tables into its schema, from where versions before 0022 had them: beside the orders table.

They are known by their columns: other systems have tables of the same names there. A view takes the place of each, so
that processes of the version before, which name it without a schema, go on reading and writing it. The history of
migrations is copied and stays: playhouse, with which those processes look for it, sees no views.

Each table moves in a transaction of its own: one that holds some tables and waits for the next deadlocks with the
statements under way. What was not moved yet when it stops is moved the next time.

The views, and that history, are dropped by a migration of a later version.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from models.db import database, expected
from models.db.expected import HISTORY, quoted

#: A table that a database of a version before certainly has, and that moves last; one of few columns proves nothing.
CERTAIN = "order_events"


@dataclass(frozen=True, slots=True)
class Table:
    """A table of ours beside the orders table."""

    name: str
    #: Whether the role that asks may change it.
    is_mine: bool
    #: As SQL.
    owner: str
    #: What other roles may do with it: (role, rights), both as SQL.
    grants: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Earlier:
    """What a version before has left beside the orders table."""

    #: The schema, as SQL.
    home: str
    tables: tuple[Table, ...]
    #: Whether the history of the migrations stands there.
    has_history: bool

    @property
    def names(self) -> list[str]:
        """The names of the tables."""
        return [table.name for table in self.tables]


def find(pool: database.Pool) -> Earlier | None:
    """What is to be moved; None if nothing is. Reads the catalogue only; needs an open connection."""
    home = expected.home(pool)
    rows = pool.execute_sql(TABLES, (home, [*expected.own_tables(), HISTORY])).fetchall()
    columns = {name: set(names) for name, names, *_ in rows}
    ours = [name for name in expected.own_tables() if columns.get(name, set()) >= expected.created(name)]
    if CERTAIN not in ours:
        return None
    ours.sort(key=lambda name: name == CERTAIN)
    found = {name: (is_mine, owner) for name, _, is_mine, owner in rows}
    rights: dict[str, list[tuple[str, str]]] = {}
    for name, role, granted in pool.execute_sql(GRANTS, (home, ours)).fetchall():
        rights.setdefault(name, []).append((role, granted))
    return Earlier(
        quoted(home),
        tuple(Table(name, *found[name], tuple(rights.get(name, ()))) for name in ours),
        columns.get(HISTORY, set()) >= {"id", "name", "applied"},
    )


def rights(earlier: Earlier, schema: str) -> Iterator[str]:
    """The statements that let those see the schema who have rights on the tables."""
    # PostgreSQL checks a reference to a table as the owner of that table.
    owners = ", ".join(sorted({table.owner for table in earlier.tables}))
    yield f"GRANT USAGE, CREATE ON SCHEMA {quoted(schema)} TO {owners}"
    if roles := sorted({role for table in earlier.tables for role, _ in table.grants}):
        yield f"GRANT USAGE ON SCHEMA {quoted(schema)} TO {', '.join(roles)}"


def move(earlier: Earlier, table: Table, schema: str) -> list[str]:
    """The statements that move a table, with its indexes and sequences, and make its view; one transaction."""
    view = f"{earlier.home}.{table.name}"
    # Whoever runs this owns the view; the owner of the table may be another role.
    given = ((table.owner, "SELECT, INSERT, UPDATE, DELETE"), *table.grants)
    return [
        f"ALTER TABLE {view} SET SCHEMA {quoted(schema)}",
        f"CREATE VIEW {view} AS SELECT * FROM {quoted(schema)}.{table.name}",
        f"COMMENT ON VIEW {view} IS '{COMMENT}'",
        *(f"GRANT {granted} ON {view} TO {role}" for role, granted in given),
        *(_copied_history(earlier) if table.name == CERTAIN else ()),
    ]


def _copied_history(earlier: Earlier) -> Iterator[str]:
    """The statement that records in the schema what was applied before, of our migrations only."""
    if earlier.has_history:
        names = ", ".join(f"'{step.name}'" for step in expected.steps())
        yield (
            f"INSERT INTO referans.{HISTORY} (name, applied)"
            f" SELECT name, applied FROM {earlier.home}.{HISTORY} WHERE name IN ({names})"
            " ON CONFLICT (name) DO NOTHING"
        )


def columns() -> list[str]:
    """By which CERTAIN is known."""
    return sorted(expected.created(CERTAIN))


COMMENT = "For processes of the version before. The table stands in the schema of DATABASE_SCHEMA."
TABLES = """
SELECT c.relname, array_agg(a.attname::text), pg_has_role(c.relowner, 'USAGE'),
    quote_ident(pg_get_userbyid(c.relowner))
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relkind IN ('r', 'p') AND n.nspname = %s AND c.relname = ANY (%s)
GROUP BY c.oid
"""
GRANTS = """
SELECT c.relname, CASE WHEN acl.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(acl.grantee)) END,
    string_agg(acl.privilege_type, ', ' ORDER BY acl.privilege_type)
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
CROSS JOIN aclexplode(c.relacl) AS acl
WHERE n.nspname = %s AND c.relname = ANY (%s) AND acl.grantee <> c.relowner
    AND acl.privilege_type IN ('SELECT', 'INSERT', 'UPDATE', 'DELETE')
GROUP BY c.relname, acl.grantee
"""
#: Other schemas in which a table of this name has all of these columns.
ELSEWHERE = """
SELECT n.nspname
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relkind IN ('r', 'p') AND c.relname = %s AND n.nspname <> %s
GROUP BY n.nspname HAVING array_agg(a.attname::text) @> %s::text[]
ORDER BY n.nspname
"""
