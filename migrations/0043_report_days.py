"""Reports: what each day's orders came to, summed up by the sweep, so that a report reads days and not orders.

An order counts on the day on which it was placed, in TIMEZONE. `report_days` says which days were summed up, for which
zone, and which have changed since; `report_progress` (one row) up to which event of the timelines that is known.

`day_totals` counts money on delivered orders only; a currency is an empty text where that amount is not known. `level`
says by its bits what a row tells apart: 1 the tenant, 2 the provider, 4 the product and its package. `steps` and
`counts` are delivered orders by how long they took, in steps of a quarter of a doubling. `month_totals` is the same of
months, whose first day is in `day`; `report_months` says up to which day each was summed up, and whether one of these
has changed since.
"""

SQL = """
CREATE TABLE IF NOT EXISTS referans.report_days (
    day date PRIMARY KEY,
    zone text NOT NULL,
    is_changed boolean NOT NULL DEFAULT true,
    summed_up_at timestamptz
);
CREATE INDEX IF NOT EXISTS idx_report_days_changed ON referans.report_days (day) WHERE is_changed;
CREATE TABLE IF NOT EXISTS referans.report_months (
    month date PRIMARY KEY,
    through date,
    is_changed boolean NOT NULL DEFAULT true,
    summed_up_at timestamptz
);
CREATE TABLE IF NOT EXISTS referans.report_progress (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    event_id bigint NOT NULL
);
CREATE TABLE IF NOT EXISTS referans.day_totals (
    level smallint NOT NULL,
    day date NOT NULL,
    tenant_id text NOT NULL,
    provider_id text NOT NULL,
    product_id text NOT NULL,
    package_id text NOT NULL,
    cost_currency text NOT NULL,
    price_currency text NOT NULL,
    orders integer NOT NULL,
    open integer NOT NULL,
    delivered integer NOT NULL,
    failed integer NOT NULL,
    reversed integer NOT NULL,
    by_callback integer NOT NULL,
    cost numeric NOT NULL,
    price numeric NOT NULL,
    steps smallint[] NOT NULL,
    counts integer[] NOT NULL
);
CREATE INDEX IF NOT EXISTS idx_day_totals_day ON referans.day_totals (day, level);
CREATE INDEX IF NOT EXISTS idx_day_totals_provider ON referans.day_totals (level, provider_id, day);
CREATE INDEX IF NOT EXISTS idx_day_totals_product ON referans.day_totals (product_id, level, day) WHERE level >= 4;
CREATE TABLE IF NOT EXISTS referans.month_totals (
    level smallint NOT NULL,
    day date NOT NULL,
    tenant_id text NOT NULL,
    provider_id text NOT NULL,
    product_id text NOT NULL,
    package_id text NOT NULL,
    cost_currency text NOT NULL,
    price_currency text NOT NULL,
    orders integer NOT NULL,
    open integer NOT NULL,
    delivered integer NOT NULL,
    failed integer NOT NULL,
    reversed integer NOT NULL,
    by_callback integer NOT NULL,
    cost numeric NOT NULL,
    price numeric NOT NULL,
    steps smallint[] NOT NULL,
    counts integer[] NOT NULL
);
CREATE INDEX IF NOT EXISTS idx_month_totals_day ON referans.month_totals (day, level);
CREATE INDEX IF NOT EXISTS idx_month_totals_provider ON referans.month_totals (level, provider_id, day);
"""


def up(migrator, db):
    db.execute_sql(SQL)
