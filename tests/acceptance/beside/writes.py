"""What each role writes on the older storefront's tables, recorded by triggers."""

from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg2
import psycopg2.extras

#: Tables of the older storefront beside the orders.
OTHERS = ("tenant", "idempotency_keys", "order_dispatch_log", "wallet_moves")
#: Every change is kept with who made it, and the names of the columns that it changed. The function runs with its
#: owner's rights, since no role has any on the table of what was written.
WATCH = """
CREATE SCHEMA watched;
CREATE TABLE watched.writes (
    id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY, at timestamptz NOT NULL DEFAULT clock_timestamp(),
    role text NOT NULL, relation text NOT NULL, operation text NOT NULL, order_id uuid, is_ours boolean,
    columns text[] NOT NULL, old jsonb, new jsonb
);
CREATE INDEX ON watched.writes (order_id);
CREATE FUNCTION watched.note() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    before jsonb := CASE WHEN TG_OP <> 'INSERT' THEN to_jsonb(OLD) END;
    after jsonb := CASE WHEN TG_OP <> 'DELETE' THEN to_jsonb(NEW) END;
    changed text[];
BEGIN
    SELECT array_agg(name ORDER BY name) INTO changed
    FROM jsonb_object_keys(COALESCE(before, after)) AS name
    WHERE before IS NULL OR after IS NULL OR before -> name IS DISTINCT FROM after -> name;
    IF changed IS NOT NULL THEN
        INSERT INTO watched.writes (role, relation, operation, order_id, is_ours, columns, old, new)
        VALUES (
            session_user, TG_TABLE_NAME, TG_OP, (COALESCE(after, before) ->> 'id')::uuid,
            (COALESCE(after, before) ->> 'placedByGateway')::boolean, changed,
            (SELECT jsonb_object_agg(name, before -> name) FROM unnest(changed) AS name WHERE TG_OP = 'UPDATE'),
            (SELECT jsonb_object_agg(name, after -> name) FROM unnest(changed) AS name WHERE TG_OP = 'UPDATE')
        );
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER watched AFTER INSERT OR UPDATE OR DELETE ON product_orders
    FOR EACH ROW EXECUTE FUNCTION watched.note();
"""
#: Of the other tables only that somebody wrote is of interest.
WATCH_OTHERS = """
CREATE FUNCTION watched.note_statement() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    INSERT INTO watched.writes (role, relation, operation, columns)
    VALUES (session_user, TG_TABLE_NAME, TG_OP, '{}');
    RETURN NULL;
END
$$;
""" + "".join(
    f"CREATE TRIGGER watched AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON {table}"
    " FOR EACH STATEMENT EXECUTE FUNCTION watched.note_statement();\n"
    for table in OTHERS
)


@dataclass(frozen=True, slots=True)
class Write:
    """What one statement changed of one row; `old` and `new` have the changed columns of an UPDATE."""

    id: int
    at: datetime
    relation: str
    operation: str
    order_id: str | None
    is_ours: bool | None
    columns: list[str]
    old: dict[str, Any] | None
    new: dict[str, Any] | None

    def __str__(self) -> str:
        changes = [f"{name}: {self.old[name]!r} -> {self.new[name]!r}" for name in self.old or () if self.new]
        return f"{self.at:%H:%M:%S.%f} {self.operation} {self.relation} {'; '.join(changes)[:600]}"


def watch(admin_url: str) -> None:
    """Record from now on."""
    with closing(psycopg2.connect(admin_url)) as connection, connection, connection.cursor() as cursor:
        cursor.execute(WATCH)
        cursor.execute(WATCH_OTHERS)


def of_role(admin_url: str, role: str) -> list[Write]:
    """What the role has written, in the order of its writes."""
    with (
        closing(psycopg2.connect(admin_url)) as connection,
        connection.cursor(cursor_factory=psycopg2.extras.RealDictCursor) as cursor,
    ):
        cursor.execute(
            "SELECT id, at, relation, operation, order_id::text AS order_id, is_ours, columns, old, new"
            " FROM watched.writes WHERE role = %s ORDER BY id",
            (role,),
        )
        return [Write(**row) for row in cursor.fetchall()]
