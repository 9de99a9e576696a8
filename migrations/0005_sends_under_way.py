"""What sending again must know: whether a send is under way just now, and whether the provider may know the order.

An order that was claimed without these columns may be known: NULL.
"""

SQL = """
ALTER TABLE product_orders
    ADD COLUMN IF NOT EXISTS "sendingUntil" timestamptz,
    ADD COLUMN IF NOT EXISTS "mayBeKnown" boolean;
"""


def up(migrator, db):
    db.execute_sql(SQL)
