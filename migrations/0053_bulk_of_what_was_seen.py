"""Actions on many orders: each order as it was when it was chosen, who may go on with it, and which form began it.

`seen` is what a decision compares, so that an order that has changed since is left alone. `person_id` or `key_id` is
whose sign-in began it, or went on with it last; it goes on for as long as that one may. A form begins one action,
however often it is sent: `form`.
"""

SQL = """
ALTER TABLE referans.bulk_orders ADD COLUMN IF NOT EXISTS seen text;
ALTER TABLE referans.bulk_actions
    ADD COLUMN IF NOT EXISTS person_id bigint,
    ADD COLUMN IF NOT EXISTS key_id bigint,
    ADD COLUMN IF NOT EXISTS form text;
CREATE UNIQUE INDEX IF NOT EXISTS idx_bulk_actions_form ON referans.bulk_actions (form) WHERE form IS NOT NULL;
"""


def up(migrator, db):
    db.execute_sql(SQL)
