"""The outbox: what the storefront is told, each try at it, and how its receivers answer.

A notification is written by the statement that makes it true. `url` is NULL if it goes to NOTIFY_URL, whatever that is
when it is sent. Those that wait are in small partial indexes, by their receiver and by their order.
"""

SQL = """
CREATE TABLE IF NOT EXISTS referans.notifications (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    webhook_id uuid NOT NULL DEFAULT gen_random_uuid(),
    order_id uuid NOT NULL,
    type text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    url text,
    receiver text NOT NULL,
    payload jsonb NOT NULL,
    state text NOT NULL DEFAULT 'waiting',
    tries integer NOT NULL DEFAULT 0,
    next_try_at timestamptz DEFAULT now(),
    ended_at timestamptz
);
CREATE INDEX IF NOT EXISTS idx_notifications_due ON referans.notifications (receiver, next_try_at)
    WHERE state = 'waiting';
CREATE INDEX IF NOT EXISTS idx_notifications_waiting_of_order ON referans.notifications (order_id, id)
    WHERE state = 'waiting';
CREATE INDEX IF NOT EXISTS idx_notifications_of_order ON referans.notifications (order_id);
CREATE INDEX IF NOT EXISTS idx_notifications_dead ON referans.notifications (id) WHERE state = 'dead';
CREATE INDEX IF NOT EXISTS idx_notifications_created ON referans.notifications (created_at);
CREATE TABLE IF NOT EXISTS referans.deliveries (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    notification_id bigint NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),
    status integer,
    duration_ms integer NOT NULL,
    answer text,
    error text
);
CREATE INDEX IF NOT EXISTS idx_deliveries_of_notification ON referans.deliveries (notification_id);
CREATE INDEX IF NOT EXISTS idx_deliveries_at ON referans.deliveries (at);
CREATE TABLE IF NOT EXISTS referans.receivers (
    receiver text PRIMARY KEY,
    failing_since timestamptz,
    failures integer NOT NULL DEFAULT 0,
    paused_until timestamptz,
    disabled_at timestamptz,
    last_error text,
    delivered_at timestamptz,
    slow boolean NOT NULL DEFAULT false
);
"""


def up(migrator, db):
    db.execute_sql(SQL)
