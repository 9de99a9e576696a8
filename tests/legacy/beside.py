"""The older storefront's database, its orders, and what watches over them while the gateway is beside it."""

import uuid
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg2

from models.db import database
from models.db.migrate import migrate
from models.placing import NewOrder, new_referans
from tests.refusing import execute

SCHEMA = Path(__file__).with_name("schema.sql").read_text()
SHOP = "5d0ad54f-6a0c-4f0a-9f5e-6a1f0f6f3a11"
#: What the gateway writes on an order that the storefront placed, of the columns that the storefront has.
SHARED = (
    *("externalStatus", "externalOrderId", "provider_referans", "pinCode", "lastMessage", "providerMessage"),
    *("sentAt", "lastSyncAt", "completedAt", "durationMs"),
)


def make(url: str) -> None:
    """The storefront's tables with one shop, and the gateway beside it, which may write no other column of its orders.

    Orders of the gateway belong to the same shop.
    """
    execute(url, SCHEMA)
    execute(url, f"INSERT INTO tenant (id, name, code) VALUES ('{SHOP}', 'Shop', 'shop')")
    execute(url, f"ALTER TABLE product_orders ALTER \"tenantId\" SET DEFAULT '{SHOP}'")
    theirs = _columns(url)
    migrate(url, echo=lambda line: None)
    written = ", ".join(f"'{name}'" for name in (*SHARED, *sorted(_columns(url) - theirs)))
    execute(url, WATCH.format(written=written))


def _columns(url: str) -> set[str]:
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT attname FROM pg_attribute WHERE attrelid = 'product_orders'::regclass AND attnum > 0"
        )
        return {name for (name,) in cursor.fetchall()}


def insert(**columns: Any) -> str:
    """An order that the storefront has placed and sent a moment ago; its id."""
    order_id = str(uuid.uuid4())
    values = {
        "id": order_id,
        "productId": str(uuid.uuid4()),
        "packageId": str(uuid.uuid4()),
        "userIdentifier": "player",
        "providerId": "sandbox",
        "provider_referans": new_referans(),
        "externalStatus": "sent",
        "price": "12.50",
        "costAmount": "0.31",
        "attempts": 1,
    } | columns
    names = ", ".join(f'"{name}"' for name in values)
    by_storefront(
        f"INSERT INTO product_orders ({names}) VALUES ({', '.join(['%s'] * len(values))})",
        list(values.values()),
    )
    if "sentAt" not in columns:
        change(order_id, '"sentAt" = now()')
    return order_id


def change(order_id: str, assignments: str) -> None:
    """Let the storefront's own code change the order."""
    by_storefront(f"UPDATE product_orders SET {assignments} WHERE id = %s", [order_id])


def age(order_id: str, seconds: float) -> None:
    """Let the order be `seconds` older."""
    names = (
        *("createdAt", "sentAt", "claimedAt", "nextCheckAt", "lastCallbackAt", "unknownAt", "adoptedAt"),
        "attentionAt",
    )
    moved = ", ".join(f'"{name}" = "{name}" - {seconds} * interval \'1 s\'' for name in names)
    change(order_id, moved)


def by_storefront(statement: str, values: list[Any]) -> None:
    """Run a statement of the storefront's own code, on a connection of its own."""
    parameters = database.database.obj.connect_params | {"application_name": "storefront"}
    with closing(psycopg2.connect(**parameters, dbname=database.database.obj.database)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statement, values)


def new() -> NewOrder:
    """What the storefront may ask the gateway for: its products are UUIDs."""
    return NewOrder(str(uuid.uuid4()), str(uuid.uuid4()), "player")


#: Fails on any write but those of `written`, by a process of the gateway, on an order that it did not place.
WATCH = """
CREATE FUNCTION theirs_stay_theirs() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE changed text;
BEGIN
    IF current_setting('application_name') = 'storefront' OR OLD."placedByGateway" THEN
        RETURN NEW;
    END IF;
    SELECT string_agg(now_.key, ', ') INTO changed
    FROM jsonb_each(to_jsonb(NEW)) AS now_ JOIN jsonb_each(to_jsonb(OLD)) AS before_ USING (key)
    WHERE now_.value IS DISTINCT FROM before_.value AND key NOT IN ({written});
    IF changed IS NOT NULL THEN
        RAISE EXCEPTION 'the gateway wrote % on an order of the storefront', changed USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER theirs_stay_theirs BEFORE UPDATE ON product_orders
    FOR EACH ROW EXECUTE FUNCTION theirs_stay_theirs();
"""
