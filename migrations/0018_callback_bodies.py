"""What came over the wire is kept once: the further entries of a list name the callback that has it, by its key."""

SQL = """
ALTER TABLE referans.callback_events ADD COLUMN IF NOT EXISTS raw_of text;
"""


def up(migrator, db):
    db.execute_sql(SQL)
