"""Who did what: the key or the person behind an event.

And the references of an order's former sends, so that what comes under them still finds it, with the codes and the cost
of each. "resentAt": since when an order that a person had sent again waits.
"""

SQL = """
ALTER TABLE referans.order_events ADD COLUMN IF NOT EXISTS "by" text;
ALTER TABLE product_orders ADD COLUMN IF NOT EXISTS "resentAt" timestamptz;
CREATE TABLE IF NOT EXISTS referans.former_references (
    referans text NOT NULL,
    provider_id text NOT NULL,
    external_order_id text,
    order_id uuid NOT NULL,
    pin_code text,
    codes jsonb,
    cost_amount numeric,
    cost_currency text,
    given_up_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (referans, provider_id)
);
CREATE INDEX IF NOT EXISTS idx_former_references_order ON referans.former_references (order_id);
CREATE INDEX IF NOT EXISTS idx_former_references_external ON referans.former_references (external_order_id, provider_id)
    WHERE external_order_id IS NOT NULL;
"""


def up(migrator, db):
    db.execute_sql(SQL)
