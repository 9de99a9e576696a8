"""Bringing the schema up to date, while a storefront writes, and when several processes try at the same time."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import peewee
from playhouse.migrations import Migration, Runner

import migrations
from models.db import database

#: The advisory lock of a migration: an arbitrary number, the same in every version of the gateway.
LOCK_ID = 7_261_001
#: Lock timeout in milliseconds; while a statement waits for its lock, the storefront's writes wait behind it.
LOCK_TIMEOUT_MS = 700
#: Tries at a lock that a long transaction holds.
LOCK_TRIES = 60
#: Between two tries, so that writers get through.
PAUSE_SECONDS = 0.5
MIGRATIONS = Path(migrations.__file__).parent


class MigrationBlocked(RuntimeError):
    """Another transaction held the orders table for too long; run `gateway migrate` again when it has ended."""


def migrate(
    database_url: str, *, schema: str = database.SCHEMA, echo: Callable[[str], None] = print
) -> list[str]:
    """Apply what is missing and return its names. Waits while another process migrates.

    The gateway's own tables stand in `schema`, which is made where it is missing.

    Raises MigrationBlocked if another transaction kept the table locked.
    """
    pool = _connect(database_url, schema)
    with pool.connection_context(), _only_one(pool, echo):
        pool.execute_sql(f'CREATE SCHEMA IF NOT EXISTS "{schema}"')
        missing = pending(pool)
        for name in missing:
            echo(f"applying {name}")
            _apply(pool, name, echo)
    pool.close_all()
    return missing


def pending(pool: database.Pool) -> list[str]:
    """Names of the migrations that `pool`'s database lacks; needs an open connection."""
    return [
        migration.name for migration in _runner(pool).status() if migration.path and not migration.applied
    ]


def script(database_url: str, *, schema: str = database.SCHEMA) -> str:
    """What is missing, as SQL that an administrator can run by hand with psql; applies nothing."""
    pool = _connect(database_url, schema)
    with pool.connection_context():
        missing = [m for m in _runner(pool).status() if m.path and not m.applied]
    pool.close_all()
    if not missing:
        return "-- nothing is missing\n"
    create = f'CREATE SCHEMA IF NOT EXISTS "{schema}";'
    return "\n".join(
        [create, *(database.qualified(text, schema) for text in (HISTORY, *map(_as_sql, missing)))]
    )


HISTORY = """\
CREATE TABLE IF NOT EXISTS referans.schema_migration (
    id serial PRIMARY KEY, name varchar(255) NOT NULL UNIQUE, applied timestamp NOT NULL
);"""


def _as_sql(migration: Migration) -> str:
    body = migration.load().SQL.strip()
    done = (
        "INSERT INTO referans.schema_migration (name, applied)"
        f" VALUES ('{migration.name}', now() AT TIME ZONE 'UTC');"
    )
    return f"\n-- {migration.name}\n{body}\n{done}\n"


def _connect(database_url: str, schema: str) -> database.Pool:
    """Without a statement timeout: building an index may take longer than any statement of the running gateway."""
    options = f"-c timezone=UTC -c lock_timeout={LOCK_TIMEOUT_MS}"
    return database.connect(
        database_url, pool_size=1, name="referans-migrate", session_options=options, schema=schema
    )


def _runner(pool: database.Pool) -> Runner:
    return Runner(pool, str(MIGRATIONS), schema=pool.schema)


@contextmanager
def _only_one(pool: database.Pool, echo: Callable[[str], None]) -> Iterator[None]:
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


def _apply(pool: database.Pool, name: str, echo: Callable[[str], None]) -> None:
    for _ in range(LOCK_TRIES):
        try:
            _runner(pool).up(name)
            return
        except peewee.OperationalError as error:
            if database.sqlstate(error) != database.LOCK_NOT_AVAILABLE:
                raise
            echo(f"{name}: the orders table is locked by another transaction; trying again")
            time.sleep(PAUSE_SECONDS)
    raise MigrationBlocked(f"{name}: {MigrationBlocked.__doc__}")
