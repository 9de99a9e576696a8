"""What providers wrote, where codes in it are masked on the timeline: whole and sealed, beside the message."""

SQL = """
ALTER TABLE referans.order_events ADD COLUMN IF NOT EXISTS whole text;
"""


def up(migrator, db):
    db.execute_sql(SQL)
