"""What the gateway keeps of orders that another system placed, beside what that system writes itself.

"adoptedAt": since when the order is followed here; NULL once it has ended, so that it is followed again if the other
system takes its end back. "codesOnly": its first code is too long for "pinCode", and stands in `codes` alone.
"gatewayCostAmount": what its provider says that it cost; "costAmount" is the other system's.
"""

SQL = """
ALTER TABLE product_orders
    ADD COLUMN IF NOT EXISTS "adoptedAt" timestamptz,
    ADD COLUMN IF NOT EXISTS "codesOnly" boolean,
    ADD COLUMN IF NOT EXISTS "gatewayCostAmount" numeric,
    ADD COLUMN IF NOT EXISTS "gatewayCostCurrency" text;
"""


def up(migrator, db):
    db.execute_sql(SQL)
