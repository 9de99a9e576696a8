"""Own stock: codes that the shop has bought, and which order took which.

A code is free until `referans` says who took it. The index of those taken makes two sends of one order agree.
"""

SQL = """
CREATE TABLE IF NOT EXISTS referans.stock_codes (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    stock text NOT NULL,
    digest text NOT NULL,
    code text NOT NULL,
    expires_at timestamptz,
    cost numeric,
    currency text,
    loaded_at timestamptz NOT NULL DEFAULT now(),
    provider_id text,
    referans text,
    place integer,
    taken_at timestamptz
);
CREATE UNIQUE INDEX IF NOT EXISTS idx_stock_codes_digest ON referans.stock_codes (digest);
CREATE INDEX IF NOT EXISTS idx_stock_codes_free ON referans.stock_codes (stock, id) INCLUDE (expires_at)
    WHERE referans IS NULL;
CREATE UNIQUE INDEX IF NOT EXISTS idx_stock_codes_taken ON referans.stock_codes (provider_id, referans, place)
    WHERE referans IS NOT NULL;
"""


def up(migrator, db):
    db.execute_sql(SQL)
