"""How orders ended, as the timelines say: in all (for counters), and by five minutes of the last two days (for charts).

`pulse_durations` counts completed orders by the time from sending, in the steps of `day_totals`.
"""

SQL = """
CREATE TABLE IF NOT EXISTS referans.counters (
    name text NOT NULL,
    provider_id text NOT NULL,
    label text NOT NULL,
    further text NOT NULL,
    value bigint NOT NULL,
    PRIMARY KEY (name, provider_id, label, further)
);
CREATE TABLE IF NOT EXISTS referans.pulse (
    at timestamptz NOT NULL,
    provider_id text NOT NULL,
    ended text NOT NULL,
    source text NOT NULL,
    count integer NOT NULL,
    PRIMARY KEY (at, provider_id, ended, source)
);
CREATE TABLE IF NOT EXISTS referans.pulse_durations (
    at timestamptz NOT NULL,
    provider_id text NOT NULL,
    step smallint NOT NULL,
    count integer NOT NULL,
    PRIMARY KEY (at, provider_id, step)
);
"""


def up(migrator, db):
    db.execute_sql(SQL)
