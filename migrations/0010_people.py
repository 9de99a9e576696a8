"""Who did what: the key or the person behind an event.

And the references of an order's former sends, so that what comes under them still finds it.
"""

SQL = """
ALTER TABLE order_events ADD COLUMN IF NOT EXISTS "by" text;
CREATE TABLE IF NOT EXISTS former_references (
    referans text NOT NULL,
    provider_id text NOT NULL,
    external_order_id text,
    order_id uuid NOT NULL,
    given_up_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (referans, provider_id)
);
CREATE INDEX IF NOT EXISTS idx_former_references_order ON former_references (order_id);
CREATE INDEX IF NOT EXISTS idx_former_references_external ON former_references (external_order_id, provider_id)
    WHERE external_order_id IS NOT NULL;
"""


def up(migrator, db):
    db.execute_sql(SQL)
