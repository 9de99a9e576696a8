"""How orders end: several codes, a receipt, a reversal, the question for a code that did not come, and why a person is
needed. Also who placed an order, and how a route fills a provider's fields.

Every column is added without a default or with a constant one, so no row is rewritten.
"""

SQL = """
ALTER TABLE product_orders
    ADD COLUMN IF NOT EXISTS "placedByGateway" boolean,
    ADD COLUMN IF NOT EXISTS codes jsonb,
    ADD COLUMN IF NOT EXISTS receipt text,
    ADD COLUMN IF NOT EXISTS expects text,
    ADD COLUMN IF NOT EXISTS "codeAsks" integer,
    ADD COLUMN IF NOT EXISTS attention text,
    ADD COLUMN IF NOT EXISTS "attentionAt" timestamptz,
    ADD COLUMN IF NOT EXISTS "reversedAt" timestamptz,
    ADD COLUMN IF NOT EXISTS "fieldMap" jsonb;
ALTER TABLE referans.routes
    ADD COLUMN IF NOT EXISTS expects text NOT NULL DEFAULT 'auto',
    ADD COLUMN IF NOT EXISTS field_map jsonb NOT NULL DEFAULT '{}';
"""


def up(migrator, db):
    db.execute_sql(SQL)
