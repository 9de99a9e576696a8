"""Reports: what each day's orders came to, summed up by the sweep, so that a report reads days and not orders.

An order counts on the day on which it was placed, in TIMEZONE. `report_days` says which days were summed up, for which
zone, and which have changed since; `report_progress` (one row) up to which event of the timelines that is known.
`day_totals` counts money on delivered orders only; a currency is NULL where that amount is not known. `day_durations`
counts delivered orders by how long they took, in steps of a quarter of a doubling. In both, a row that `is_whole` is of
all products of a provider together.
"""

SQL = """
CREATE TABLE IF NOT EXISTS referans.report_days (
    day date PRIMARY KEY,
    zone text NOT NULL,
    is_changed boolean NOT NULL DEFAULT true,
    summed_up_at timestamptz
);
CREATE INDEX IF NOT EXISTS idx_report_days_changed ON referans.report_days (day) WHERE is_changed;
CREATE TABLE IF NOT EXISTS referans.report_progress (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    event_id bigint NOT NULL
);
CREATE TABLE IF NOT EXISTS referans.day_totals (
    is_whole boolean NOT NULL,
    day date NOT NULL,
    tenant_id text NOT NULL,
    provider_id text NOT NULL,
    product_id text NOT NULL,
    package_id text NOT NULL,
    cost_currency text,
    price_currency text,
    orders integer NOT NULL,
    open integer NOT NULL,
    delivered integer NOT NULL,
    failed integer NOT NULL,
    reversed integer NOT NULL,
    by_callback integer NOT NULL,
    cost numeric NOT NULL,
    price numeric NOT NULL
);
CREATE INDEX IF NOT EXISTS idx_day_totals_day ON referans.day_totals (is_whole, day);
CREATE TABLE IF NOT EXISTS referans.day_durations (
    is_whole boolean NOT NULL,
    day date NOT NULL,
    tenant_id text NOT NULL,
    provider_id text NOT NULL,
    product_id text NOT NULL,
    package_id text NOT NULL,
    step smallint NOT NULL,
    count integer NOT NULL
);
CREATE INDEX IF NOT EXISTS idx_day_durations_day ON referans.day_durations (is_whole, day);
"""


def up(migrator, db):
    db.execute_sql(SQL)
