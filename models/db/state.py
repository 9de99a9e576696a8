"""How far a database is: which migrations it lacks, by the history and by what is there."""

from dataclasses import dataclass

from models.db import database, expected, moving
from models.db.expected import HISTORY, Found, Step
from models.db.moving import Earlier


@dataclass(frozen=True, slots=True)
class State:
    """What a database lacks."""

    #: The schema of the gateway's own tables.
    schema: str
    #: Migrations that were not applied.
    pending: tuple[Step, ...]
    #: Migrations that were, but of which something is missing.
    broken: tuple[Step, ...]
    found: Found
    #: Tables of ours that a version before has left beside the orders table.
    earlier: Earlier | None

    @property
    def steps(self) -> list[Step]:
        """The migrations to apply, in order."""
        return sorted((*self.pending, *self.broken), key=lambda step: step.name)

    def in_words(self) -> str:
        """What is missing; empty if nothing is."""
        said = []
        if self.pending:
            said.append(f"pending: {', '.join(step.name for step in self.pending)}")
        if self.broken:
            places = [place for step in self.broken for place in expected.lacking(self.found, step)]
            said.append(f"recorded as applied, but missing: {expected.in_words(places, self.schema)}")
        return "; ".join(said)


def read(pool: database.Pool) -> State:
    """What the database of `pool` lacks; needs an open connection.

    Where the history may not be read, a migration counts as applied if everything that it makes is there.
    """
    applied = _history(pool, pool.schema)
    earlier = None if applied else moving.find(pool)
    if earlier and earlier.has_history:
        applied = _history(pool, expected.home(pool))
    found = expected.look(pool, earlier.names if earlier else ())
    if applied is None:
        pending = [step for step in expected.steps() if not expected.is_there(found, step)]
        return State(pool.schema, tuple(pending), (), found, earlier)
    pending = [step for step in expected.steps() if step.name not in applied]
    broken = expected.missing(found, applied)
    return State(pool.schema, tuple(pending), tuple(broken), found, earlier)


def _history(pool: database.Pool, schema: str) -> set[str] | None:
    """The names of the migrations that are recorded in `schema`; None if they may not be read."""
    known = pool.execute_sql(READABLE, (schema, HISTORY)).fetchone()
    if known is None:
        return set()
    if not known[0]:
        return None
    place = f"{expected.quoted(schema)}.{HISTORY}"
    return {name for (name,) in pool.execute_sql(f"SELECT name FROM {place}").fetchall()}


#: Whether the history may be read, if it is one.
READABLE = """
SELECT has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname = %s AND c.relname = %s AND c.relkind IN ('r', 'p')
    AND (SELECT count(*) FROM pg_attribute AS a WHERE a.attrelid = c.oid AND a.attname IN ('name', 'applied')) = 2
"""
