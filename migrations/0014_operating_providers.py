"""What people set on providers and routes: thresholds for warnings, a currency, the order and the cost of routes.

Every column is added without a default or with a constant one, so no row is rewritten.
"""

SQL = """
ALTER TABLE referans.providers
    ADD COLUMN IF NOT EXISTS low_balance numeric,
    ADD COLUMN IF NOT EXISTS low_stock integer,
    ADD COLUMN IF NOT EXISTS currency text;
ALTER TABLE referans.routes
    ADD COLUMN IF NOT EXISTS priority integer NOT NULL DEFAULT 0,
    ADD COLUMN IF NOT EXISTS cost numeric,
    ADD COLUMN IF NOT EXISTS currency text;
"""


def up(migrator, db):
    db.execute_sql(SQL)
