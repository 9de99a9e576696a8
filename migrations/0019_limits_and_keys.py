"""Until when an API key is valid, and the day on which it was last used; when an order's check was last asked for.

"checkAskedAt" outlives the check itself: for a few seconds, another request means the same one.
"""

SQL = """
ALTER TABLE referans.api_keys
    ADD COLUMN IF NOT EXISTS expires_at timestamptz,
    ADD COLUMN IF NOT EXISTS last_used_on date;

ALTER TABLE product_orders ADD COLUMN IF NOT EXISTS "checkAskedAt" timestamptz;
"""


def up(migrator, db):
    db.execute_sql(SQL)
