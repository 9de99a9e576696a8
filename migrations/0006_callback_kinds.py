"""What kinds of callbacks need: options such as the header of a signature, and the addresses that may call back."""

SQL = """
ALTER TABLE referans.providers
    ADD COLUMN IF NOT EXISTS callback_options jsonb NOT NULL DEFAULT '{}',
    ADD COLUMN IF NOT EXISTS callback_allow text[] NOT NULL DEFAULT '{}';
"""


def up(migrator, db):
    db.execute_sql(SQL)
