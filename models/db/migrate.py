"""Bringing the schema up to date, while a storefront writes, and when several processes try at the same time."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import peewee
from playhouse.migrations import Runner

from models.db import database, expected, installation, moving, pin_column, rights, script, state
from models.db.expected import ORDERS, Step, quoted
from models.db.moving import Earlier, Table
from models.db.state import State

#: The advisory lock of a migration: an arbitrary number, the same in every version of the gateway.
LOCK_ID = 7_261_001
#: Lock timeout in milliseconds; while a statement waits for its lock, the storefront's writes wait behind it.
LOCK_TIMEOUT_MS = 700
#: Tries at a lock that a long transaction holds.
LOCK_TRIES = 60
#: Between two tries, so that writers get through.
PAUSE_SECONDS = 0.5
#: The SQLSTATEs of a statement that came too late for its lock.
LOCKED = (database.LOCK_NOT_AVAILABLE, "40P01")
#: The SQLSTATE of a change that something else forbids, such as a view that uses the column.
FORBIDDEN = "0A000"

Echo = Callable[[str], None]


class MigrationBlocked(RuntimeError):
    """Another transaction held the table for too long; run `gateway migrate` again when it has ended."""


class NotPermitted(RuntimeError):
    """The role of DATABASE_URL lacks rights; the message names the statements that give them."""


class InTheWay(RuntimeError):
    """Something else stands where the gateway's tables belong; the message says what, and what to do."""


def migrate(database_url: str, *, schema: str = database.SCHEMA, echo: Echo = print) -> list[str]:
    """Apply what is missing and return its names. Waits while another process migrates.

    The gateway's own tables stand in `schema`, which is made where it is missing; tables of a version before are moved
    there. Raises MigrationBlocked if another transaction kept a table locked, NotPermitted, InTheWay.
    """
    pool = _connect(database_url, schema)
    with pool.connection_context(), _only_one(pool, echo):
        before = state.read(pool)
        if before.steps or before.earlier:
            _tell_of_others(pool, before, echo)
            _refuse_what_cannot_be(pool, before)
            # For the table of a fresh database: a role of the schema's name has the schema in its search path.
            pool.execute_sql(f"SET search_path = {quoted(expected.home(pool))}")
            _prepare(pool, before.earlier, echo)
        applied = [_apply(pool, step, echo) for step in before.steps]
        _settle(pool, echo)
    pool.close_all()
    return applied


def sql(database_url: str, *, schema: str = database.SCHEMA, role: str | None = None) -> str:
    """What is missing, as a script for psql; with the rights that `role` needs to run the gateway. Applies nothing."""
    pool = _connect(database_url, schema)
    with pool.connection_context():
        written = script.write(pool, role)
    pool.close_all()
    return written


def _refuse_what_cannot_be(pool: database.Pool, before: State) -> None:
    """Raises InTheWay and NotPermitted before anything was changed."""
    home = expected.home(pool)
    if home == pool.schema:
        raise InTheWay(f"{ORDERS} stands in the schema {home}: set DATABASE_SCHEMA to another name")
    if before.earlier and (twice := [name for name in before.earlier.names if _is_in_schema(pool, name)]):
        raise InTheWay(
            f"{', '.join(twice)}: in the schema {home} and in {pool.schema}; rename the one that is not in use"
        )
    for step in before.steps:
        for table in set(step.created) - {ORDERS}:
            if table not in (before.earlier.names if before.earlier else ()) and _is_in_schema(pool, table):
                _refuse_other_columns(before, step, table)
    if lacks := list(rights.lacking(pool, before.steps, before.earlier, home)):
        raise NotPermitted(rights.in_words(pool, lacks))


def _tell_of_others(pool: database.Pool, before: State, echo: Echo) -> None:
    """Whoever gives DATABASE_SCHEMA another name would otherwise find an empty gateway."""
    if before.earlier or len(before.pending) < len(expected.steps()):
        return
    for (name,) in pool.execute_sql(
        moving.ELSEWHERE, (moving.CERTAIN, pool.schema, moving.columns())
    ).fetchall():
        echo(
            f"note: the tables of a gateway stand in the schema {name} too; if they are this one's, set"
            f" DATABASE_SCHEMA={name}"
        )


def _is_in_schema(pool: database.Pool, table: str) -> bool:
    named = "SELECT FROM pg_class WHERE relname = %s AND relnamespace = to_regnamespace(%s)"
    return bool(pool.execute_sql(named, (table, quoted(pool.schema))).rowcount)


def _refuse_other_columns(before: State, step: Step, table: str) -> None:
    """CREATE TABLE IF NOT EXISTS would take it for ours. Raises InTheWay."""
    if lacking := sorted(step.created[table] - before.found.columns.get(table, set())):
        raise InTheWay(
            f"{before.schema}.{table} is not the gateway's table, or is damaged: it lacks {', '.join(lacking)};"
            " rename it or add what it lacks, or set DATABASE_SCHEMA to another name, and then migrate"
        )


def _prepare(pool: database.Pool, earlier: Earlier | None, echo: Echo) -> None:
    """The schema, with the tables of a version before."""
    with pool.atomic():
        if not pool.execute_sql("SELECT FROM pg_namespace WHERE nspname = %s", (pool.schema,)).rowcount:
            pool.execute_sql(script.create_schema(pool))
        pool.execute_sql(script.HISTORY)
        for statement in moving.rights(earlier, pool.schema) if earlier else ():
            pool.execute_sql(statement)
    if earlier:
        echo(f"moving {len(earlier.tables)} tables to the schema {pool.schema}")
        for table in earlier.tables:
            _patiently(table.name, partial(_move, pool, earlier, table), echo)


def _move(pool: database.Pool, earlier: Earlier, table: Table) -> None:
    with pool.atomic():
        pool.execute_sql("; ".join(moving.move(earlier, table, pool.schema)))


def _apply(pool: database.Pool, step: Step, echo: Echo) -> str:
    echo(f"applying {step.name}")
    # Recorded, but something of it is missing: every migration can be applied again.
    pool.execute_sql("DELETE FROM referans.schema_migration WHERE name = %s", (step.name,))
    runner = Runner(pool, str(expected.DIRECTORY), schema=pool.schema)
    _patiently(step.name, lambda: runner.up(step.name), echo)
    return step.name


def _settle(pool: database.Pool, echo: Echo) -> None:
    """What is decided once, the column for codes, and what the role lacks if it is to run the gateway, too."""
    installation.decide(pool)
    _widen(pool, echo)
    for lack in rights.to_run(pool, expected.home(pool)):
        echo(
            f"note: this role {lack.what}; if it is to run the gateway, an administrator gives it: {lack.cure}"
        )


def _widen(pool: database.Pool, echo: Echo) -> None:
    limit, users = pin_column.limit(pool), pin_column.users(pool)
    if limit is None:
        return
    if not users:
        try:
            _patiently("pinCode", lambda: pool.execute_sql(pin_column.widening(expected.home(pool))), echo)
            return
        except peewee.DatabaseError as error:
            if database.sqlstate(error) == database.NOT_PERMITTED:
                echo(
                    f"{pin_column.in_words(limit, users)}; an administrator can widen it: gateway migrate --sql"
                )
                return
            if database.sqlstate(error) != FORBIDDEN:
                raise
    echo(pin_column.in_words(limit, users))


def _connect(database_url: str, schema: str) -> database.Pool:
    """Without a statement timeout: building an index may take longer than any statement of the running gateway."""
    options = f"-c timezone=UTC -c lock_timeout={LOCK_TIMEOUT_MS}"
    return database.connect(
        database_url, pool_size=1, name="referans-migrate", session_options=options, schema=schema
    )


@contextmanager
def _only_one(pool: database.Pool, echo: Echo) -> Iterator[None]:
    """Polls: to block on the lock would deadlock with a concurrent index build, which waits for our transaction."""
    waited = False
    while not pool.execute_sql("SELECT pg_try_advisory_lock(%s)", (LOCK_ID,)).fetchone()[0]:
        if not waited:
            echo("another process is migrating; waiting for it")
        waited = True
        time.sleep(PAUSE_SECONDS)
    try:
        yield
    finally:
        pool.execute_sql("SELECT pg_advisory_unlock(%s)", (LOCK_ID,))


def _patiently(name: str, work: Callable[[], object], echo: Echo) -> None:
    """Do it, again while a lock is held by others. Raises MigrationBlocked."""
    for _ in range(LOCK_TRIES):
        try:
            work()
            return
        except peewee.OperationalError as error:
            if database.sqlstate(error) not in LOCKED:
                raise
            echo(f"{name}: a table is locked by another transaction; trying again")
            time.sleep(PAUSE_SECONDS)
    raise MigrationBlocked(f"{name}: {MigrationBlocked.__doc__}")
