"""What a storefront says of an order beside what it is: its own data, further inputs, its price, what it may cost.

The storefront's own number stands in "orderUuid". Every column is added without a default, so that no row is rewritten.
`referans.repeat_guards` has, for as long as RESEND_GUARD says, which player has got which package: two orders that are
placed at the same instant do not see each other, but their rows have the same key.
"""

SQL = """
ALTER TABLE product_orders
    ADD COLUMN IF NOT EXISTS metadata jsonb,
    ADD COLUMN IF NOT EXISTS "inputFields" jsonb,
    ADD COLUMN IF NOT EXISTS "priceAmount" numeric,
    ADD COLUMN IF NOT EXISTS "priceCurrency" text,
    ADD COLUMN IF NOT EXISTS "maxCostAmount" numeric,
    ADD COLUMN IF NOT EXISTS "maxCostCurrency" text;
CREATE TABLE IF NOT EXISTS referans.repeat_guards (
    key uuid PRIMARY KEY,
    until timestamptz NOT NULL
);
CREATE INDEX IF NOT EXISTS idx_repeat_guards_until ON referans.repeat_guards (until);
"""


def up(migrator, db):
    db.execute_sql(SQL)
