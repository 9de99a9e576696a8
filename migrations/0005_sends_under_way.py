"""What sending again must know: whether a send is under way just now, and whether the provider may know the order."""

SQL = """
ALTER TABLE product_orders
    ADD COLUMN IF NOT EXISTS "sendingUntil" timestamptz,
    ADD COLUMN IF NOT EXISTS "mayBeKnown" boolean DEFAULT false;
"""


def up(migrator, db):
    db.execute_sql(SQL)
