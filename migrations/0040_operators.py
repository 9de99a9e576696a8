"""The ops page: people with a role and a password, sign-ins, and actions on many orders with what became of each.

A sign-in belongs to a person or to an API key, and goes with the person.
"""

SQL = """
CREATE TABLE IF NOT EXISTS referans.people (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL UNIQUE,
    role text NOT NULL,
    password text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE IF NOT EXISTS referans.sign_ins (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    digest text NOT NULL UNIQUE,
    person_id bigint REFERENCES referans.people (id) ON DELETE CASCADE,
    key_id bigint,
    created_at timestamptz NOT NULL DEFAULT now(),
    seen_at timestamptz NOT NULL DEFAULT now(),
    address text NOT NULL,
    browser text NOT NULL
);
CREATE INDEX IF NOT EXISTS idx_sign_ins_person ON referans.sign_ins (person_id);
CREATE TABLE IF NOT EXISTS referans.bulk_actions (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    action text NOT NULL,
    options jsonb NOT NULL,
    about jsonb NOT NULL,
    reason text NOT NULL,
    "by" text NOT NULL,
    total integer NOT NULL DEFAULT 0,
    state text NOT NULL DEFAULT 'running',
    created_at timestamptz NOT NULL DEFAULT now(),
    worked_at timestamptz,
    ended_at timestamptz
);
CREATE INDEX IF NOT EXISTS idx_bulk_actions_running ON referans.bulk_actions (id) WHERE state = 'running';
CREATE TABLE IF NOT EXISTS referans.bulk_orders (
    bulk_id bigint NOT NULL REFERENCES referans.bulk_actions (id) ON DELETE CASCADE,
    order_id uuid NOT NULL,
    result text,
    note text,
    PRIMARY KEY (bulk_id, order_id)
);
CREATE INDEX IF NOT EXISTS idx_bulk_orders_waiting ON referans.bulk_orders (bulk_id, order_id) WHERE result IS NULL;
CREATE INDEX IF NOT EXISTS idx_bulk_orders_refused ON referans.bulk_orders (bulk_id) WHERE result = 'refused';
"""


def up(migrator, db):
    db.execute_sql(SQL)
