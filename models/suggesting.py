"""Values that a search may be narrowed by: what is configured, never what orders say."""

from models.db import database

#: Values of one kind, at most.
MOST = 8


def products(beginning: str) -> list[str]:
    """Products of routes that begin so, whatever their capitals."""
    return _values(PRODUCTS, beginning)


def providers(beginning: str) -> list[str]:
    """Ids of providers that begin so."""
    return _values(PROVIDERS, beginning)


def tenants(beginning: str) -> list[str]:
    """Tenants of keys that begin so."""
    return _values(TENANTS, beginning)


def _values(sql: str, beginning: str) -> list[str]:
    return [str(row["value"]) for row in database.rows(sql, {"beginning": beginning.lower(), "most": MOST})]


_LIKE = "starts_with(lower({column}), %(beginning)s) ORDER BY 1 LIMIT %(most)s"
PRODUCTS = f"""
SELECT DISTINCT product_id AS value FROM referans.routes
WHERE product_id <> '*' AND {_LIKE.format(column="product_id")}
"""
PROVIDERS = f"SELECT id AS value FROM referans.providers WHERE {_LIKE.format(column='id')}"
TENANTS = f"""
SELECT DISTINCT tenant_id::text AS value FROM referans.api_keys
WHERE tenant_id IS NOT NULL AND {_LIKE.format(column="tenant_id::text")}
"""
