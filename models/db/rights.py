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
#: PostgreSQL from which on a membership, and not the role, says whether it gives the rights.
INHERITS_BY_GRANT = 160_000
#: Columns that a message lists.
MOST = 5
#: What the gateway does with its own tables.
ON_TABLES = "SELECT, INSERT, UPDATE, DELETE"


@dataclass(frozen=True, slots=True)
class Lack:
    """A right that the role lacks."""

    #: Completes "the role …".
    what: str
    #: The statement with which an administrator gives it; None where that would give far too much.
    cure: str | None


@dataclass(frozen=True, slots=True)
class _Standing:
    """What the role may do, and who owns what it may not change: the row of STANDING, names as SQL."""

    role: str
    inherits: bool
    has_schema: bool
    may_create: bool
    may_add: bool
    may_add_at_home: bool
    has_orders: bool
    owns_orders: bool
    owner: str
    #: Whom tables in the gateway's schema belong to.
    others: list[str] | None
    superusers: list[str]


def lacking(pool: database.Pool, steps: Sequence[Step], earlier: Earlier | None, home: str) -> Iterator[Lack]:
    """What the role of `pool` lacks for moving `earlier` and applying `steps`; needs an open connection."""
    places = {"schema": pool.schema, "home": home, "orders": ORDERS}
    standing = _Standing(*pool.execute_sql(STANDING, places).fetchone())
    role, changes_orders = standing.role, any(ORDERS in step.tables for step in steps)
    if not standing.has_schema and not standing.may_create:
        yield Lack("may not create a schema", f"CREATE SCHEMA {quoted(pool.schema)} AUTHORIZATION {role}")
    if standing.has_schema and not standing.may_add:
        yield Lack(
            f"may create nothing in the schema {pool.schema}",
            f"GRANT USAGE, CREATE ON SCHEMA {quoted(pool.schema)} TO {role}",
        )
    if earlier and standing.has_schema and (kept := _kept_out(pool, earlier)):
        yield Lack(
            f"may not let {kept} use the schema {pool.schema}",
            f"GRANT USAGE, CREATE ON SCHEMA {quoted(pool.schema)} TO {kept}",
        )
    if standing.has_orders and not standing.owns_orders and changes_orders:
        yield Lack(
            f"does not own {ORDERS}, which belongs to {standing.owner}",
            _membership(pool, standing, standing.owner),
        )
    if not standing.may_add_at_home and (changes_orders or earlier):
        yield Lack(
            f"may create nothing in the schema {home}",
            f"GRANT USAGE, CREATE ON SCHEMA {quoted(home)} TO {role}",
        )
    foreign = {table.owner for table in earlier.tables if not table.is_mine} if earlier else set()
    if any(set(step.tables) - {ORDERS} for step in steps):
        foreign |= set(standing.others or ())
    for owner in sorted(foreign):
        yield Lack(
            f"does not own the gateway's tables, which belong to {owner}",
            _membership(pool, standing, owner),
        )


def _kept_out(pool: database.Pool, earlier: Earlier) -> str:
    """Owners of tables that are to be moved, whom a schema that is another's will not let in; as SQL."""
    owners = sorted({table.owner for table in earlier.tables})
    return ", ".join(name for (name,) in pool.execute_sql(KEPT_OUT, (owners, pool.schema)).fetchall())


def to_run(pool: database.Pool, home: str) -> Iterator[Lack]:
    """What the role of `pool` lacks on the orders table for running the gateway; needs an open connection.

    It may have rights on single columns, and none on those that came later.
    """
    (role,) = pool.execute_sql("SELECT quote_ident(current_user)").fetchone()
    kept = pool.execute_sql(KEPT_FROM, (["id", *written()], home, ORDERS)).fetchall()
    if kept:
        shown = ", ".join(f'"{name}"' for (name,) in kept[:MOST])
        more = f" and {len(kept) - MOST} more" if len(kept) > MOST else ""
        yield Lack(f"may not write {shown}{more} of {ORDERS}", grant_on_orders(home, role))
    for counter, may_use in pool.execute_sql(SEQUENCES, (home, ORDERS)).fetchall():
        if not may_use:
            yield Lack(f"may not take numbers from {counter}", f"GRANT USAGE ON SEQUENCE {counter} TO {role}")


def _membership(pool: database.Pool, standing: _Standing, owner: str) -> str | None:
    """The statement by which the role may do what the owner may; None if that would make it a superuser."""
    if owner in standing.superusers:
        return None
    grant = f"GRANT {owner} TO {standing.role}"
    if pool.connection().server_version >= INHERITS_BY_GRANT:
        return f"{grant} WITH INHERIT TRUE"
    return grant if standing.inherits else f"{grant}; ALTER ROLE {standing.role} INHERIT"


def in_words(pool: database.Pool, lacks: Sequence[Lack]) -> str:
    """What is lacking, and what an administrator can do about it; needs an open connection."""
    (role,) = pool.execute_sql("SELECT current_user").fetchone()
    script = f"gateway migrate --sql --role {role} | psql ADMINISTRATORS_URL"
    cures = [lack.cure for lack in lacks if lack.cure]
    if len(cures) < len(lacks):
        cure = f"An administrator can do it instead: {script}"
    else:
        cure = f"An administrator can give these rights: {'; '.join(cures)}; or run it all instead: {script}"
    return f"the role {role} {', '.join(lack.what for lack in lacks)}. {cure}"


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
    """The statement that lets `role` (as SQL) read and write the orders table, once that has every column."""
    updated = ", ".join(map(quoted, written()))
    orders = f"{quoted(home)}.{ORDERS}"
    return f"GRANT SELECT, INSERT (id, {updated}), UPDATE ({updated}) ON {orders} TO {role}"


def written() -> list[str]:
    """The columns of the orders table that the gateway writes."""
    return sorted(expected.columns()[ORDERS] - OF_STOREFRONT - {"id"})


STANDING = """
SELECT quote_ident(current_user),
    (SELECT rolinherit FROM pg_roles WHERE rolname = current_user),
    own.oid IS NOT NULL,
    has_database_privilege(current_database(), 'CREATE'),
    own.oid IS NOT NULL AND has_schema_privilege(own.oid, 'CREATE') AND has_schema_privilege(own.oid, 'USAGE'),
    home.oid IS NOT NULL AND has_schema_privilege(home.oid, 'CREATE') AND has_schema_privilege(home.oid, 'USAGE'),
    orders.oid IS NOT NULL,
    orders.oid IS NOT NULL AND pg_has_role(orders.relowner, 'USAGE'),
    quote_ident(pg_get_userbyid(orders.relowner)),
    (SELECT array_agg(DISTINCT quote_ident(pg_get_userbyid(c.relowner))::text) FROM pg_class AS c
    WHERE c.relnamespace = own.oid AND c.relkind IN ('r', 'p') AND NOT pg_has_role(c.relowner, 'USAGE')),
    (SELECT array_agg(quote_ident(rolname)::text) FROM pg_roles WHERE rolsuper)
FROM (VALUES (1)) AS one
LEFT JOIN pg_namespace AS own ON own.nspname = %(schema)s
LEFT JOIN pg_namespace AS home ON home.nspname = %(home)s
LEFT JOIN pg_class AS orders
    ON orders.relnamespace = home.oid AND orders.relname = %(orders)s AND orders.relkind IN ('r', 'p')
"""
#: Roles that may not create in a schema, of some, where the role that asks may not grant it.
KEPT_OUT = """
SELECT quote_ident(r.rolname)
FROM pg_roles AS r
CROSS JOIN pg_namespace AS n
WHERE quote_ident(r.rolname) = ANY (%s) AND n.nspname = %s AND NOT pg_has_role(n.nspowner, 'USAGE')
    AND NOT (has_schema_privilege(r.oid, n.oid, 'USAGE') AND has_schema_privilege(r.oid, n.oid, 'CREATE'))
ORDER BY 1
"""
#: Of which the defaults of the orders table take numbers, and whether the role may.
SEQUENCES = """
SELECT DISTINCT format('%%I.%%I', n.nspname, s.relname),
    CASE s.relkind WHEN 'S' THEN has_sequence_privilege(s.oid, 'USAGE') OR has_sequence_privilege(s.oid, 'UPDATE') END
FROM pg_attrdef AS d
JOIN pg_class AS c ON c.oid = d.adrelid
JOIN pg_namespace AS home ON home.oid = c.relnamespace
JOIN pg_depend AS uses ON uses.classid = 'pg_attrdef'::regclass AND uses.objid = d.oid
    AND uses.refclassid = 'pg_class'::regclass
JOIN pg_class AS s ON s.oid = uses.refobjid AND s.relkind = 'S'
JOIN pg_namespace AS n ON n.oid = s.relnamespace
WHERE home.nspname = %s AND c.relname = %s
"""
#: Columns of the orders table, of some, that the role may not write.
KEPT_FROM = """
SELECT a.attname
FROM pg_attribute AS a
JOIN pg_class AS c ON c.oid = a.attrelid
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE a.attnum > 0 AND a.attname = ANY (%s) AND n.nspname = %s AND c.relname = %s AND NOT (
    has_column_privilege(c.oid, a.attnum, 'INSERT')
    AND (has_column_privilege(c.oid, a.attnum, 'UPDATE') OR a.attname = 'id')
)
ORDER BY a.attname
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
