"""The gateway's own tables: providers, routes, keys, timeline, inbox, sweeps."""

SQL = """
CREATE TABLE IF NOT EXISTS referans.providers (
    id text PRIMARY KEY,
    adapter text NOT NULL,
    base_url text NOT NULL,
    callback text NOT NULL,
    credentials text NOT NULL,
    max_concurrency integer NOT NULL DEFAULT 8,
    max_per_minute integer,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE IF NOT EXISTS referans.provider_health (
    provider_id text PRIMARY KEY,
    failures integer NOT NULL DEFAULT 0,
    probe_at timestamptz,
    last_error text,
    last_error_at timestamptz
);
CREATE TABLE IF NOT EXISTS referans.routes (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    product_id text NOT NULL,
    package_id text NOT NULL,
    provider_id text NOT NULL REFERENCES referans.providers (id),
    position integer NOT NULL,
    params jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (product_id, package_id, provider_id)
);
CREATE TABLE IF NOT EXISTS referans.api_keys (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL,
    prefix text NOT NULL,
    digest text NOT NULL UNIQUE,
    scopes text[] NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    revoked_at timestamptz
);
CREATE TABLE IF NOT EXISTS referans.idempotency_keys (
    api_key_id bigint NOT NULL REFERENCES referans.api_keys (id),
    key text NOT NULL,
    fingerprint text NOT NULL,
    answer text,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (api_key_id, key)
);
CREATE INDEX IF NOT EXISTS idx_idempotency_keys_created ON referans.idempotency_keys (created_at);
CREATE TABLE IF NOT EXISTS referans.order_events (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    order_id uuid NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),
    source text NOT NULL,
    "from" text,
    "to" text,
    message text,
    result text,
    detail text
);
CREATE INDEX IF NOT EXISTS idx_order_events_order ON referans.order_events (order_id, id);
CREATE INDEX IF NOT EXISTS idx_order_events_conflict ON referans.order_events (at) WHERE result = 'conflict';
CREATE TABLE IF NOT EXISTS referans.callback_events (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    provider_id text NOT NULL,
    dedupe_key text NOT NULL,
    received_at timestamptz NOT NULL DEFAULT now(),
    settled_at timestamptz,
    result text NOT NULL,
    order_id uuid,
    referans text,
    external_order_id text,
    status text,
    message text,
    outcome text,
    raw text,
    UNIQUE (provider_id, dedupe_key)
);
CREATE INDEX IF NOT EXISTS idx_callback_events_received ON referans.callback_events (received_at);
CREATE INDEX IF NOT EXISTS idx_callback_events_unmatched ON referans.callback_events (id) WHERE result = 'unmatched';
CREATE TABLE IF NOT EXISTS referans.sweeps (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    started_at timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz,
    started_by text NOT NULL,
    counts jsonb NOT NULL DEFAULT '{}',
    error text
);
CREATE INDEX IF NOT EXISTS idx_sweeps_started ON referans.sweeps (started_at);
CREATE TABLE IF NOT EXISTS referans.heartbeats (
    process text PRIMARY KEY,
    beat_at timestamptz NOT NULL
);
"""


def up(migrator, db):
    db.execute_sql(SQL)
