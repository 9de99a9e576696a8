"""What the body of a provider's callbacks is, by choice. NULL: added before one could choose, and both are read."""

SQL = """
ALTER TABLE referans.providers ADD COLUMN IF NOT EXISTS callback_format text;
"""


def up(migrator, db):
    db.execute_sql(SQL)
