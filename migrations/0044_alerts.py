"""Alerts: one row for each incident, and a message for each place to which it is told, at its beginning and its end.

`alert_turn` (one row) says when the next look is due; the process that moves it on is the one that looks.
"""

SQL = """
CREATE TABLE IF NOT EXISTS referans.alerts (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    rule text NOT NULL,
    subject text NOT NULL,
    text text NOT NULL,
    path text NOT NULL,
    began_at timestamptz NOT NULL DEFAULT now(),
    seen_at timestamptz NOT NULL DEFAULT now(),
    ended_at timestamptz
);
CREATE UNIQUE INDEX IF NOT EXISTS idx_alerts_open ON referans.alerts (rule, subject) WHERE ended_at IS NULL;
CREATE TABLE IF NOT EXISTS referans.alert_messages (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    alert_id bigint NOT NULL REFERENCES referans.alerts (id) ON DELETE CASCADE,
    webhook_id uuid NOT NULL DEFAULT gen_random_uuid(),
    channel text NOT NULL,
    is_end boolean NOT NULL,
    state text NOT NULL DEFAULT 'waiting',
    tries integer NOT NULL DEFAULT 0,
    next_try_at timestamptz NOT NULL DEFAULT now(),
    error text,
    ended_at timestamptz,
    UNIQUE (alert_id, channel, is_end)
);
CREATE INDEX IF NOT EXISTS idx_alert_messages_waiting ON referans.alert_messages (next_try_at) WHERE state = 'waiting';
CREATE TABLE IF NOT EXISTS referans.alert_turn (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    next_at timestamptz NOT NULL
);
"""


def up(migrator, db):
    db.execute_sql(SQL)
