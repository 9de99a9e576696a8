"""Reports: what days, providers, products, packages and tenants came to. A report reads what the sweep has summed up.

An order counts on the day on which it was placed, in TIMEZONE, as it stands now: a day changes when one of its orders
completes later, or is reversed. Which days that concerns is read from the timelines. Of a long period a report reads
months, and days only at its ends (`models.report_sums`).
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from models import pulse, report_sums
from models.db import database
from models.pulse import SLOT_SECONDS
from models.report_sums import PACKAGE, PRODUCT, PROVIDER, STEP, STEPS, TENANT
from models.status import FINAL_WORDS

#: Events of the timelines that are read at once.
EVENTS = 10_000
#: Seconds for which an event is left to the next reading: one with a smaller number may not be committed yet.
SETTLED_SECONDS = 120
#: Seconds that the summing up of one day may take.
DAY_TIMEOUT_MS = 60_000


class By(StrEnum):
    """What a line of a report stands for."""

    DAY = "day"
    MONTH = "month"
    PROVIDER = "provider"
    PRODUCT = "product"
    PACKAGE = "package"
    TENANT = "tenant"


@dataclass(frozen=True, slots=True)
class Wanted:
    """The days of a report, both included, and which orders; None is any."""

    first: date
    last: date
    provider_id: str | None = None
    product_id: str | None = None
    tenant_id: str | None = None


@dataclass(slots=True)
class Total:
    """What some orders came to. Money is by currency, and of delivered orders."""

    #: What they have in common, as `By` says; of a package its product and itself. An empty text: none.
    key: tuple[str, ...] = ()
    orders: int = 0
    #: Not final yet.
    open: int = 0
    delivered: int = 0
    failed: int = 0
    reversed: int = 0
    #: Delivered ones of which a callback told.
    by_callback: int = 0
    cost: dict[str, Decimal] = field(default_factory=lambda: defaultdict(Decimal))
    price: dict[str, Decimal] = field(default_factory=lambda: defaultdict(Decimal))
    #: Price less cost, of those for which both are known in one currency; and what these customers paid.
    margin: dict[str, Decimal] = field(default_factory=lambda: defaultdict(Decimal))
    margin_price: dict[str, Decimal] = field(default_factory=lambda: defaultdict(Decimal))
    #: How many have a margin.
    with_margin: int = 0
    #: How many delivered ones took how long, by step; for `seconds`.
    durations: dict[int, int] = field(default_factory=lambda: defaultdict(int))

    def seconds(self, share: float) -> float | None:
        """From placing to delivery: `share` of the delivered orders took no longer than this; None without any."""
        total = sum(self.durations.values())
        wanted, seen = share * total, 0
        for step in sorted(self.durations):
            count = self.durations[step]
            if seen + count >= wanted:
                within = (wanted - seen) / count
                return float(2.0 ** ((step + within) / STEPS))
            seen += count
        return None

    @property
    def final(self) -> int:
        """Those that have ended."""
        return self.orders - self.open


@dataclass(frozen=True, slots=True)
class State:
    """How far the summing up is: a row of STATE."""

    #: The oldest and the newest day that was summed up, and when one was last; None before the first.
    first: date | None
    last: date | None
    at: datetime | None
    #: Days that were never summed up: of these a report says nothing yet.
    left: int


def begin(zone: str) -> None:
    """Have every day summed up that was not yet, and today and yesterday once more. `zone` is that of the shop."""
    if database.row(BEGIN) is not None:
        database.rows(ALL_DAYS, {"zone": zone})
    database.rows(LATELY, {"zone": zone})
    pulse.forget()


def note_changes(zone: str) -> int:
    """Note the days whose orders have changed, and count how orders ended, as EVENTS further events say.

    Returns how many events that were. What is counted, and up to which event, is written together.
    """
    values = {"zone": zone, "limit": EVENTS, "settled": SETTLED_SECONDS}
    return int(database.rows(CHANGES, values)[0]["n"])


def sum_up_next(zone: str) -> date | None:
    """Sum up the newest day that has changed, or lacks a level; None if none does."""
    with database.database.atomic():
        database.rows(f"SET LOCAL statement_timeout = {DAY_TIMEOUT_MS}")
        found = database.row(TAKE_DAY, {"zone": zone})
        if found is None:
            return None
        day: date = found["day"]
        if found["has_changed"]:
            report_sums.sum_up_day(day, zone)
        else:
            report_sums.sum_up_day_again(day)
    return day


def sum_up_next_month(zone: str) -> date | None:
    """Sum up the newest month that has changed, or lacks a level, up to yesterday; None if none does."""
    with database.database.atomic():
        database.rows(f"SET LOCAL statement_timeout = {DAY_TIMEOUT_MS}")
        found = database.row(TAKE_MONTH, {"zone": zone})
        if found is None:
            return None
        month: date = found["month"]
        report_sums.sum_up_month(month, found["through"])
    return month


def totals(wanted: Wanted, by: By, *, most_timed: int | None = None) -> list[Total]:
    """The lines of a report, by key. Raises database.TooSlow.

    With `most_timed`, only so many of them have durations: those with the most orders.
    """
    found = _totals(wanted, by)
    if most_timed is None or len(found) <= most_timed:
        _time(found, wanted, by, None)
    else:
        largest = sorted(found.values(), key=lambda each: (-each.orders, each.key))[:most_timed]
        _time(found, wanted, by, [each.key for each in largest])
    return [found[key] for key in sorted(found)]


def whole(wanted: Wanted) -> Total:
    """All orders of a report together. Raises database.TooSlow."""
    found = _totals(wanted, None)
    _time(found, wanted, None, None)
    return found.get((), Total())


def state() -> State:
    """How far the summing up is."""
    return database.load(State, STATE)[0]


@dataclass(frozen=True, slots=True)
class _Row:
    key: Sequence[str]
    #: An empty text where the amount is not known.
    cost_currency: str
    price_currency: str
    orders: int
    open: int
    delivered: int
    failed: int
    reversed: int
    by_callback: int
    cost: Decimal
    price: Decimal


@dataclass(frozen=True, slots=True)
class _Month:
    month: date
    through: date


@dataclass(frozen=True, slots=True)
class _Durations:
    key: Sequence[str]
    #: For each step how many.
    steps: Sequence[int]
    counts: Sequence[int]


def _totals(wanted: Wanted, by: By | None) -> dict[tuple[str, ...], Total]:
    """The lines without durations."""
    found: dict[tuple[str, ...], Total] = {}
    source, values = _source(wanted, by)
    for row in database.load_list(_Row, TOTALS.format(source=source, **_keys(by)), values):
        key = tuple(row.key)
        if key not in found:
            found[key] = Total(key)
        _add(found[key], row)
    return found


def _time(
    found: Mapping[tuple[str, ...], Total],
    wanted: Wanted,
    by: By | None,
    chosen: Sequence[tuple[str, ...]] | None,
) -> None:
    """Add the durations of those lines, or of all."""
    source, values = _source(wanted, by)
    where = ""
    if chosen is not None and by is not None:
        lists = {f"key_{place}": list(column) for place, column in enumerate(zip(*chosen, strict=True))}
        where = CHOSEN.format(
            columns=", ".join(KEYS[by]), lists=", ".join(f"%({name})s::text[]" for name in lists)
        )
        values = values | lists
    statement = DURATIONS.format(source=source, where=where, **_keys(by))
    for each in database.load_list(_Durations, statement, values):
        if line := found.get(tuple(each.key)):  # one that has come since then has none
            line.durations.update(zip(each.steps, each.counts, strict=True))


def _add(total: Total, row: _Row) -> None:
    for name in ("orders", "open", "delivered", "failed", "reversed", "by_callback"):
        setattr(total, name, getattr(total, name) + getattr(row, name))
    if row.cost_currency:
        total.cost[row.cost_currency] += row.cost
    if row.price_currency:
        total.price[row.price_currency] += row.price
    if row.price_currency and row.cost_currency == row.price_currency:
        total.with_margin += row.delivered
        total.margin[row.price_currency] += row.price - row.cost
        total.margin_price[row.price_currency] += row.price


def _keys(by: By | None) -> dict[str, str]:
    """What lines have in common, in SQL."""
    columns = KEYS[by] if by else ()
    return {"key": f"ARRAY[{', '.join(columns)}]::text[]", "group": "".join(f"{each}, " for each in columns)}


def _source(wanted: Wanted, by: By | None) -> tuple[str, dict[str, Any]]:
    """In SQL: the sums that a report reads; and the values for it."""
    candidates = {"provider": wanted.provider_id, "product": wanted.product_id, "tenant": wanted.tenant_id}
    used = {name: value for name, value in candidates.items() if value is not None}
    level = TOLD_APART.get(by, 0)
    for name in used:
        level |= TOLD_APART[By(name)]
    months, days = _parts(wanted, is_by_day=by is By.DAY)
    products = level ^ PACKAGE | PRODUCT
    has_own_level = by is By.PRODUCT and products in report_sums.PRODUCT_LEVELS and "product" not in used
    values = {
        **used,
        "products": products,
        "level": level,
        "day_level": level if level in report_sums.DAY_LEVELS else report_sums.FINEST,
        "months": months,
        "days": days,
    }
    source = SOURCE_OF_PRODUCTS if has_own_level else SOURCE
    return source.format(where="".join(f" AND t.{name}_id = %({name})s" for name in used)), values


def _parts(wanted: Wanted, *, is_by_day: bool) -> tuple[list[date], list[date]]:
    """The months that are summed up and lie within the period, and the other days of it."""
    given = {"first": wanted.first, "last": wanted.last}
    summed = [] if is_by_day else database.load(_Month, MONTHS, given)
    covered = {day for each in summed for day in days_between(each.month, each.through)}
    days = [day for day in days_between(wanted.first, wanted.last) if day not in covered]
    return [each.month for each in summed], days


def days_between(first: date, last: date) -> Iterator[date]:
    """Every day from the first to the last."""
    for ordinal in range(first.toordinal(), last.toordinal() + 1):
        yield date.fromordinal(ordinal)


#: What the lines of a report have in common, in SQL.
KEYS = {
    By.DAY: ("t.day::text",),
    By.MONTH: ("left(t.day::text, 7)",),
    By.PROVIDER: ("t.provider_id",),
    By.PRODUCT: ("t.product_id",),
    By.PACKAGE: ("t.product_id", "t.package_id"),
    By.TENANT: ("t.tenant_id",),
}
#: What the sums must tell apart for it.
TOLD_APART: Mapping[By | None, int] = {
    By.PROVIDER: PROVIDER,
    By.PRODUCT: PACKAGE,
    By.PACKAGE: PACKAGE,
    By.TENANT: TENANT,
}
BEGIN = """
INSERT INTO referans.report_progress (event_id) SELECT COALESCE(max(id), 0) FROM referans.order_events
ON CONFLICT DO NOTHING RETURNING event_id
"""
#: From the day before the first order, in case the zone changes.
ALL_DAYS = """
INSERT INTO referans.report_days (day, zone)
SELECT day::date, %(zone)s
FROM (SELECT "createdAt" AS at FROM product_orders WHERE "createdAt" IS NOT NULL ORDER BY "createdAt" LIMIT 1) AS oldest
CROSS JOIN LATERAL generate_series(
    (oldest.at AT TIME ZONE %(zone)s)::date - 1, (now() AT TIME ZONE %(zone)s)::date, interval '1 day'
) AS day
ON CONFLICT DO NOTHING
"""
#: Orders are placed today without a word on a timeline that would be read by now, and another system writes none.
LATELY = """
INSERT INTO referans.report_days (day, zone)
SELECT (now() AT TIME ZONE %(zone)s)::date - back, %(zone)s FROM generate_series(0, 1) AS back
ON CONFLICT (day) DO UPDATE SET is_changed = true
WHERE report_days.day = (now() AT TIME ZONE %(zone)s)::date
   OR report_days.summed_up_at < now() - interval '1 hour'
"""
#: In SQL: {word} means the end of an order.
_IS_FINAL = f"COALESCE({{word}}, '') IN {FINAL_WORDS!r}"
CHANGES = f"""
WITH batch AS (
    SELECT e.id, e.order_id, e.at, e.source, e.result, e."from", e."to" FROM referans.order_events AS e
    WHERE e.id > (SELECT p.event_id FROM referans.report_progress AS p) ORDER BY e.id LIMIT %(limit)s
), upto AS (
    SELECT COALESCE(min(id) FILTER (WHERE at >= now() - make_interval(secs => %(settled)s)) - 1, max(id)) AS id
    FROM batch
), noted AS (
    INSERT INTO referans.report_days (day, zone)
    SELECT DISTINCT (o."createdAt" AT TIME ZONE %(zone)s)::date, %(zone)s
    FROM batch JOIN product_orders AS o ON o.id = batch.order_id
    WHERE batch.id <= (SELECT id FROM upto) AND o."createdAt" IS NOT NULL
    ON CONFLICT (day) DO UPDATE SET is_changed = true
), known AS (
    SELECT COALESCE(o."providerId", '') AS provider_id, batch.source, batch.result, batch."to" AS ended,
        to_timestamp(floor(EXTRACT(EPOCH FROM batch.at) / {SLOT_SECONDS}) * {SLOT_SECONDS}) AS slot,
        batch.result = 'applied' AND {_IS_FINAL.format(word='batch."to"')}
            AND NOT {_IS_FINAL.format(word='batch."from"')} AS has_ended,
        EXTRACT(EPOCH FROM batch.at - COALESCE(o."sentAt", o."createdAt", batch.at)) AS seconds
    FROM batch JOIN product_orders AS o ON o.id = batch.order_id
    WHERE batch.id <= (SELECT id FROM upto) AND batch.result IS NOT NULL
), counted AS (
    INSERT INTO referans.counters AS c (name, provider_id, label, further, value)
    SELECT 'orders_ended', provider_id, ended, source, count(*) FROM known WHERE has_ended GROUP BY 2, 3, 4
    UNION ALL
    SELECT 'seconds', provider_id, {STEP.format(seconds="seconds")}::text, '', count(*)
    FROM known WHERE has_ended AND ended = 'completed' GROUP BY 2, 3
    ON CONFLICT (name, provider_id, label, further) DO UPDATE SET value = c.value + excluded.value
), pulsed AS (
    INSERT INTO referans.pulse AS p (at, provider_id, ended, source, count)
    SELECT slot, provider_id, ended, source, count(*) FROM known WHERE has_ended GROUP BY 1, 2, 3, 4
    ON CONFLICT (at, provider_id, ended, source) DO UPDATE SET count = p.count + excluded.count
), timed AS (
    INSERT INTO referans.pulse_durations AS p (at, provider_id, step, count)
    SELECT slot, provider_id, {STEP.format(seconds="seconds")}, count(*)
    FROM known WHERE has_ended AND ended = 'completed' GROUP BY 1, 2, 3
    ON CONFLICT (at, provider_id, step) DO UPDATE SET count = p.count + excluded.count
), moved AS (
    UPDATE referans.report_progress SET event_id = upto.id FROM upto WHERE upto.id > event_id
)
SELECT count(*)::int AS n FROM batch WHERE batch.id <= (SELECT id FROM upto)
"""
#: In SQL, of the day `r`: its orders are read, not only what is known of them at the finest level.
_IS_TO_BE_READ = "r.is_changed OR r.zone <> %(zone)s OR r.summed_up_at IS NULL"
#: Of a zone that is not the shop's any more, every day. A day long ago of which one order changes is summed up once an
#: hour, since that costs as much as the whole day.
TAKE_DAY = f"""
UPDATE referans.report_days AS r SET is_changed = false, zone = %(zone)s,
    summed_up_at = CASE WHEN {_IS_TO_BE_READ} THEN now() ELSE r.summed_up_at END,
    levels_at = CASE WHEN {_IS_TO_BE_READ} THEN now() ELSE r.summed_up_at END
WHERE r.day = (
    SELECT d.day FROM referans.report_days AS d
    WHERE (d.is_changed OR d.zone <> %(zone)s OR d.levels_at IS DISTINCT FROM d.summed_up_at)
      AND (d.day >= (now() AT TIME ZONE %(zone)s)::date - 1 OR d.zone <> %(zone)s OR d.summed_up_at IS NULL
           OR d.summed_up_at < now() - interval '1 hour')
    ORDER BY d.day DESC LIMIT 1
) RETURNING r.day, r.summed_up_at = now() AS has_changed
"""
#: Up to yesterday, since today changes all the time.
TAKE_MONTH = """
WITH due AS (
    SELECT m.month, LEAST((m.month + interval '1 month')::date, (now() AT TIME ZONE %(zone)s)::date) - 1 AS through,
        m.is_changed OR m.levels_at IS DISTINCT FROM m.summed_up_at AS is_changed, m.through AS summed_through
    FROM referans.report_months AS m
)
UPDATE referans.report_months AS m SET is_changed = false, through = due.through, summed_up_at = now(),
    levels_at = now()
FROM due WHERE m.month = due.month AND m.month = (
    SELECT due.month FROM due
    WHERE due.through >= due.month AND (due.is_changed OR due.summed_through IS DISTINCT FROM due.through)
    ORDER BY due.month DESC LIMIT 1
) RETURNING m.month, m.through
"""
#: Those that are summed up as far as the period goes.
MONTHS = """
SELECT m.month, m.through FROM referans.report_months AS m
WHERE NOT m.is_changed AND m.month >= %(first)s AND m.through <= %(last)s ORDER BY m.month
"""
_SUMS = """t.day, t.tenant_id, t.provider_id, t.product_id, t.package_id, t.cost_currency, t.price_currency,
    t.orders, t.open, t.delivered, t.failed, t.reversed, t.by_callback, t.cost, t.price, t.steps, t.counts"""
_SOURCE = f"""(
    SELECT {_SUMS} FROM referans.month_totals AS t
    WHERE t.level = {{month_level}} AND t.day = ANY (%(months)s::date[]){{{{where}}}}
    UNION ALL
    SELECT {_SUMS} FROM referans.day_totals AS t
    WHERE t.level = {{day_level}} AND t.day = ANY (%(days)s::date[]){{{{where}}}}
) AS t"""
SOURCE = _SOURCE.format(month_level="%(level)s", day_level="%(day_level)s")
#: In SQL: the level of products, unless one of these days or months lacks it; then one that tells packages apart, too.
_PRODUCTS_OR = """(SELECT CASE WHEN EXISTS (
    SELECT FROM {table} AS s WHERE s.{column} = ANY (%({column}s)s::date[])
        AND s.levels_at IS DISTINCT FROM s.summed_up_at
) THEN %({level})s ELSE %(products)s END::smallint)"""
SOURCE_OF_PRODUCTS = _SOURCE.format(
    month_level=_PRODUCTS_OR.format(table="referans.report_months", column="month", level="level"),
    day_level=_PRODUCTS_OR.format(table="referans.report_days", column="day", level="day_level"),
)
TOTALS = """
SELECT {key} AS key, t.cost_currency, t.price_currency, sum(t.orders)::int AS orders, sum(t.open)::int AS open,
    sum(t.delivered)::int AS delivered, sum(t.failed)::int AS failed, sum(t.reversed)::int AS reversed,
    sum(t.by_callback)::int AS by_callback, sum(t.cost) AS cost, sum(t.price) AS price
FROM {source} GROUP BY {group}t.cost_currency, t.price_currency
"""
#: Both arrays of a sum are equally long. In a list of columns they come apart in half the time that it takes to join a
#: function to each row. A line comes as one row, since rows are what the web takes time for.
DURATIONS = """
SELECT line.key, array_agg(line.step) AS steps, array_agg(line.count) AS counts
FROM (
    SELECT {key} AS key, t.step::int AS step, sum(t.count)::int AS count
    FROM (
        SELECT t.day, t.tenant_id, t.provider_id, t.product_id, t.package_id, unnest(t.steps) AS step,
            unnest(t.counts) AS count
        FROM {source}{where}
    ) AS t GROUP BY {group}t.step
) AS line GROUP BY line.key
"""
#: The lines of which durations are wanted.
CHOSEN = " WHERE ({columns}) IN (SELECT * FROM unnest({lists}))"
STATE = """
SELECT min(day) FILTER (WHERE summed_up_at IS NOT NULL) AS first,
    max(day) FILTER (WHERE summed_up_at IS NOT NULL) AS last, max(summed_up_at) AS at,
    (count(*) FILTER (WHERE summed_up_at IS NULL))::int AS left
FROM referans.report_days
"""
