"""What providers' answers told of our balance, how far the chain of balances was followed, and the gaps in it."""

SQL = """
ALTER TABLE referans.provider_health ADD COLUMN IF NOT EXISTS balance_asked_at timestamptz;
CREATE TABLE IF NOT EXISTS referans.balance_readings (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    provider_id text NOT NULL,
    order_id uuid,
    began_at timestamptz NOT NULL,
    answered_at timestamptz NOT NULL DEFAULT now(),
    cost numeric,
    remaining numeric NOT NULL,
    currency text,
    event_id bigint,
    is_inferred boolean NOT NULL DEFAULT false,
    is_placed boolean NOT NULL DEFAULT false
);
CREATE INDEX IF NOT EXISTS idx_balance_readings_order ON referans.balance_readings (order_id)
    WHERE order_id IS NOT NULL;
CREATE INDEX IF NOT EXISTS idx_balance_readings_new ON referans.balance_readings (provider_id, id) WHERE NOT is_placed;
CREATE TABLE IF NOT EXISTS referans.balance_chains (
    provider_id text PRIMARY KEY,
    balance numeric,
    currency text,
    since timestamptz,
    order_id uuid,
    answered_at timestamptz,
    event_id bigint NOT NULL DEFAULT 0,
    decimals integer NOT NULL DEFAULT 0,
    under_way_since timestamptz,
    open_ids bigint[] NOT NULL DEFAULT '{}'
);
CREATE TABLE IF NOT EXISTS referans.balance_gaps (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    provider_id text NOT NULL,
    amount numeric NOT NULL,
    currency text,
    balance numeric NOT NULL,
    earlier_order_id uuid,
    earlier_at timestamptz,
    later_reading_id bigint NOT NULL,
    later_order_id uuid,
    later_at timestamptz NOT NULL,
    is_final boolean NOT NULL,
    found_at timestamptz NOT NULL DEFAULT now(),
    acknowledged_at timestamptz,
    acknowledged_by text,
    reason text,
    UNIQUE (provider_id, later_reading_id)
);
CREATE INDEX IF NOT EXISTS idx_balance_gaps_open ON referans.balance_gaps (provider_id, later_at)
    WHERE acknowledged_at IS NULL;
"""


def up(migrator, db):
    db.execute_sql(SQL)
