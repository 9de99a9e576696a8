"""Tenants: the shops that orders, keys, providers and routes belong to. What belongs to none is for all of them.

A tenant is a UUID, as it stands in the orders' "tenantId"; the gateway keeps no table of them.
"""

from dataclasses import dataclass
from typing import Any

from models.db import database
from models.status import IS_OPEN
from models.stock import ADAPTER, STOCK


class Unknowable(Exception):
    """Our role may not read the table that "tenantId" refers to; the message names the statement that lets it."""


@dataclass(frozen=True, slots=True)
class View:
    """Which orders are seen: those of one tenant, or all."""

    #: None: all.
    tenant_id: str | None

    def parameters(self) -> dict[str, Any]:
        """What IS_SEEN takes."""
        return {"viewer": self.tenant_id}


#: What the operator sees, and a key without a tenant.
EVERYTHING = View(None)


def is_required() -> bool:
    """Whether an order must belong to a tenant."""
    return bool(database.rows(IS_REQUIRED)[0]["is_required"])


def is_known(tenant_id: str) -> bool:
    """Whether an order may belong to the tenant: where "tenantId" refers to a table, it stands there.

    Raises Unknowable.
    """
    return all(_refers(row, tenant_id) for row in database.rows(REFERENCES))


def is_reference(constraint: str | None) -> bool:
    """Whether the constraint is one by which "tenantId" refers to a table."""
    return constraint in [row["name"] for row in database.rows(REFERENCES)]


def _refers(reference: dict[str, Any], tenant_id: str) -> bool:
    table, column = reference["referred"], reference["referred_column"]
    if not reference["is_readable"]:
        raise Unknowable(
            f"whether tenant {tenant_id} exists stands in {table}, which this role may not read; an administrator can"
            f" allow it: GRANT SELECT ({column}) ON {table} TO {reference['role']}"
        )
    # Names of the catalogue, quoted by it.
    sql = f"SELECT FROM {table} WHERE {column} = %(tenant)s::uuid"
    return bool(database.rows(sql, {"tenant": tenant_id}))


def orders_of_others(provider_id: str, tenant_id: str | None) -> int:
    """How many orders wait for the provider, or for its answer, that are not of this tenant."""
    values = {"provider": provider_id, "tenant": tenant_id}
    return int(database.rows(ORDERS_OF_OTHERS, values)[0]["number"])


def may_use(owner: str, tenant: str) -> str:
    """In SQL: what belongs to the tenant `owner`, or to none, is for an order of `tenant`, or of none."""
    return f"({owner} IS NULL OR {owner} = {tenant})"


def is_open_to(tenant: str, provider: str, params: str) -> str:
    """In SQL: neither the provider, nor the stock that the `params` of a route name, is another tenant's.

    A stock that is named after a provider is that one's. What belongs to nobody is for everybody. Whether any provider
    belongs to a tenant is asked once in a statement: where none does, the rest costs nothing.
    """
    return f"""NOT (EXISTS (SELECT FROM referans.providers WHERE tenant_id IS NOT NULL) AND EXISTS (
        SELECT FROM referans.providers AS owned
        WHERE owned.tenant_id IS NOT NULL AND owned.tenant_id IS DISTINCT FROM {tenant}
            AND (owned.id = {provider} OR owned.adapter = '{ADAPTER}' AND owned.id = {params} ->> '{STOCK}')
    ))"""


#: In SQL, of the order `o`: the view shows it.
IS_SEEN = '(%(viewer)s::uuid IS NULL OR o."tenantId" = %(viewer)s::uuid)'
#: In SQL, of the order `o`: the provider that it is routed to, and its stock, are not another tenant's.
PROVIDER_IS_OPEN = is_open_to('o."tenantId"', 'o."providerId"', 'o."routeParams"')
IS_REQUIRED = """
SELECT attnotnull AS is_required FROM pg_attribute
WHERE attrelid = 'product_orders'::regclass AND attname = 'tenantId'
"""
REFERENCES = """
SELECT c.conname AS name, c.confrelid::regclass::text AS referred, quote_ident(theirs.attname) AS referred_column,
    has_column_privilege(c.confrelid, theirs.attname, 'SELECT') AS is_readable, quote_ident(current_user) AS role
FROM pg_constraint AS c
JOIN pg_attribute AS ours ON ours.attrelid = c.conrelid AND ours.attname = 'tenantId' AND c.conkey = ARRAY[ours.attnum]
JOIN pg_attribute AS theirs ON theirs.attrelid = c.confrelid AND theirs.attnum = c.confkey[1]
WHERE c.contype = 'f' AND c.conrelid = 'product_orders'::regclass
"""
#: Uses idx_orders_planned and idx_orders_attention.
ORDERS_OF_OTHERS = f"""
SELECT count(*)::int AS number
FROM (
    SELECT o.id, o."tenantId" FROM product_orders AS o
    WHERE o."nextCheckAt" IS NOT NULL AND o."providerId" = %(provider)s AND {IS_OPEN}
    UNION
    SELECT o.id, o."tenantId" FROM product_orders AS o
    WHERE o.attention IS NOT NULL AND o."providerId" = %(provider)s AND {IS_OPEN}
) AS waiting
WHERE waiting."tenantId" IS DISTINCT FROM %(tenant)s::uuid
"""
