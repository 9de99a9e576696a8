"""Reports by product read sums of their own: a further level of the days and of the months.

`day_totals` and `month_totals` have the levels 8 (the product) and 9 (the tenant and the product). `levels_at` equals
`summed_up_at` where they are there. A process of the version before takes them away from the days that it sums up, and
leaves `levels_at` behind: until the sweep has added the missing levels, from the finest one, a report with such a day
reads packages.
"""

SQL = """
ALTER TABLE referans.report_days ADD COLUMN IF NOT EXISTS levels_at timestamptz;
ALTER TABLE referans.report_months ADD COLUMN IF NOT EXISTS levels_at timestamptz;
"""


def up(migrator, db):
    db.execute_sql(SQL)
