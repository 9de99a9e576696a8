"""Reports: an order counts on its day in the shop's zone, as it stands now; money is exact, and days add up."""

import math
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from models import report, report_sums
from models.db import database
from models.report import By, Total, Wanted
from models.status import ExternalStatus
from tests import factories

ZONE = "Asia/Damascus"
#: 23:30 in Damascus, where it is UTC+3; a few days ago, since every day until today is summed up.
AT = datetime.now(UTC).replace(hour=20, minute=30) - timedelta(days=4)
DAY = AT.date()
NEXT = DAY + timedelta(days=1)
EVER = Wanted(DAY - timedelta(days=30), DAY + timedelta(days=30))

pytestmark = pytest.mark.usefixtures("db")


def order(
    at: datetime = AT,
    *,
    status: ExternalStatus | None = ExternalStatus.COMPLETED,
    took: float = 10,
    by: str = "callback",
    **columns: Any,
) -> dict[str, Any]:
    """An order that was placed then, and ended `took` seconds later."""
    found = factories.sent()
    if status:
        factories.settle(factories.arrival(found, status, pin="PIN-1" if status == "completed" else None))
    ended = at + timedelta(seconds=took) if status == ExternalStatus.COMPLETED else None
    told = ended if by == "callback" else None
    factories.put(found, createdAt=at, completedAt=ended, lastCallbackAt=told, **columns)
    return found


def sum_up(zone: str = ZONE) -> list[date]:
    """What the sweep does, as if all that has happened had happened long ago."""
    database.rows("UPDATE referans.order_events SET at = at - interval '10 minutes'")
    report.begin(zone)
    while report.note_changes(zone) == report.EVENTS:
        pass
    days = []
    while (day := report.sum_up_next(zone)) is not None:
        days.append(day)
    while report.sum_up_next_month(zone) is not None:
        pass
    return days


def only(by: By = By.DAY, wanted: Wanted = EVER) -> Total:
    [found] = report.totals(wanted, by)
    return found


def money(text: str) -> dict[str, Decimal]:
    amount, currency = text.split()
    return {currency: Decimal(amount)}


def test_an_order_counts_on_its_day_in_the_zone_of_the_shop() -> None:
    order(AT)
    order(AT + timedelta(hours=1))
    sum_up()
    found = report.totals(EVER, By.DAY)
    assert [(each.key, each.orders) for each in found] == [((str(DAY),), 1), ((str(NEXT),), 1)]
    sum_up("UTC")
    assert [(each.key, each.orders) for each in report.totals(EVER, By.DAY)] == [((str(DAY),), 2)]
    assert [each.key for each in report.totals(EVER, By.MONTH)] == [(str(DAY)[:7],)]


def test_days_add_up() -> None:
    for status in (*[ExternalStatus.COMPLETED] * 3, *[ExternalStatus.FAILED] * 2, None):
        order(status=status)
    order(externalStatus="reversed")
    sum_up()
    found = only()
    assert (found.orders, found.open, found.delivered, found.failed, found.reversed) == (7, 1, 3, 2, 1)
    assert found.final == 6


def test_money_is_exact_by_currency_and_of_delivered_orders() -> None:
    gave = {"priceAmount": Decimal("0.30"), "priceCurrency": "USD"}
    cost = {"gatewayCostAmount": Decimal("0.1"), "gatewayCostCurrency": "USD"}
    order(**gave, **cost)
    order(**gave, **cost)
    order(**gave)  # of which no cost is known
    order(**cost)  # of which no price is known
    order(**gave, gatewayCostAmount=Decimal("5.125"), gatewayCostCurrency="TRY")
    order(status=ExternalStatus.FAILED, **gave, **cost)
    order(externalStatus="reversed", **gave, **cost)
    sum_up()
    found = only()
    assert found.cost == money("0.3 USD") | money("5.125 TRY")
    assert found.price == money("1.20 USD")
    assert found.margin == money("0.4 USD") and found.margin_price == money("0.60 USD")
    assert (found.delivered, found.with_margin) == (5, 2)


@pytest.mark.parametrize(
    ("by", "keys"),
    [
        (By.PROVIDER, [("other",), ("sandbox",)]),
        (By.PRODUCT, [("game",), ("gift",)]),
        (By.PACKAGE, [("game", "60"), ("gift", "100")]),
        (By.TENANT, [("",), (factories.TENANT,)]),
    ],
)
def test_lines_are_by_what_is_asked_for(by: By, keys: list[tuple[str, ...]]) -> None:
    order()
    order(providerId="other", productId="gift", packageId="100", tenantId=factories.TENANT)
    sum_up()
    assert [each.key for each in report.totals(EVER, by)] == keys
    for narrowed in (
        Wanted(DAY, DAY, provider_id="other"),
        Wanted(DAY, DAY, product_id="gift"),
        Wanted(DAY, DAY, tenant_id=factories.TENANT),
    ):
        assert only(by, narrowed).orders == 1
    assert report.totals(Wanted(DAY + timedelta(1), DAY + timedelta(1)), by) == []
    assert report.whole(EVER).orders == 2


def test_who_told_is_known_also_where_a_callback_came_twice() -> None:
    order(by="poll")
    told_twice = order()
    factories.put(told_twice, lastCallbackAt=AT + timedelta(hours=1))
    told_too_late = order()
    factories.put(told_too_late, lastCallbackAt=AT + timedelta(hours=1))
    database.rows(
        "UPDATE referans.order_events SET at = %s WHERE order_id = %s AND source = 'callback'",
        (AT + timedelta(seconds=10, minutes=10), told_twice["id"]),  # `sum_up` takes the minutes away
    )
    order()
    sum_up()
    assert (only().delivered, only().by_callback) == (4, 2)


def test_percentiles_are_right_within_a_tenth() -> None:
    for seconds in range(1, 101):
        database.rows(
            'INSERT INTO product_orders ("externalStatus", "createdAt", "completedAt") VALUES (\'completed\', %s, %s)',
            (AT, AT + timedelta(seconds=seconds)),
        )
    sum_up()
    for share in (0.5, 0.95):
        found = only().seconds(share)
        assert found and abs(found / (100 * share) - 1) < 0.1
    assert Total().seconds(0.5) is None


def step_of(seconds: float) -> int:
    """The step of a duration, by itself."""
    least, most = report_sums.SHORTEST, report_sums.LONGEST
    return math.floor(report_sums.STEPS * math.log2(min(max(seconds, least), most)) + report_sums.ROUNDED)


@pytest.mark.parametrize("seconds", [0, 0.25, 0.9, 1, 59.9, 3600, 86_400 * 30, 10**9])
def test_a_step_is_the_same_in_python_and_in_sql(seconds: float) -> None:
    statement = f"SELECT {report_sums.STEP.format(seconds='%s::float8')} AS step"
    assert database.rows(statement, (seconds,))[0]["step"] == step_of(seconds)
    if report_sums.SHORTEST <= seconds <= report_sums.LONGEST:
        assert math.isclose(2 ** (step_of(seconds) / report_sums.STEPS), seconds, rel_tol=0.2)


def take_product_levels_away(table: str) -> None:
    """As a process does that does not know them, an hour ago."""
    sums = {"report_days": "day_totals", "report_months": "month_totals"}[table]
    database.rows(f"DELETE FROM referans.{sums} WHERE level = ANY (%s)", (list(report_sums.PRODUCT_LEVELS),))
    database.rows(f"UPDATE referans.{table} SET summed_up_at = now() - interval '61 minutes'")


#: As if all days had been summed up two hours ago.
HOURS_AGO = """
UPDATE referans.report_days SET summed_up_at = now() - interval '2 hours', levels_at = now() - interval '2 hours'
"""
#: All sums, but when they were made.
SUMS = """
SELECT 'day' AS of, t.* FROM referans.day_totals AS t UNION ALL SELECT 'month', t.* FROM referans.month_totals AS t
ORDER BY 1, 2, 3, 4, 5, 6, 7, 8, 9
"""


class TestWhatIsSummedUp:
    def test_at_first_every_day_newest_first(self) -> None:
        order()
        days = sum_up()
        assert days == sorted(days, reverse=True) and days[-1] == DAY - timedelta(days=1)
        state = report.state()
        assert (state.first, state.last, state.left) == (days[-1], days[0], 0)

    def test_then_only_days_that_have_changed(self) -> None:
        late, _ = order(status=None), order()
        sum_up()
        assert (only().delivered, only().open) == (1, 1)
        database.rows(HOURS_AGO)
        factories.settle(factories.arrival(late, ExternalStatus.COMPLETED, pin="PIN-1"))
        days = sum_up()
        assert DAY in days and len(days) <= 3
        assert (only().delivered, only().open) == (2, 0)

    def test_a_day_long_ago_once_an_hour(self) -> None:
        late = order(status=None)
        sum_up()
        factories.settle(factories.arrival(late, ExternalStatus.COMPLETED, pin="PIN-1"))
        assert DAY not in sum_up()
        database.rows(HOURS_AGO)
        assert DAY in sum_up()

    def test_nothing_that_may_not_be_committed_yet_is_passed_over(self) -> None:
        sum_up()
        late = order(status=None)
        database.rows("UPDATE referans.order_events SET at = at - interval '10 minutes'")
        factories.settle(factories.arrival(late, ExternalStatus.COMPLETED, pin="PIN-1"))  # just now
        before = report.note_changes(ZONE)
        assert before and report.note_changes(ZONE) == 0
        assert DAY in sum_up()

    def test_today_is_summed_up_each_time(self) -> None:
        sum_up()
        order(datetime.now(UTC))
        today = Wanted(DAY + timedelta(days=3), DAY + timedelta(days=5))
        assert report.totals(today, By.DAY) == []
        report.begin(ZONE)
        assert report.sum_up_next(ZONE)
        assert only(wanted=today).orders == 1

    def test_a_day_is_never_counted_twice(self) -> None:
        order()
        for _ in range(3):
            sum_up()
            database.rows("UPDATE referans.report_days SET is_changed = true, summed_up_at = NULL")
        assert only().orders == 1 and sum(only().durations.values()) == 1


class TestMonths:
    """Of a long period a report reads months, and comes to what the days come to."""

    #: In the middle of a month that is over.
    LONG_AGO = (datetime.now(UTC) - timedelta(days=70)).replace(day=15)
    PERIOD = Wanted(LONG_AGO.date() - timedelta(days=30), DAY + timedelta(days=5))

    @staticmethod
    def months() -> list[date]:
        return [
            row["month"] for row in database.rows("SELECT DISTINCT day AS month FROM referans.month_totals")
        ]

    @pytest.mark.parametrize("by", list(By))
    def test_they_come_to_what_their_days_come_to(self, by: By) -> None:
        paid = {"priceAmount": Decimal("0.30"), "priceCurrency": "USD", "gatewayCostAmount": Decimal("0.1")}
        order(self.LONG_AGO, took=100, gatewayCostCurrency="USD", **paid)
        order(self.LONG_AGO + timedelta(days=1), tenantId=factories.TENANT, gatewayCostCurrency="TRY", **paid)
        order(self.LONG_AGO, status=ExternalStatus.FAILED, providerId="other")
        order(self.LONG_AGO, by="poll", productId="gift", packageId="100")
        order()
        sum_up()
        assert self.LONG_AGO.date().replace(day=1) in self.months()
        filters = [
            {},
            {"provider_id": "sandbox"},
            {"product_id": "game"},
            {"tenant_id": factories.TENANT},
            {"provider_id": "sandbox", "tenant_id": factories.TENANT},
        ]
        wanted = [Wanted(self.PERIOD.first, self.PERIOD.last, **each) for each in filters]
        by_months = [(report.totals(each, by), report.whole(each)) for each in wanted]
        database.rows("UPDATE referans.report_months SET is_changed = true")
        assert by_months == [(report.totals(each, by), report.whole(each)) for each in wanted]
        assert by_months[0][1].orders == 5 and sum(by_months[0][1].durations.values()) == 4

    def test_a_day_that_changes_changes_its_month(self) -> None:
        late = order(self.LONG_AGO, status=None)
        sum_up()
        assert report.whole(self.PERIOD).open == 1
        factories.settle(factories.arrival(late, ExternalStatus.COMPLETED, pin="PIN-1"))
        database.rows(HOURS_AGO)
        database.rows("UPDATE referans.order_events SET at = at - interval '10 minutes'")
        report.note_changes(ZONE)
        while report.sum_up_next(ZONE) is not None:
            pass
        assert report.whole(self.PERIOD).open == 0, "its days are read until it is summed up again"
        assert report.sum_up_next_month(ZONE) == self.LONG_AGO.date().replace(day=1)
        assert (report.whole(self.PERIOD).open, report.whole(self.PERIOD).delivered) == (0, 1)

    def test_what_has_not_changed_is_not_written_again(self) -> None:
        order(self.LONG_AGO)
        sum_up()
        before = database.rows("SELECT ctid FROM referans.day_totals ORDER BY ctid")
        database.rows("UPDATE referans.report_days SET is_changed = true, summed_up_at = NULL")
        sum_up()
        assert database.rows("SELECT ctid FROM referans.day_totals ORDER BY ctid") == before
        assert report.sum_up_next_month(ZONE) is None

    @pytest.mark.parametrize("table", ["report_days", "report_months"])
    def test_products_come_to_what_their_packages_come_to(self, table: str) -> None:
        """While levels are missing, because a process of the version before took them away, packages are read."""
        for at, package, paid in ((self.LONG_AGO, "60", "0.1"), (AT, "60", "0.2"), (AT, "100", "0.3")):
            order(at, packageId=package, gatewayCostAmount=Decimal(paid), gatewayCostCurrency="USD")
        order(AT, productId="gift", tenantId=factories.TENANT)
        sum_up()
        periods = [self.PERIOD, Wanted(self.PERIOD.first, self.PERIOD.last, tenant_id=factories.TENANT)]
        found = [report.totals(each, By.PRODUCT) for each in periods]
        assert [(each.key, each.orders, each.cost) for each in found[0]] == [
            (("game",), 3, money("0.6 USD")),
            (("gift",), 1, {}),
        ]
        assert all(sum(each.durations.values()) == each.orders for lines in found for each in lines)
        before = database.rows(SUMS)
        take_product_levels_away(table)
        assert database.rows(SUMS) != before
        assert found == [report.totals(each, By.PRODUCT) for each in periods]
        while report.sum_up_next(ZONE) is not None or report.sum_up_next_month(ZONE) is not None:
            pass
        assert database.rows(SUMS) == before
        for sums in ("day_totals", "month_totals"):
            database.rows(
                f"DELETE FROM referans.{sums} WHERE level <> ALL (%s)", (list(report_sums.PRODUCT_LEVELS),)
            )
        assert found == [report.totals(each, By.PRODUCT) for each in periods], "no packages are read any more"

    def test_a_day_that_has_changed_is_read_also_where_it_lacks_a_level(self) -> None:
        order(self.LONG_AGO)
        sum_up()
        take_product_levels_away("report_days")
        order(self.LONG_AGO)
        database.rows("UPDATE referans.report_days SET is_changed = true")
        while report.sum_up_next(ZONE) is not None:
            pass
        [line] = report.totals(self.PERIOD, By.PRODUCT)
        assert line.orders == 2

    def test_only_the_largest_lines_are_timed(self) -> None:
        for product in ("game", "game", "gift"):
            order(productId=product)
        sum_up()
        found = report.totals(EVER, By.PACKAGE, most_timed=1)
        assert [(each.key[0], each.orders, sum(each.durations.values())) for each in found] == [
            ("game", 2, 2),
            ("gift", 1, 0),
        ]
        assert sum(report.whole(EVER).durations.values()) == 3
