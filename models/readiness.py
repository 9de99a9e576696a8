"""Whether the database takes our writes, and whether our encryption keys open what it holds."""

from collections.abc import Sequence
from dataclasses import dataclass

import peewee

from models import provider
from models.db import database, expected, rights, sealed
from models.db.rights import Lack


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why a server takes no writes, and what to do about it; each without a full stop."""

    #: For everyone: names nothing of the installation.
    short: str
    cause: str
    cure: str


def obstacle() -> Obstacle | None:
    """What keeps this role from storing orders; None if nothing does. Writes nothing; needs an open session."""
    try:
        database.rows(WRITE_NOTHING)
    except peewee.DatabaseError as error:
        if database.sqlstate(error) == database.READ_ONLY:
            return _read_only()
        if database.sqlstate(error) == database.NOT_PERMITTED:
            return _not_permitted()
        raise
    pool = database.database.obj
    lacks = list(rights.to_run(pool, expected.home(pool)))
    return _partly_permitted(lacks) if lacks else None


def write_and_undo() -> None:
    """Write a row, and roll it back: the disk may be full, or a rule in the way. Raises what the database raises."""
    with database.database.atomic() as transaction:
        database.rows(WRITE_ONE)
        transaction.rollback()


def keys_open_nothing() -> bool:
    """Whether sealed values are stored, but no key of ENCRYPTION_KEYS opens one: the keys of this process are wrong."""
    stored = [row["value"] for row in database.rows(provider.SEALED)]
    return not any(map(sealed.opens, stored)) and any(map(sealed.lacks_key, stored))


def _read_only() -> Obstacle:
    found = database.rows(WHY_READ_ONLY)[0]
    if found["is_standby"]:
        return Obstacle(
            "read-only", "read-only: it is a standby of another server", "point DATABASE_URL to the primary"
        )
    cure = "ask the host of the database why (a plan's limit, a full disk, maintenance), and reset it there"
    return Obstacle(
        "read-only", f"read-only: default_transaction_read_only is on, by its {found['source']}", cure
    )


def _not_permitted() -> Obstacle:
    schema = database.database.schema
    lacking = [f"{row['privilege']} on {row['tables']}" for row in database.rows(LACKING, (schema,))]
    role = database.rows("SELECT current_user AS role")[0]["role"]
    rights = "; ".join(lacking) or "writing"
    cure = (
        "a host takes this right away when a plan's limit is passed: make room there, or take a larger plan;"
        f" otherwise GRANT it to {role} again"
    )
    return Obstacle("writing is not permitted", f"the role {role} lacks the right: {rights}", cure)


def _partly_permitted(lacks: Sequence[Lack]) -> Obstacle:
    """The role writes some columns of the orders table, or writes it as long as the row is given its number."""
    role = database.rows("SELECT current_user AS role")[0]["role"]
    said, cures = ", ".join(each.what for each in lacks), "; ".join(each.cure for each in lacks if each.cure)
    return Obstacle(
        "writing is not permitted", f"the role {role} {said}", f"an administrator can give it: {cures}"
    )


#: What placing an order, its callbacks and its checks write, of no row: PostgreSQL checks the rights all the same, and
#: neither a transaction id nor a dead row comes of it.
WRITE_NOTHING = """
WITH placed AS (
    INSERT INTO product_orders (id) SELECT id FROM product_orders WHERE false
), moved AS (
    UPDATE product_orders SET "nextCheckAt" = now() WHERE false
), told AS (
    INSERT INTO referans.order_events (order_id, source) SELECT order_id, source FROM referans.order_events WHERE false
), kept AS (
    INSERT INTO referans.callback_events (provider_id, dedupe_key, result)
    SELECT provider_id, dedupe_key, result FROM referans.callback_events WHERE false
), reserved AS (
    INSERT INTO referans.idempotency_keys (api_key_id, key, fingerprint)
    SELECT api_key_id, key, fingerprint FROM referans.idempotency_keys WHERE false
), answered AS (
    UPDATE referans.provider_health SET failures = 0 WHERE false
)
SELECT 1 AS one
"""
WRITE_ONE = "INSERT INTO referans.heartbeats (process, beat_at) VALUES ('written and rolled back', now())"
WHY_READ_ONLY = """
SELECT pg_is_in_recovery() AS is_standby,
    (SELECT source FROM pg_settings WHERE name = 'default_transaction_read_only') AS source
"""
#: Of the schema, of every table in it, and of the orders table, of which a role may have single columns.
LACKING = """
WITH own AS (
    SELECT oid, nspname FROM pg_namespace WHERE nspname = %s
), lacking AS (
    SELECT privilege, format('%%I.%%I', own.nspname, c.relname) AS name
    FROM own
    JOIN pg_class AS c ON c.relnamespace = own.oid AND c.relkind IN ('r', 'p') AND c.relname <> 'schema_migration'
    CROSS JOIN unnest(ARRAY['INSERT', 'UPDATE', 'DELETE']) AS privilege
    WHERE NOT has_table_privilege(c.oid, privilege)
    UNION ALL
    SELECT privilege, 'product_orders'
    FROM to_regclass('product_orders') AS orders
    CROSS JOIN unnest(ARRAY['INSERT', 'UPDATE']) AS privilege
    WHERE NOT has_any_column_privilege(orders, privilege)
    UNION ALL
    SELECT 'USAGE', 'the schema ' || quote_ident(nspname) FROM own WHERE NOT has_schema_privilege(oid, 'USAGE')
)
SELECT privilege, string_agg(name, ', ' ORDER BY name <> 'product_orders', name) AS tables
FROM lacking
GROUP BY privilege ORDER BY privilege = 'USAGE' DESC, privilege = 'INSERT' DESC, privilege
"""
