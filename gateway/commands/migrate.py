"""`gateway migrate`: the schema brought up to date; what a deploy runs first."""

import time

import peewee
import typer

from gateway import settings
from gateway.commands.context import Problem, explained, first_line
from gateway.commands.printing import note, say
from models.db import database
from models.db import migrate as schema

#: How long a release waits for a database that is being started or moved.
PATIENCE_SECONDS = 30.0
PAUSE_SECONDS = 1.0


def migrate(
    sql: bool = typer.Option(
        False, "--sql", help="Print what is missing as SQL to run by hand; apply nothing."
    ),
) -> None:
    """Bring the database's schema up to date. Safe while a storefront writes, and when several run at once.

    Example: gateway migrate --sql | psql "$DATABASE_URL"
    """
    url = settings.load_or_exit(require=("DATABASE_URL",)).database_url.get_secret_value()
    wait_for_database(url, PATIENCE_SECONDS)
    with explained():
        if sql:
            return say(schema.script(url))
        apply(url)


def apply(url: str) -> None:
    """Apply what is missing and say so. Raises Problem where another transaction is in the way."""
    try:
        applied = schema.migrate(url, echo=say)
    except RuntimeError as error:
        raise Problem(str(error)) from None
    say(f"{len(applied)} migrations applied." if applied else "Nothing to migrate.")


def wait_for_database(url: str, patience_seconds: float) -> None:
    """Return once the database answers. Raises Problem, with the reason, when the patience is used up."""
    deadline = time.monotonic() + patience_seconds
    pool = database.connect(url, pool_size=1, name="referans-migrate")
    while reason := _why_away(pool):
        if time.monotonic() >= deadline:
            raise Problem(
                f"the database did not answer for {patience_seconds:g} s: {reason}; check DATABASE_URL"
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
