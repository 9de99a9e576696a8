"""Databases as other systems left them, and what is in one."""

from contextlib import closing
from pathlib import Path

import psycopg2
import pytest

from tests.refusing import execute

LEGACY = Path(__file__).parents[2].joinpath("legacy", "schema.sql").read_text()


@pytest.fixture
def legacy_database_url(empty_database_url: str) -> str:
    """A database that the older storefront made, with one tenant."""
    execute(empty_database_url, LEGACY)
    execute(empty_database_url, "INSERT INTO tenant (name, code) VALUES ('Shop', 'shop')")
    return empty_database_url


def shape(url: str) -> list[tuple[str, ...]]:
    """Every column, index, default and constraint of the database, whoever made it."""
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute(SHAPE)
        return list(cursor.fetchall())


SHAPE = """
SELECT 'column', a.attrelid::regclass::text, a.attname::text, format_type(a.atttypid, a.atttypmod),
    a.attnotnull::text || a.attidentity::text || COALESCE(pg_get_expr(d.adbin, d.adrelid), '')
FROM pg_attribute AS a
JOIN pg_class AS c ON c.oid = a.attrelid AND c.relkind IN ('r', 'v')
LEFT JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE a.attnum > 0 AND NOT a.attisdropped
    AND c.relnamespace::regnamespace::text NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
UNION ALL
SELECT 'index', indexname::text, indexdef, schemaname::text, '' FROM pg_indexes
WHERE schemaname NOT IN ('pg_catalog', 'pg_toast') AND tablename <> 'schema_migration'
UNION ALL
SELECT 'constraint', conrelid::regclass::text, conname::text, pg_get_constraintdef(oid), '' FROM pg_constraint
WHERE connamespace::regnamespace::text NOT IN ('pg_catalog', 'information_schema')
    AND conrelid::regclass::text NOT LIKE '%schema_migration'
ORDER BY 1, 2, 3
"""
