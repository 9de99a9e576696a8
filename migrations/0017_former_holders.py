"""Whether the provider of a former send may have the order still: then sending it again may buy it twice."""

SQL = """
ALTER TABLE referans.former_references ADD COLUMN IF NOT EXISTS may_have_it boolean NOT NULL DEFAULT false;
"""


def up(migrator, db):
    db.execute_sql(SQL)
