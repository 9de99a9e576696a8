"""Reconciliation: statements of providers, line by line, with what was found of each.

A line with a negative number stands for an order of ours that the statement does not have. `statement_parts` holds a
file that is being uploaded, until it is read. `statement_columns` remembers how a provider's statements are read.
"""

SQL = """
CREATE TABLE IF NOT EXISTS referans.statements (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    provider_id text NOT NULL,
    name text NOT NULL,
    "by" text NOT NULL,
    state text NOT NULL DEFAULT 'uploading',
    options jsonb NOT NULL DEFAULT '{}',
    error text,
    lines integer NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT now(),
    worked_at timestamptz NOT NULL DEFAULT now(),
    ended_at timestamptz
);
CREATE TABLE IF NOT EXISTS referans.statement_parts (
    statement_id bigint NOT NULL REFERENCES referans.statements (id) ON DELETE CASCADE,
    part integer NOT NULL,
    content bytea NOT NULL,
    PRIMARY KEY (statement_id, part)
);
CREATE TABLE IF NOT EXISTS referans.statement_lines (
    statement_id bigint NOT NULL REFERENCES referans.statements (id) ON DELETE CASCADE,
    line integer NOT NULL,
    referans text,
    external_order_id text,
    player text,
    amount numeric,
    currency text,
    state text,
    kind text,
    at timestamptz,
    order_id uuid,
    is_former boolean NOT NULL DEFAULT false,
    finding text,
    PRIMARY KEY (statement_id, line)
);
CREATE INDEX IF NOT EXISTS idx_statement_lines_finding ON referans.statement_lines (statement_id, finding, line);
CREATE INDEX IF NOT EXISTS idx_statement_lines_order ON referans.statement_lines (statement_id, order_id);
CREATE TABLE IF NOT EXISTS referans.statement_columns (
    provider_id text PRIMARY KEY,
    options jsonb NOT NULL
);
"""


def up(migrator, db):
    db.execute_sql(SQL)
