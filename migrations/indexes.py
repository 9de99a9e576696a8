"""Building indexes beside a storefront that is writing; for migrations with `atomic = False`."""

from typing import Any


def build(db: Any, sql: str, invalid: str) -> None:
    """Run each statement of `sql` by itself; `invalid` names the indexes that a build cut short has left.

    Those go first, since IF NOT EXISTS would take them for whole. Raises RuntimeError where one is left after.
    """
    # A build waits for older transactions, and blocks no writes meanwhile: let it wait.
    db.execute_sql("SET lock_timeout = 0")
    for (name,) in db.execute_sql(invalid).fetchall():
        db.execute_sql(f"DROP INDEX CONCURRENTLY {name}")
    for statement in filter(None, map(str.strip, sql.split(";\n"))):
        db.execute_sql(statement)
    left = [name for (name,) in db.execute_sql(invalid).fetchall()]
    if left:
        raise RuntimeError(f"{', '.join(left)} did not build; run `gateway migrate` again")
