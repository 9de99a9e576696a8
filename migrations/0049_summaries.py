"""What the lines of a statement came to, kept once they are compared: to add them up reads every line and its order."""

SQL = """
ALTER TABLE referans.statements ADD COLUMN IF NOT EXISTS summary jsonb;
"""


def up(migrator, db):
    db.execute_sql(SQL)
