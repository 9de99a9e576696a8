"""`gateway migrate`: brings the schema up to date; the first step of a deploy."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import peewee
import typer

from gateway import settings
from gateway.commands.context import Problem, first_line
from gateway.commands.printing import block, counted, note, say
from models.db import database
from models.db import migrate as schema

#: Longest wait for a database that is starting or moving, in seconds.
PATIENCE_SECONDS = 30.0
PAUSE_SECONDS = 1.0


def migrate(
    sql: bool = typer.Option(
        False, "--sql", help="Print the missing steps as SQL to run by hand; apply nothing."
    ),
    role: str = typer.Option(
        "", "--role", help="With --sql: also print the rights that this role needs to run the gateway."
    ),
) -> None:
    """Bring the database schema up to date. Safe while a storefront writes, and if several run at once.

    The gateway's own tables stand in the schema DATABASE_SCHEMA. To apply what is missing takes the rights of the owner
    of product_orders. With --sql, any role can print it, for an administrator to run; psql stops at the first error.

    Example: gateway migrate --sql --role gateway | psql "$ADMINISTRATORS_URL"
    """
    if role and not sql:
        raise typer.BadParameter("it goes with --sql", param_hint="--role")
    found = settings.load_or_exit(require=("DATABASE_URL",))
    url = found.database_url.get_secret_value()
    wait_for_database(url, PATIENCE_SECONDS)
    if sql:
        with _explained():
            block(schema.sql(url, schema=found.database_schema, role=role or None))
    else:
        apply(url, found.database_schema)


def apply(url: str, schema_name: str) -> None:
    """Apply the missing steps and say so. Raises Problem if something keeps them from being applied.

    `schema_name` is where the gateway's own tables stand.
    """
    with _explained():
        applied = schema.migrate(url, schema=schema_name, echo=say)
    say(f"{counted(len(applied), 'migration')} applied." if applied else "The database schema is up to date.")


@contextmanager
def _explained() -> Iterator[None]:
    """Raise what may go wrong as a Problem. It never says to migrate, which is what was tried."""
    try:
        yield
    except database.UNAVAILABLE as error:
        raise Problem(f"the database does not answer: {first_line(error)}") from None
    except peewee.DatabaseError as error:
        instead = "an administrator can run the steps by hand: gateway migrate --sql --role ROLE"
        raise Problem(f"a step failed, and left nothing: {first_line(error)}; {instead}") from None
    except RuntimeError as error:
        raise Problem(str(error)) from None


def wait_for_database(url: str, patience_seconds: float) -> None:
    """Return once the database lets us in. Raises Problem, with the reason, after `patience_seconds`.

    Each reason is told once: most go by themselves, and a wrong password does not.
    """
    deadline = time.monotonic() + patience_seconds
    pool = database.connect(url, pool_size=1, name="referans-migrate")
    told = ""
    while reason := _why_away(pool):
        if time.monotonic() >= deadline:
            raise Problem(
                f"no connection to the database within {patience_seconds:.15g} s: {reason}; check DATABASE_URL"
            )
        if reason != told:
            note(f"waiting for the database: {reason}")
        told = reason
        time.sleep(PAUSE_SECONDS)
    pool.close_all()


def _why_away(pool: peewee.Database) -> str:
    try:
        with pool.connection_context():
            pool.execute_sql("SELECT 1")
    except database.UNAVAILABLE as error:
        return first_line(error)
    return ""
