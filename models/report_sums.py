"""The sums that reports read: of each day, and of each month from its days.

A sum tells apart what the bits of its `level` say. Those of a day are at few levels, since today is summed up at every
sweep; a report of many days reads months, which are at all of them. What has not changed is not written again.
"""

from datetime import date

from models.db import database
from models.order import COST_AMOUNT, COST_CURRENCY
from models.status import WORD, kind_in_sql

#: The bits of a level. Packages are told apart with their products, and products also alone.
TENANT, PROVIDER, PACKAGE, PRODUCT = 1, 2, 4, 8
#: The level from which any other follows.
FINEST = TENANT | PROVIDER | PACKAGE
#: Those of products alone, which are far fewer than packages.
PRODUCT_LEVELS = (PRODUCT, TENANT | PRODUCT)
#: The levels of days, and of months.
DAY_LEVELS = (0, TENANT, PROVIDER, TENANT | PROVIDER, PACKAGE, FINEST, *PRODUCT_LEVELS)
MONTH_LEVELS = (*range(FINEST + 1), *PRODUCT_LEVELS)
#: Steps of the durations in a doubling: a percentile is right within a tenth.
STEPS = 4
#: Durations are counted as these seconds at least, and at most.
SHORTEST, LONGEST = 0.25, 10_000_000
#: What makes whole steps of numbers that are a little less in one of both languages.
ROUNDED = 1e-9


def sum_up_day(day: date, zone: str) -> None:
    """Sum up a day in this zone, and note that its month has changed if it has. Needs a transaction."""
    if database.rows(SUM_UP_DAY, {"day": day, "zone": zone})[0]["n"]:
        database.rows(NOTE_MONTH, {"day": day})


def sum_up_day_again(day: date) -> None:
    """Sum up a day at every level, from what is known of it at the finest one. Needs a transaction."""
    database.rows(SUM_UP_DAY_AGAIN, {"day": day, "through": day})


def sum_up_month(month: date, through: date) -> None:
    """Sum up the days of a month up to `through`. Needs a transaction in which its row of `report_months` is locked."""
    database.rows(SUM_UP_MONTH, {"day": month, "through": through})


def _grouping_sets(levels: tuple[int, ...], further: str) -> str:
    """Of each level the columns that it tells apart."""
    columns = {
        TENANT: "tenant_id, ",
        PROVIDER: "provider_id, ",
        PACKAGE: "product_id, package_id, ",
        PRODUCT: "product_id, ",
    }
    sets = ("".join(text for bit, text in columns.items() if level & bit) + further for level in levels)
    return f"GROUPING SETS ({', '.join(f'({each})' for each in sets)})"


#: In SQL: the step of a duration in {seconds}.
STEP = (
    f"floor({STEPS} * ln(LEAST(GREATEST({{seconds}}, {SHORTEST}), {LONGEST})::float8) / ln(2::float8)"
    f" + {ROUNDED})::smallint"
)
_KIND = kind_in_sql(WORD)
#: A callback told of it if the order completed at the time of one. A later one that told the same again moves that
#: time, so that the timeline is asked of such orders only.
_ORDERS = f"""
    SELECT tenant_id, provider_id, product_id, package_id,
        CASE WHEN cost IS NULL THEN '' ELSE cost_currency END AS cost_currency,
        CASE WHEN price IS NULL THEN '' ELSE price_currency END AS price_currency,
        1 AS orders, (kind = 'open')::int AS open, (kind = 'completed')::int AS delivered,
        (kind = 'failed')::int AS failed, (kind = 'reversed')::int AS reversed, by_callback::int AS by_callback,
        COALESCE(cost, 0) AS cost, COALESCE(price, 0) AS price,
        CASE WHEN seconds IS NOT NULL THEN {STEP.format(seconds="seconds")} END AS step
    FROM (
        SELECT
            COALESCE(o."tenantId"::text, '') AS tenant_id,
            COALESCE(o."providerId", '') AS provider_id,
            COALESCE(o."productId"::text, '') AS product_id,
            COALESCE(o."packageId"::text, '') AS package_id,
            {_KIND} AS kind,
            CASE WHEN {_KIND} = 'completed' THEN {COST_AMOUNT} END AS cost,
            COALESCE({COST_CURRENCY}, '') AS cost_currency,
            CASE WHEN {_KIND} = 'completed' THEN o."priceAmount" END AS price,
            COALESCE(o."priceCurrency", '') AS price_currency,
            CASE WHEN {_KIND} = 'completed' THEN EXTRACT(EPOCH FROM o."completedAt" - o."createdAt") END AS seconds,
            {_KIND} = 'completed' AND COALESCE(o."lastCallbackAt" >= o."completedAt", false) AND (
                o."lastCallbackAt" = o."completedAt"
                OR EXISTS (
                    SELECT FROM referans.order_events AS e
                    WHERE e.order_id = o.id AND e.source = 'callback' AND e.at = o."completedAt"
                )
            ) AS by_callback
        FROM product_orders AS o
        WHERE o."createdAt" >= %(day)s::date::timestamp AT TIME ZONE %(zone)s
          AND o."createdAt" < (%(day)s::date + 1)::timestamp AT TIME ZONE %(zone)s
    ) AS found
"""
_DAYS = f"""
    SELECT t.* FROM referans.day_totals AS t
    WHERE t.level = {FINEST} AND t.day BETWEEN %(day)s::date AND %(through)s::date
"""
_LEVEL = f"""{FINEST} - grouping(package_id, provider_id, tenant_id)
    + {PRODUCT} * (grouping(package_id) - grouping(product_id))"""
_KEYS = "tenant_id, provider_id, product_id, package_id"
_KEPT = ", ".join(f"COALESCE({name}, '') AS {name}" for name in _KEYS.split(", "))
_CURRENCIES = "cost_currency, price_currency"
_COUNTS = ("orders", "open", "delivered", "failed", "reversed", "by_callback")
_COLUMNS = f"level, day, {_KEYS}, {_CURRENCIES}, {', '.join(_COUNTS)}, cost, price, steps, counts"
#: Without the day, which is the same: with it PostgreSQL expects few rows, and compares each with each.
_COMPARED = [name for name in _COLUMNS.split(", ") if name != "day"]
#: `pieces` are orders, or sums of days; `timed_pieces` are the same once for each step. Returns how many rows changed.
_SUM_UP = f"""
WITH pieces AS MATERIALIZED ({{pieces}}
), sums AS (
    SELECT {_LEVEL} AS level, {_KEPT}, {_CURRENCIES},
        {", ".join(f"sum({name})::int AS {name}" for name in _COUNTS)}, sum(cost) AS cost, sum(price) AS price
    FROM pieces GROUP BY {{sets}}
), steps AS (
    SELECT {_LEVEL} AS level, {_KEPT}, {_CURRENCIES}, step, sum(count)::int AS count
    FROM ({{timed_pieces}}) AS timed_pieces GROUP BY {{sets_of_steps}}
), timed AS (
    SELECT level, {_KEYS}, {_CURRENCIES}, array_agg(step ORDER BY step) AS steps,
        array_agg(count ORDER BY step) AS counts
    FROM steps GROUP BY level, {_KEYS}, {_CURRENCIES}
), fresh AS MATERIALIZED (
    SELECT level::smallint AS level, %(day)s::date AS day, {_KEYS}, {_CURRENCIES}, {", ".join(_COUNTS)}, cost, price,
        COALESCE(timed.steps, '{{{{}}}}') AS steps, COALESCE(timed.counts, '{{{{}}}}') AS counts
    FROM sums LEFT JOIN timed USING (level, {_KEYS}, {_CURRENCIES})
), known AS (
    SELECT {_COLUMNS} FROM referans.{{table}} WHERE day = %(day)s::date
), gone AS (
    DELETE FROM referans.{{table}} AS t WHERE t.day = %(day)s::date AND NOT EXISTS (
        SELECT FROM fresh WHERE {" AND ".join(f"fresh.{name} = t.{name}" for name in _COMPARED)}
    ) RETURNING 1
), written AS (
    INSERT INTO referans.{{table}} ({_COLUMNS}) SELECT * FROM fresh EXCEPT SELECT * FROM known
    ORDER BY level, {_KEYS} RETURNING 1
)
SELECT (SELECT count(*) FROM gone) + (SELECT count(*) FROM written) AS n
"""


def _sum_up(table: str, pieces: str, timed_pieces: str, levels: tuple[int, ...]) -> str:
    return _SUM_UP.format(
        table=table,
        pieces=pieces,
        timed_pieces=timed_pieces,
        sets=_grouping_sets(levels, _CURRENCIES),
        sets_of_steps=_grouping_sets(levels, f"{_CURRENCIES}, step"),
    )


SUM_UP_DAY = _sum_up(
    "day_totals", _ORDERS, "SELECT *, 1 AS count FROM pieces WHERE step IS NOT NULL", DAY_LEVELS
)
_TIMED_DAYS = "SELECT pieces.*, u.step, u.count FROM pieces, unnest(steps, counts) AS u (step, count)"
SUM_UP_DAY_AGAIN = _sum_up("day_totals", _DAYS, _TIMED_DAYS, DAY_LEVELS)
SUM_UP_MONTH = _sum_up("month_totals", _DAYS, _TIMED_DAYS, MONTH_LEVELS)
#: The row is locked in any case, so that whoever sums the month up now is waited for, or waits.
NOTE_MONTH = """
INSERT INTO referans.report_months AS m (month) VALUES (date_trunc('month', %(day)s::date)::date)
ON CONFLICT (month) DO UPDATE SET is_changed = true WHERE m.through >= %(day)s::date
"""
