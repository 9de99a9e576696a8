"""What a database lacks, as a script that an administrator runs with psql.

It stops at its first error. What touches the orders table is a transaction of its own behind the one for all other
tables, so that the storefront waits for as few statements as possible. In one with them it would wait for a statement
that has read the orders table and waits for one of them: for its lock timeout, with everybody behind it. Indexes are
built beside writers, and each table of a version before is moved in a transaction of its own.
"""

import re
from collections.abc import Iterable, Iterator

from models.db import database, expected, installation, moving, pin_column, rights, state
from models.db.expected import ORDERS, Step, quoted, statements
from models.db.moving import Earlier

#: Lock timeout in the script, as SQL: nobody waits for longer behind a statement that waits.
LOCK_TIMEOUT = "'700ms'"
#: A statement about the orders table.
ON_ORDERS = re.compile(rf"\b{ORDERS}\b")
NOTHING = "-- nothing is missing\n"
HEAD = """\
\\set ON_ERROR_STOP on
-- Run it with psql, as the owner of {orders} or as a superuser. It stops at the first error, and leaves nothing of the
-- transaction it stops in: print the rest again with `gateway migrate --sql`, and run that. At "lock timeout", another
-- transaction held a table; run it again.
SET client_min_messages = warning;
SET search_path = {home};
SET lock_timeout = {timeout};"""
MOVE = """\
DO $$
BEGIN
    FOR attempt IN 1..60 LOOP
        BEGIN
{work}            RETURN;
        EXCEPTION WHEN lock_not_available OR deadlock_detected THEN
            PERFORM pg_sleep(0.5);
        END;
    END LOOP;
    RAISE EXCEPTION '{table} is locked by another transaction';
END
$$;"""
HISTORY = """\
CREATE TABLE IF NOT EXISTS referans.schema_migration (
    id serial PRIMARY KEY, name varchar(255) NOT NULL UNIQUE, applied timestamp NOT NULL
)"""


def create_schema(pool: database.Pool) -> str:
    """The statement that makes the schema of the gateway's own tables."""
    return f"CREATE SCHEMA {quoted(pool.schema)}"


def write(pool: database.Pool, role: str | None = None) -> str:
    """The script, with what `role` needs to run the gateway; needs an open connection."""
    lacking, home = state.read(pool), expected.home(pool)
    begin = [HISTORY] if lacking.steps else []
    if not pool.execute_sql("SELECT FROM pg_namespace WHERE nspname = %s", (pool.schema,)).rowcount:
        begin.insert(0, create_schema(pool))
    moved = [*_moved(begin, lacking.earlier, pool.schema)] if lacking.earlier else []
    own, on_orders = _split([step for step in lacking.steps if step.is_atomic])
    ending = [*on_orders, *_decided(pool, lacking.steps, home), *_widened(pool, home)]
    if role:
        own += rights.grants(pool, home, role)
        ending.append(rights.grant_on_orders(home, quoted(role)))
    parts = [*moved, *_transaction([*([] if moved else begin), *own]), *_transaction(ending)]
    for step in lacking.steps:
        if not step.is_atomic:
            parts += _built(step, lacking.found.invalid)
    if not parts:
        return NOTHING
    head = HEAD.format(orders=ORDERS, home=quoted(home), timeout=LOCK_TIMEOUT)
    return head + "\n" + database.qualified("\n".join(parts), pool.schema) + "\n"


def _moved(begin: Iterable[str], earlier: Earlier, schema: str) -> Iterator[str]:
    """Each table in one statement, which tries again while the table is locked."""
    yield "-- the tables of the version before, with views in their place"
    yield from _transaction([*begin, *moving.rights(earlier, schema)])
    for table in earlier.tables:
        work = "".join(f"            {each};\n" for each in moving.move(earlier, table, schema))
        yield MOVE.format(table=table.name, work=work)


def _split(steps: Iterable[Step]) -> tuple[list[str], list[str]]:
    """The statements of migrations about the gateway's own tables, and about the orders table."""
    own: list[str] = []
    on_orders: list[str] = []
    for step in steps:
        found = list(statements(step.sql))
        own.append(f"-- {step.name}")
        own += [each for each in found if not ON_ORDERS.search(each)]
        if about := [each for each in found if ON_ORDERS.search(each)]:
            on_orders += [f"-- {step.name}", *about, _recorded(step)]
        else:
            own.append(_recorded(step))
    return own, on_orders


def _decided(pool: database.Pool, steps: Iterable[Step], home: str) -> list[str]:
    """What `gateway migrate` decides once."""
    is_new = any("installation" in step.created for step in steps)
    return [installation.decision(home)] if is_new or installation.is_undecided(pool) else []


def _widened(pool: database.Pool, home: str) -> list[str]:
    limit = pin_column.limit(pool)
    if limit is None:
        return []
    users = pin_column.users(pool)
    return [f"-- {pin_column.in_words(limit, users)}"] if users else [pin_column.widening(home)]


def _built(step: Step, invalid: dict[str, str]) -> Iterator[str]:
    """Statements that run by themselves. IF NOT EXISTS would take an index whose build was cut short for whole."""
    yield f"\n-- {step.name}\nSET lock_timeout = 0;"
    for name in step.indexes:
        if name in invalid:
            yield f"DROP INDEX CONCURRENTLY {invalid[name]};"
    yield from (f"{each};" for each in statements(step.sql))
    yield f"{_recorded(step)};"


def _recorded(step: Step) -> str:
    return (
        f"INSERT INTO referans.schema_migration (name, applied)"
        f" VALUES ('{step.name}', now() AT TIME ZONE 'UTC') ON CONFLICT (name) DO NOTHING"
    )


def _transaction(work: list[str]) -> Iterator[str]:
    if any(not each.startswith("--") for each in work):
        yield "BEGIN;"
        yield from (each if each.startswith("--") else f"{each};" for each in work)
        yield "COMMIT;"
