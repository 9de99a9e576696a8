"""How a provider's balance moves, and of how many deliveries its callbacks tell beside what is usual."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from models import balance_trend, callback_shares, provider, provider_health
from models.balance_trend import Point, Trend
from models.db import database
from models.report_sums import PROVIDER
from models.status import ExternalStatus
from tests import factories
from tests.factories import SANDBOX

NOW = datetime(2026, 5, 14, 12, tzinfo=UTC)


def trend(*balances: float, hours: float = 1) -> Trend:
    """Points so many hours apart, the last one now."""
    begin = NOW - timedelta(hours=hours) * (len(balances) - 1)
    points = (
        (begin + timedelta(hours=hours) * place, Decimal(str(balance)))
        for place, balance in enumerate(balances)
    )
    return Trend([Point(SANDBOX, at, balance, "TRY") for at, balance in points])


@pytest.mark.parametrize(
    ("known", "hours_left"),
    [
        (trend(100, 90, 80), 8),
        (trend(100, 80, 180, 160), 160 / (40 / 3)),  # a deposit is no saving
        (trend(100, 100, 100), None),
        (trend(100, 90), None),  # an hour says too little
        (trend(100), None),
        (trend(10, 4, 0), 0),
        (trend(900, *[100] * 25, 90, 80), 80 / (20 / 24)),  # the day before says nothing of today
    ],
    ids=str,
)
def test_how_long_a_balance_lasts_is_told_by_what_was_bought_lately(
    known: Trend, hours_left: float | None
) -> None:
    lasts = known.lasts_seconds
    assert lasts == (None if hours_left is None else pytest.approx(3600 * hours_left))


def test_a_curve_has_the_balance_as_it_was_at_each_moment() -> None:
    assert trend(30, 20, 10).values(NOW, hours=4, count=4) == [None, 30, 20, 10]
    assert trend(30, 10, hours=2).values(NOW, hours=4, count=4) == [None, 30, 30, 10]


@pytest.mark.usefixtures("db")
def test_balances_are_noted_once_in_a_quarter_of_an_hour_and_forgotten() -> None:
    database.rows(
        "INSERT INTO referans.provider_health (provider_id, balance, balance_currency) VALUES (%s, 5, 'TRY')",
        (SANDBOX,),
    )
    assert (balance_trend.note(), balance_trend.note()) == (1, 1)
    assert [each.balance for each in balance_trend.every()[SANDBOX].points] == [5]
    database.rows("UPDATE referans.balance_points SET at = at - interval '3 hours'")
    database.rows("UPDATE referans.provider_health SET balance = 2")
    balance_trend.note()
    assert [each.balance for each in balance_trend.every(SANDBOX)[SANDBOX].points] == [5, 2]
    database.rows("UPDATE referans.provider_health SET balance_currency = 'USD'")
    balance_trend.note()
    assert [each.currency for each in balance_trend.every()[SANDBOX].points] == ["USD"]
    database.rows("UPDATE referans.balance_points SET at = at - interval '9 days'")
    database.rows("UPDATE referans.provider_health SET balance = NULL")
    balance_trend.note()
    assert balance_trend.every() == {}


def counted(told: int, polled: int, usual: tuple[int, int] = (95, 100)) -> None:
    """What the sweep has counted: of the last hour, and of the days before."""
    database.rows("DELETE FROM referans.pulse")
    database.rows("DELETE FROM referans.day_totals")
    for source, count in (("callback", told), ("poll", polled)):
        if not count:
            continue
        database.rows(
            "INSERT INTO referans.pulse VALUES (now() - interval '20 minutes', %s, 'completed', %s, %s)",
            (SANDBOX, source, count),
        )
    database.rows(
        "INSERT INTO referans.day_totals (level, day, tenant_id, provider_id, product_id, package_id, cost_currency,"
        " price_currency, orders, open, delivered, failed, reversed, by_callback, cost, price, steps, counts)"
        " VALUES (%s, now()::date - 2, '', %s, '', '', '', '', %s, 0, %s, 0, 0, %s, 0, 0, '{}', '{}')",
        (PROVIDER, SANDBOX, usual[1], usual[1], usual[0]),
    )


@pytest.mark.usefixtures("db")
@pytest.mark.parametrize(
    ("told", "polled", "usual", "is_low"),
    [
        (0, 20, (95, 100), True),
        (5, 15, (95, 100), True),
        (18, 2, (95, 100), False),  # as chance has it
        (0, 9, (95, 100), False),  # too few deliveries
        (0, 20, (40, 49), False),  # too few say what is usual
        (0, 20, (10, 100), False),  # it seldom calls at all
        (14, 16, (60, 100), False),
        (140, 160, (60, 100), True),  # of many, the same share is no chance any more
    ],
)
def test_callbacks_are_low_where_they_fall_clearly_below_what_is_usual(
    told: int, polled: int, usual: tuple[int, int], is_low: bool
) -> None:
    counted(told, polled, usual)
    assert callback_shares.note() == ([SANDBOX] if is_low else [])
    health = provider_health.health(SANDBOX)
    assert (health is not None and health.callbacks_low_since is not None) is is_low
    [known] = callback_shares.every().values()
    assert (known.delivered, known.share) == (told + polled, told / (told + polled))
    assert (callback_shares.last_told(SANDBOX) is not None) is (told > 0)


@pytest.mark.usefixtures("db")
def test_it_keeps_its_beginning_and_ends_by_itself() -> None:
    counted(0, 20)
    callback_shares.note()
    begun = provider_health.health(SANDBOX)
    callback_shares.note()
    assert provider_health.health(SANDBOX) == begun
    counted(20, 0)
    assert callback_shares.note() == []
    counted(0, 20)
    callback_shares.note()
    account = provider.find(SANDBOX)
    assert account
    database.rows("UPDATE referans.providers SET callback = 'none'")
    assert callback_shares.note() == [] and callback_shares.every() == {}
    ended = provider_health.health(SANDBOX)
    assert ended and ended.callbacks_low_since is None


@pytest.mark.usefixtures("db")
def test_the_time_to_a_callback_is_told_by_those_of_the_last_hour() -> None:
    assert callback_shares.delay(SANDBOX).median_seconds is None
    for seconds in (10, 20, 90):
        order = factories.sent()
        factories.settle(factories.arrival(order, ExternalStatus.COMPLETED, pin="PIN-1"))
        database.rows(
            'UPDATE product_orders SET "sentAt" = now() - make_interval(secs => %s) WHERE id = %s',
            (seconds, order["id"]),
        )
    found = callback_shares.delay(SANDBOX)
    assert (found.count, round(found.median_seconds or 0)) == (3, 20)
    assert callback_shares.delay("other").count == 0
