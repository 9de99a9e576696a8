"""How routes of the same priority share the orders of a package, and the providers whose catalogue is watched.

Every column is added with a constant default, so no row is rewritten. A process of the version before adds routes with
these defaults: they come after those that have a strategy.
"""

SQL = """
ALTER TABLE referans.routes
    ADD COLUMN IF NOT EXISTS strategy text NOT NULL DEFAULT 'order',
    ADD COLUMN IF NOT EXISTS weight integer NOT NULL DEFAULT 1;
CREATE TABLE IF NOT EXISTS referans.catalogue_watches (
    provider_id text PRIMARY KEY REFERENCES referans.providers (id) ON DELETE CASCADE,
    since timestamptz NOT NULL DEFAULT now(),
    known text[] NOT NULL DEFAULT '{}',
    next_at timestamptz NOT NULL DEFAULT now(),
    looked_at timestamptz,
    attention text
);
"""


def up(migrator, db):
    db.execute_sql(SQL)
