"""What the migrations make, read from their own text; and what of it a database lacks.

That a migration is recorded as applied does not say that its tables are there: IF NOT EXISTS takes another system's
table of the same name for ours, and a script that was run by hand may have stopped.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from playhouse.migrations import Migration

import migrations
from models.db import database

DIRECTORY = Path(migrations.__file__).parent
#: The table that the gateway shares with the storefront; every other one is its own.
ORDERS = "product_orders"
#: The table in which the migrations that are applied are recorded; playhouse makes it.
HISTORY = "schema_migration"

_TABLE = re.compile(r"CREATE TABLE IF NOT EXISTS (?:referans\.)?(\w+) \((.*)\)$", re.DOTALL)
_ALTERED = re.compile(r"ALTER TABLE (?:referans\.)?(\w+)\s")
_ADDED = re.compile(r"ADD COLUMN IF NOT EXISTS \"?(\w+)\"?\s")
_INDEX = re.compile(
    r"CREATE (?:UNIQUE )?INDEX (?:CONCURRENTLY )?IF NOT EXISTS (\w+)\s+ON (?:referans\.)?(\w+)"
)
_DROPPED = re.compile(r"DROP INDEX CONCURRENTLY IF EXISTS (?:referans\.)?(\w+)")
#: The first word of a part of CREATE TABLE that is no column.
_CONSTRAINT = re.compile(r"(?:UNIQUE|PRIMARY|FOREIGN|CHECK|CONSTRAINT|EXCLUDE)\b")


@dataclass(frozen=True, slots=True)
class Step:
    """One migration, and what it makes."""

    name: str
    sql: str
    #: Whether it runs in a transaction.
    is_atomic: bool
    #: By table, the columns of CREATE TABLE.
    created: Mapping[str, frozenset[str]]
    #: By table, the columns that are added.
    added: Mapping[str, frozenset[str]]
    #: By index, its table.
    indexes: Mapping[str, str]
    #: Indexes that it drops.
    dropped: frozenset[str]

    @property
    def tables(self) -> set[str]:
        """The tables that it makes or changes."""
        return {*self.created, *self.added, *self.indexes.values()}


@dataclass(slots=True)
class Found:
    """What a database has of ours."""

    #: By table.
    columns: dict[str, set[str]] = field(default_factory=dict)
    indexes: set[str] = field(default_factory=set)
    #: Indexes whose build was cut short: by name, as SQL.
    invalid: dict[str, str] = field(default_factory=dict)


@cache
def steps() -> tuple[Step, ...]:
    """Every migration, in order."""
    return tuple(_step(found) for found in Migration.load_directory(str(DIRECTORY)))


def _step(migration: Migration) -> Step:
    module = migration.load()
    created: dict[str, set[str]] = {}
    added: dict[str, set[str]] = {}
    indexes: dict[str, str] = {}
    for statement in statements(module.SQL):
        if table := _TABLE.match(statement):
            created.setdefault(table[1], set()).update(_columns(table[2]))
        elif altered := _ALTERED.match(statement):
            added.setdefault(altered[1], set()).update(_ADDED.findall(statement))
        elif index := _INDEX.match(statement):
            indexes[index[1]] = index[2]
    return Step(
        migration.name,
        module.SQL.strip(),
        getattr(module, "atomic", True),
        {table: frozenset(columns) for table, columns in created.items()},
        {table: frozenset(columns) for table, columns in added.items() if columns},
        indexes,
        frozenset(_DROPPED.findall(module.SQL)),
    )


def statements(sql: str) -> Iterator[str]:
    """The statements of a script, without their semicolons and without the comments before them.

    A semicolon ends one at the end of a line, unless the line stands within `$$`.
    """
    current: list[str] = []
    is_quoted = False
    for line in sql.strip().splitlines():
        if not current and (not line.strip() or line.startswith("--")):
            continue
        is_quoted ^= line.count("$$") % 2 == 1
        current.append(line)
        if line.rstrip().endswith(";") and not is_quoted:
            yield "\n".join(current).rstrip().removesuffix(";")
            current = []


def _columns(body: str) -> Iterator[str]:
    """The names of the columns in the parentheses of CREATE TABLE, which has one on each line."""
    for line in filter(None, map(str.strip, body.splitlines())):
        if not _CONSTRAINT.match(line):
            yield line.split()[0].strip('"')


def columns() -> dict[str, frozenset[str]]:
    """Every table with the columns that the migrations give it; without the history."""
    every: dict[str, frozenset[str]] = {}
    for step in steps():
        for given in (step.created, step.added):
            for table, names in given.items():
                every[table] = every.get(table, frozenset()) | names
    return every


def created(table: str) -> frozenset[str]:
    """The columns with which `table` was made: by these it is known to be ours."""
    return next(step.created[table] for step in steps() if table in step.created)


def own_tables() -> list[str]:
    """The gateway's own tables, in the order in which they are made; without the history."""
    return [table for step in steps() for table in step.created if table != ORDERS]


def home(pool: database.Pool) -> str:
    """The schema in which the orders table stands, as the search path finds it, or in which it is to be made.

    Never the gateway's own, which is in the search path of a role of the same name. Needs an open connection.
    """
    found: str = pool.execute_sql(HOME, (ORDERS, pool.schema)).fetchone()[0]
    return found


def look(pool: database.Pool, earlier: Sequence[str] = ()) -> Found:
    """What the database has: in the gateway's schema, the orders table, and tables of ours that stand beside it still.

    Reads the catalogue only, which every role may. Needs an open connection.
    """
    found, places = Found(), (pool.schema, home(pool), [ORDERS, *earlier])
    for table, names in pool.execute_sql(COLUMNS, places).fetchall():
        found.columns[table] = set(names)
    for name, is_valid, as_sql in pool.execute_sql(INDEXES, places).fetchall():
        if is_valid:
            found.indexes.add(name)
        else:
            found.invalid[name] = as_sql
    return found


def missing(found: Found, applied: Iterable[str]) -> list[Step]:
    """Migrations that are recorded as applied, but of whose tables or columns some are not there."""
    recorded = set(applied)
    return [step for step in steps() if step.name in recorded and any(lacking(found, step))]


def lacking(found: Found, step: Step) -> Iterator[str]:
    """The tables and columns of a migration that the database lacks, as people write them."""
    for given in (step.created, step.added):
        for table, names in given.items():
            place = table if table == ORDERS else f"referans.{table}"
            if table not in found.columns:
                yield place
                continue
            for name in sorted(names - found.columns[table]):
                yield f'{place}."{name}"' if name != name.lower() else f"{place}.{name}"


def is_there(found: Found, step: Step) -> bool:
    """Whether everything that a migration makes is there, indexes too, whatever the history says.

    Without indexes that a later one drops, where that is there.
    """
    droppers = [each for each in steps() if each.name > step.name and each.dropped]
    later = {name for each in droppers if is_there(found, each) for name in each.dropped}
    return not any(lacking(found, step)) and set(step.indexes) - later <= found.indexes


def in_words(places: Sequence[str], schema: str, most: int = 5) -> str:
    """Some of `places`, with the schema as it is called here."""
    shown = ", ".join(
        database.qualified(each, schema).replace('"' + schema + '"', schema) for each in places[:most]
    )
    return f"{shown} and {len(places) - most} more" if len(places) > most else shown


def quoted(name: str) -> str:
    """A name as SQL."""
    return '"' + name.replace('"', '""') + '"'


HOME = """
SELECT COALESCE(
    (SELECT n.nspname FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE c.oid = to_regclass(%s)),
    (SELECT name FROM unnest(current_schemas(false)) WITH ORDINALITY AS path (name, place)
    WHERE name <> %s ORDER BY place LIMIT 1),
    'public'
)
"""
COLUMNS = """
SELECT c.relname, array_agg(a.attname::text)
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relkind IN ('r', 'p') AND (n.nspname = %s OR n.nspname = %s AND c.relname = ANY (%s))
GROUP BY c.oid
"""
INDEXES = """
SELECT i.relname, x.indisvalid, format('%%I.%%I', n.nspname, i.relname)
FROM pg_index AS x
JOIN pg_class AS i ON i.oid = x.indexrelid
JOIN pg_class AS c ON c.oid = x.indrelid
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname = %s OR n.nspname = %s AND c.relname = ANY (%s)
"""
