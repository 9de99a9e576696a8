"""What a try made of a notification, and when the next one comes."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from gateway.fulfilment import retries
from models.outbox import Became

NOW = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)
DAY = 86_400


def after(
    tries: int, status: int | None, retry_after: str | None = None, stretch: float = 0.0
) -> tuple[Became, float | None]:
    headers = {} if retry_after is None else {"Retry-After": retry_after}
    return retries.after(tries, status, headers, NOW, lambda low, high: low + stretch * (high - low))


def test_the_waits_are_those_of_the_contract() -> None:
    waits = [after(tries, None)[1] for tries in range(1, 10)]
    assert waits == [5, 30, 120, 600, 3600, 3 * 3600, 6 * 3600, 12 * 3600, DAY]
    assert after(10, None) == (Became.DEAD, None)


def test_each_wait_is_stretched_by_a_tenth_at_most() -> None:
    assert after(2, 500, stretch=1) == (Became.AGAIN, pytest.approx(33))


@pytest.mark.parametrize(
    ("status", "became"),
    [
        *[(status, Became.DELIVERED) for status in (200, 201, 204, 299)],
        *[
            (status, Became.AGAIN)
            for status in (None, 100, 199, 300, 301, 307, 400, 401, 404, 409, 429, 500, 503)
        ],
        (410, Became.DEAD),
    ],
)
def test_what_a_status_means(status: int | None, became: Became) -> None:
    assert after(1, status)[0] is became
    assert after(1, status)[1] == (5 if became is Became.AGAIN else None)


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("60", 60),
        (" 60 ", 60),
        ("4", 5),
        ("0", 5),
        (str(DAY), DAY),
        (str(DAY + 1), DAY),
        ("9" * 30, DAY),
        (format_datetime(NOW + timedelta(minutes=2), usegmt=True), 120),
        (format_datetime(NOW - timedelta(minutes=2), usegmt=True), 5),
        (format_datetime(NOW + timedelta(days=400), usegmt=True), DAY),
        ("Thu, 26 Nov 2026 12:00:00 +9999999999999", 5),
        ("Thu, 26 Nov 99999 12:00:00 GMT", 5),
        ("Thu, 26 Nov 2026 12:00:00 -" + "9" * 5000, 5),
        ("Thursday, 26-Nov-26 12:01:00 GMT", 60),
        ("Thu Nov 26 12:01:00 2026", 60),
        *[
            (nonsense, 5)
            for nonsense in ("", "-60", "60.5", "soon", "٦٠", "1e3", "Thu, 99 Nov 2026 25:00:00 GMT")
        ],
    ],
)
def test_retry_after_counts_where_it_is_later_and_a_day_at_most(said: str, seconds: float) -> None:
    assert after(1, 429, said) == (Became.AGAIN, seconds)


def test_what_is_delivered_or_dead_is_not_tried_again_whatever_is_asked_for() -> None:
    assert after(1, 200, "60") == (Became.DELIVERED, None)
    assert after(1, 410, "60") == (Became.DEAD, None)
    assert after(10, 503, "60") == (Became.DEAD, None)
