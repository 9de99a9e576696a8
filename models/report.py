"""Reports: what days, providers, products, packages and tenants came to. A report reads what the sweep has summed up.

An order counts on the day on which it was placed, in TIMEZONE, as it stands now: a day changes when one of its orders
completes later, or is reversed. Which days that concerns is read from the timelines.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from models import pulse
from models.db import database
from models.order import COST_AMOUNT
from models.pulse import SLOT_SECONDS
from models.status import FINAL_WORDS, WORD, kind_in_sql

#: Events of the timelines that are read at once.
EVENTS = 10_000
#: Seconds for which an event is left to the next reading: one with a smaller number may not be committed yet.
SETTLED_SECONDS = 120
#: Steps of the durations in a doubling: a percentile is right within a tenth.
STEPS = 4
#: Durations are counted as these seconds at least, and at most.
SHORTEST, LONGEST = 0.25, 10_000_000
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


def step_of(seconds: float) -> int:
    """The step of a duration; STEP says the same in SQL."""
    return math.floor(STEPS * math.log2(min(max(seconds, SHORTEST), LONGEST)))


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
    """Sum up the newest day that has changed; None if none has."""
    with database.database.atomic():
        database.rows(f"SET LOCAL statement_timeout = {DAY_TIMEOUT_MS}")
        found = database.row(TAKE_DAY, {"zone": zone})
        if found is None:
            return None
        values = {"day": found["day"], "zone": zone}
        database.rows(FORGET_DAY, values)
        database.rows(SUM_UP, values)
    day: date = found["day"]
    return day


def totals(wanted: Wanted, by: By) -> list[Total]:
    """The lines of a report, by key. Raises database.TooSlow."""
    found: dict[tuple[str, ...], Total] = {}
    where, values = _conditions(wanted, by)
    for row in database.load_list(_Row, TOTALS.format(key=KEYS[by], where=where), values):
        total = found.setdefault(tuple(row.key), Total(tuple(row.key)))
        _add(total, row)
    for each in database.load_list(_Duration, DURATIONS.format(key=KEYS[by], where=where), values):
        found[tuple(each.key)].durations[each.step] += each.count
    return [found[key] for key in sorted(found)]


def in_all(lines: Iterable[Total]) -> Total:
    """All of them together."""
    whole = Total()
    for each in lines:
        for name in COUNTS:
            setattr(whole, name, getattr(whole, name) + getattr(each, name))
        for name in AMOUNTS:
            for currency, amount in getattr(each, name).items():
                getattr(whole, name)[currency] += amount
        for step, count in each.durations.items():
            whole.durations[step] += count
    return whole


def state() -> State:
    """How far the summing up is."""
    return database.load(State, STATE)[0]


@dataclass(frozen=True, slots=True)
class _Row:
    key: Sequence[str]
    cost_currency: str | None
    price_currency: str | None
    orders: int
    open: int
    delivered: int
    failed: int
    reversed: int
    by_callback: int
    cost: Decimal
    price: Decimal


@dataclass(frozen=True, slots=True)
class _Duration:
    key: Sequence[str]
    step: int
    count: int


COUNTS = ("orders", "open", "delivered", "failed", "reversed", "by_callback", "with_margin")
AMOUNTS = ("cost", "price", "margin", "margin_price")


def _add(total: Total, row: _Row) -> None:
    for name in ("orders", "open", "delivered", "failed", "reversed", "by_callback"):
        setattr(total, name, getattr(total, name) + getattr(row, name))
    if row.cost_currency is not None:
        total.cost[row.cost_currency] += row.cost
    if row.price_currency is not None:
        total.price[row.price_currency] += row.price
    if row.price_currency is not None and row.cost_currency == row.price_currency:
        total.with_margin += row.delivered
        total.margin[row.price_currency] += row.price - row.cost
        total.margin_price[row.price_currency] += row.price


def _conditions(wanted: Wanted, by: By) -> tuple[str, Mapping[str, Any]]:
    """Where no product is told apart, its rows are not read: there may be a thousand of them for one of the whole."""
    is_whole = wanted.product_id is None and by not in (By.PRODUCT, By.PACKAGE)
    candidates = {"provider": wanted.provider_id, "product": wanted.product_id, "tenant": wanted.tenant_id}
    used = {name: value for name, value in candidates.items() if value is not None}
    where = "".join(f" AND t.{name}_id = %({name})s" for name in used)
    return where, used | {"first": wanted.first, "last": wanted.last, "is_whole": is_whole}


def days_between(first: date, last: date) -> Iterator[date]:
    """Every day from the first to the last."""
    for ordinal in range(first.toordinal(), last.toordinal() + 1):
        yield date.fromordinal(ordinal)


#: What the lines of a report have in common, in SQL.
KEYS = {
    By.DAY: "ARRAY[t.day::text]",
    By.MONTH: "ARRAY[left(t.day::text, 7)]",
    By.PROVIDER: "ARRAY[t.provider_id]",
    By.PRODUCT: "ARRAY[t.product_id]",
    By.PACKAGE: "ARRAY[t.product_id, t.package_id]",
    By.TENANT: "ARRAY[t.tenant_id]",
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
#: In SQL: the step of a duration in {seconds}.
STEP = f"floor({STEPS} * log(2.0, LEAST(GREATEST({{seconds}}, {SHORTEST}), {LONGEST})::numeric))::smallint"
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
#: Of a zone that is not the shop's any more, every day. A day long ago of which one order changes is summed up once an
#: hour, since that costs as much as the whole day.
TAKE_DAY = """
UPDATE referans.report_days SET is_changed = false, zone = %(zone)s, summed_up_at = now()
WHERE day = (
    SELECT d.day FROM referans.report_days AS d
    WHERE (d.is_changed OR d.zone <> %(zone)s)
      AND (d.day >= (now() AT TIME ZONE %(zone)s)::date - 1 OR d.zone <> %(zone)s OR d.summed_up_at IS NULL
           OR d.summed_up_at < now() - interval '1 hour')
    ORDER BY d.day DESC LIMIT 1
) RETURNING day
"""
FORGET_DAY = """
WITH durations AS (DELETE FROM referans.day_durations WHERE is_whole IN (true, false) AND day = %(day)s)
DELETE FROM referans.day_totals WHERE is_whole IN (true, false) AND day = %(day)s
"""
_KIND = kind_in_sql(WORD)
#: A callback told of it if the order completed at the time of one. A later one that told the same again moves that
#: time, so that the timeline is asked of such orders only.
SUM_UP = f"""
WITH orders AS MATERIALIZED (
    SELECT
        %(day)s::date AS day,
        COALESCE(o."tenantId"::text, '') AS tenant_id,
        COALESCE(o."providerId", '') AS provider_id,
        COALESCE(o."productId"::text, '') AS product_id,
        COALESCE(o."packageId"::text, '') AS package_id,
        {_KIND} AS kind,
        CASE WHEN {_KIND} = 'completed' THEN {COST_AMOUNT} END AS cost,
        COALESCE(o."gatewayCostCurrency", o."costCurrency", '') AS cost_currency,
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
), durations AS (
    INSERT INTO referans.day_durations (is_whole, day, tenant_id, provider_id, product_id, package_id, step, count)
    SELECT grouping(product_id) = 1, day, tenant_id, provider_id, COALESCE(product_id, ''), COALESCE(package_id, ''),
        step, count(*)
    FROM (SELECT *, {STEP.format(seconds="seconds")} AS step FROM orders WHERE seconds IS NOT NULL) AS timed
    GROUP BY GROUPING SETS (
        (day, tenant_id, provider_id, step), (day, tenant_id, provider_id, product_id, package_id, step)
    )
)
INSERT INTO referans.day_totals (is_whole, day, tenant_id, provider_id, product_id, package_id, cost_currency,
    price_currency, orders, open, delivered, failed, reversed, by_callback, cost, price)
SELECT grouping(product_id) = 1, day, tenant_id, provider_id, COALESCE(product_id, ''), COALESCE(package_id, ''),
    cost_currency, price_currency,
    count(*), count(*) FILTER (WHERE kind = 'open'), count(*) FILTER (WHERE kind = 'completed'),
    count(*) FILTER (WHERE kind = 'failed'), count(*) FILTER (WHERE kind = 'reversed'),
    count(*) FILTER (WHERE by_callback), COALESCE(sum(cost), 0), COALESCE(sum(price), 0)
FROM (
    SELECT day, tenant_id, provider_id, product_id, package_id, kind, by_callback, cost, price,
        CASE WHEN cost IS NOT NULL THEN cost_currency END AS cost_currency,
        CASE WHEN price IS NOT NULL THEN price_currency END AS price_currency
    FROM orders
) AS paid
GROUP BY GROUPING SETS (
    (day, tenant_id, provider_id, cost_currency, price_currency),
    (day, tenant_id, provider_id, product_id, package_id, cost_currency, price_currency)
)
"""
TOTALS = """
SELECT {key} AS key, t.cost_currency, t.price_currency, sum(t.orders)::int AS orders, sum(t.open)::int AS open,
    sum(t.delivered)::int AS delivered, sum(t.failed)::int AS failed, sum(t.reversed)::int AS reversed,
    sum(t.by_callback)::int AS by_callback, sum(t.cost) AS cost, sum(t.price) AS price
FROM referans.day_totals AS t WHERE t.is_whole = %(is_whole)s
    AND t.day BETWEEN %(first)s AND %(last)s{where}
GROUP BY 1, 2, 3
"""
DURATIONS = """
SELECT {key} AS key, t.step::int AS step, sum(t.count)::int AS count
FROM referans.day_durations AS t WHERE t.is_whole = %(is_whole)s
    AND t.day BETWEEN %(first)s AND %(last)s{where}
GROUP BY 1, 2
"""
STATE = """
SELECT min(day) FILTER (WHERE summed_up_at IS NOT NULL) AS first,
    max(day) FILTER (WHERE summed_up_at IS NOT NULL) AS last, max(summed_up_at) AS at,
    (count(*) FILTER (WHERE summed_up_at IS NULL))::int AS left
FROM referans.report_days
"""
