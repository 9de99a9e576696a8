"""The database as the version before 0022 made it, with its tables beside the orders table, and what it ran there."""

from contextlib import closing
from pathlib import Path

import psycopg2

from models.db.expected import statements, steps

#: The last migration of that version.
LAST = "0021_sealed_texts"
#: Events on the timeline of an order whose recorded life has ended.
EVENTS = 7
#: A provider, a key, and orders that have ended, each with its timeline and its callback.
FILL = """
INSERT INTO providers (id, adapter, base_url, callback, credentials)
VALUES ('sandbox', 'znet', 'http://127.0.0.1:1', 'none', '{{}}');
INSERT INTO routes (product_id, package_id, provider_id, position, params) VALUES ('*', '*', 'sandbox', 1, '{{}}');
INSERT INTO api_keys (name, prefix, digest, scopes) VALUES ('shop', 'k', 'd', '{{orders:write}}');
WITH made AS (
    INSERT INTO product_orders ("productId", "packageId", "userIdentifier", "providerId", provider_referans, status,
        "externalStatus", "pinCode", "routeParams", "placedByGateway")
    SELECT 'game', '60', 'old', 'sandbox', (10^14)::bigint + n, 'approved', 'completed', 'PIN-' || n, '{{}}', true
    FROM generate_series(1, {orders}) AS n RETURNING id, provider_referans
), kept AS (
    INSERT INTO callback_events (provider_id, dedupe_key, settled_at, result, order_id, referans, status)
    SELECT 'sandbox', provider_referans, now(), 'applied', id, provider_referans, 'completed' FROM made
)
INSERT INTO order_events (order_id, source, "from", "to", result) SELECT id, 'callback', 'sent', 'completed', 'applied'
FROM made;
"""
HISTORY = """
CREATE TABLE schema_migration (id serial PRIMARY KEY, name varchar(255) NOT NULL, applied timestamp NOT NULL)
"""


def migrate(url: str, last: str = LAST) -> None:
    """What its `gateway migrate` left: its migrations are ours, of before they named a schema."""
    with closing(psycopg2.connect(url)) as connection:
        connection.autocommit = True
        cursor = connection.cursor()
        cursor.execute(HISTORY)
        cursor.execute("CREATE UNIQUE INDEX schema_migration_name ON schema_migration (name)")
        for step in steps():
            if step.name <= last:
                for statement in statements(step.sql):
                    cursor.execute(statement.replace("referans.", ""))
                cursor.execute(
                    "INSERT INTO schema_migration (name, applied) VALUES (%s, now())", (step.name,)
                )


def recorded() -> tuple[list[str], list[str], list[str]]:
    """Its statements: those that a connection prepares, those of one order's life, and those beside it."""
    text = Path(__file__).with_name("statements.sql").read_text()
    prepared, life, beside = (
        part.partition("\n")[2].strip().split("\n;;\n") for part in text.split("\n--- ")[1:]
    )
    return prepared, life, beside


def filled(statement: str, order: str) -> str:
    """A recorded statement for an order of its own."""
    number = int(order.replace("-", ""), 16)
    return (
        statement.replace("{order}", order)
        .replace("{referans}", str(10**14 + number % (9 * 10**14)))
        .replace("{event}", order)
        .replace("{key}", order)
    )
