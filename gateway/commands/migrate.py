"""`gateway migrate`: brings the schema up to date; the first step of a deploy."""

import time

import peewee
import typer

from gateway import settings
from gateway.commands.context import Problem, explained, first_line
from gateway.commands.printing import block, note, say
from models.db import database
from models.db import migrate as schema

#: Longest wait for a database that is starting or moving, in seconds.
PATIENCE_SECONDS = 30.0
PAUSE_SECONDS = 1.0


def migrate(
    sql: bool = typer.Option(
        False, "--sql", help="Print the missing steps as SQL to run by hand; apply nothing."
    ),
) -> None:
    """Bring the database schema up to date. Safe while a storefront writes, and if several run at once.

    Example: gateway migrate --sql | psql "$DATABASE_URL"
    """
    found = settings.load_or_exit(require=("DATABASE_URL",))
    url = found.database_url.get_secret_value()
    wait_for_database(url, PATIENCE_SECONDS)
    with explained():
        if sql:
            return block(schema.script(url, schema=found.database_schema))
        apply(url, found.database_schema)


def apply(url: str, schema_name: str) -> None:
    """Apply the missing steps and say so. Raises Problem if another transaction blocks them.

    `schema_name` is where the gateway's own tables stand.
    """
    try:
        applied = schema.migrate(url, schema=schema_name, echo=say)
    except RuntimeError as error:
        raise Problem(str(error)) from None
    say(f"{len(applied)} migrations applied." if applied else "The database schema is up to date.")


def wait_for_database(url: str, patience_seconds: float) -> None:
    """Return once the database answers. Raises Problem, with the reason, after `patience_seconds`."""
    deadline = time.monotonic() + patience_seconds
    pool = database.connect(url, pool_size=1, name="referans-migrate")
    while reason := _why_away(pool):
        if time.monotonic() >= deadline:
            raise Problem(
                f"no answer from the database for {patience_seconds:g} s: {reason}; check DATABASE_URL"
            )
        note(f"waiting for the database: {reason}")
        time.sleep(PAUSE_SECONDS)
    pool.close_all()


def _why_away(pool: peewee.Database) -> str:
    try:
        with pool.connection_context():
            pool.execute_sql("SELECT 1")
    except database.UNAVAILABLE as error:
        return first_line(error)
    return ""
