"""What a role needs: to bring the database up to date, and to run the gateway on it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from models.db import database, expected
from models.db.expected import ORDERS, Step, quoted
from models.db.moving import Earlier

#: Columns of the orders table that only the storefront writes; every other one of ours the gateway writes too.
OF_STOREFRONT = frozenset(
    (
        *("orderNo", "origin", "userId", "price", "sellPriceCurrency", "sellPriceAmount", "profitAmount"),
        *("manualNote", "notes", "notesCount", "fxLocked", "createdAt"),
    )
)
#: What the gateway does with its own tables.
ON_TABLES = "SELECT, INSERT, UPDATE, DELETE"


@dataclass(frozen=True, slots=True)
class Lack:
    """A right that the role lacks."""

    #: Completes "the role …".
    what: str
    #: The statement with which an administrator gives it; None where that would give far too much.
    cure: str | None


def lacking(pool: database.Pool, steps: Sequence[Step], earlier: Earlier | None, home: str) -> Iterator[Lack]:
    """What the role of `pool` lacks for moving `earlier` and applying `steps`; needs an open connection."""
    places = {"schema": pool.schema, "home": home, "orders": ORDERS}
    (
        role,
        has_schema,
        may_create,
        may_add,
        may_add_at_home,
        has_orders,
        owns_orders,
        owner,
        is_super,
        others,
    ) = pool.execute_sql(STANDING, places).fetchone()
    if not has_schema and not may_create:
        yield Lack("may not create a schema", f"CREATE SCHEMA {quoted(pool.schema)} AUTHORIZATION {role}")
    if has_schema and not may_add:
        yield Lack(
            f"may create nothing in the schema {pool.schema}",
            f"GRANT USAGE, CREATE ON SCHEMA {quoted(pool.schema)} TO {role}",
        )
    changes_orders = any(ORDERS in step.tables for step in steps)
    if has_orders and not owns_orders and changes_orders:
        yield Lack(
            f"does not own {ORDERS}, which belongs to {owner}",
            None if is_super else f"GRANT {owner} TO {role}",
        )
    if not may_add_at_home and (changes_orders or earlier):
        yield Lack(
            f"may create nothing in the schema {home}",
            f"GRANT USAGE, CREATE ON SCHEMA {quoted(home)} TO {role}",
        )
    foreign = {table.owner for table in earlier.tables if not table.is_mine} if earlier else set()
    if any(set(step.tables) - {ORDERS} for step in steps):
        foreign |= set(others or ())
    for name in sorted(foreign):
        yield Lack(f"does not own the gateway's tables, which belong to {name}", f"GRANT {name} TO {role}")


def in_words(pool: database.Pool, lacks: Sequence[Lack]) -> str:
    """What is lacking, and what an administrator can do about it; needs an open connection."""
    (role,) = pool.execute_sql("SELECT current_user").fetchone()
    cures = "; ".join(lack.cure for lack in lacks if lack.cure)
    given = f" An administrator can give these rights: {cures}; or run it all instead:" if cures else ""
    return (
        f"the role {role} {', '.join(lack.what for lack in lacks)}.{given or ' An administrator must run:'}"
        f" gateway migrate --sql --role {role} | psql ADMINISTRATORS_URL"
    )


def grants(pool: database.Pool, home: str, role: str) -> Iterator[str]:
    """The statements that let `role` run the gateway, but for `grant_on_orders`; needs an open connection."""
    name, schema = quoted(role), quoted(pool.schema)
    yield f"GRANT USAGE ON SCHEMA {schema}, {quoted(home)} TO {name}"
    yield f"GRANT {ON_TABLES} ON ALL TABLES IN SCHEMA {schema} TO {name}"
    yield f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA {schema} TO {name}"
    yield f"ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} GRANT {ON_TABLES} ON TABLES TO {name}"
    yield f"ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} GRANT USAGE ON SEQUENCES TO {name}"
    counters = [row[0] for row in pool.execute_sql(SEQUENCES, (home, ORDERS)).fetchall()]
    for counter in counters or [f"{quoted(home)}.product_orders_order_no_seq"]:
        yield f"GRANT USAGE ON SEQUENCE {counter} TO {name}"
    for table, columns in pool.execute_sql(REFERRED, (home, ORDERS)).fetchall():
        yield f"GRANT SELECT ({columns}) ON {table} TO {name}"


def grant_on_orders(home: str, role: str) -> str:
    """The statement that lets `role` read and write the orders table, once that has every column."""
    updated = ", ".join(map(quoted, written()))
    orders = f"{quoted(home)}.{ORDERS}"
    return f"GRANT SELECT, INSERT (id, {updated}), UPDATE ({updated}) ON {orders} TO {quoted(role)}"


def written() -> list[str]:
    """The columns of the orders table that the gateway writes."""
    return sorted(expected.columns()[ORDERS] - OF_STOREFRONT - {"id"})


STANDING = """
SELECT quote_ident(current_user),
    own.oid IS NOT NULL,
    has_database_privilege(current_database(), 'CREATE'),
    own.oid IS NOT NULL AND has_schema_privilege(own.oid, 'CREATE'),
    home.oid IS NOT NULL AND has_schema_privilege(home.oid, 'CREATE'),
    orders.oid IS NOT NULL,
    orders.oid IS NOT NULL AND pg_has_role(orders.relowner, 'USAGE'),
    quote_ident(pg_get_userbyid(orders.relowner)),
    (SELECT rolsuper FROM pg_roles WHERE oid = orders.relowner),
    (SELECT array_agg(DISTINCT quote_ident(pg_get_userbyid(c.relowner))::text) FROM pg_class AS c
    WHERE c.relnamespace = own.oid AND c.relkind IN ('r', 'p') AND NOT pg_has_role(c.relowner, 'USAGE'))
FROM (VALUES (1)) AS one
LEFT JOIN pg_namespace AS own ON own.nspname = %(schema)s
LEFT JOIN pg_namespace AS home ON home.nspname = %(home)s
LEFT JOIN pg_class AS orders
    ON orders.relnamespace = home.oid AND orders.relname = %(orders)s AND orders.relkind IN ('r', 'p')
"""
#: Of which the defaults of the orders table take numbers.
SEQUENCES = """
SELECT DISTINCT format('%%I.%%I', n.nspname, s.relname)
FROM pg_attrdef AS d
JOIN pg_class AS c ON c.oid = d.adrelid
JOIN pg_namespace AS home ON home.oid = c.relnamespace
JOIN pg_depend AS uses ON uses.classid = 'pg_attrdef'::regclass AND uses.objid = d.oid
    AND uses.refclassid = 'pg_class'::regclass
JOIN pg_class AS s ON s.oid = uses.refobjid AND s.relkind = 'S'
JOIN pg_namespace AS n ON n.oid = s.relnamespace
WHERE home.nspname = %s AND c.relname = %s
"""
#: The tables to which the tenant, product and package of an order refer, and by which columns.
REFERRED = """
SELECT format('%%I.%%I', n.nspname, other.relname), string_agg(DISTINCT quote_ident(theirs.attname), ', ')
FROM pg_constraint AS k
JOIN pg_class AS c ON c.oid = k.conrelid
JOIN pg_namespace AS home ON home.oid = c.relnamespace
JOIN pg_class AS other ON other.oid = k.confrelid
JOIN pg_namespace AS n ON n.oid = other.relnamespace
JOIN pg_attribute AS ours ON ours.attrelid = k.conrelid AND ours.attnum = ANY (k.conkey)
JOIN pg_attribute AS theirs ON theirs.attrelid = k.confrelid AND theirs.attnum = ANY (k.confkey)
WHERE k.contype = 'f' AND home.nspname = %s AND c.relname = %s
    AND ours.attname IN ('tenantId', 'productId', 'packageId')
GROUP BY n.nspname, other.relname
"""
