"""When to ask again."""

import pytest

from gateway.fulfilment.backoff import Backoff


def delays(uniform: float, **given: float) -> list[float]:
    plan = {"min_seconds": 30, "max_seconds": 600, "max_checks": 20, "slow_seconds": 1800} | given
    return Backoff(**plan).delays_seconds(  # type: ignore[arg-type] # mypy cannot see that max_checks is an int
        lambda low, high: low + uniform * (high - low)
    )


def test_waits_double_up_to_the_bound_and_then_come_slowly() -> None:
    assert delays(0) == [30, 60, 120, 240, 480, *[600] * 14, 1800]


def test_each_wait_is_stretched_by_a_tenth_at_most() -> None:
    shortest, longest = delays(0), delays(1)
    assert longest[:-1] == pytest.approx([wait * 1.1 for wait in shortest[:-1]])
    assert longest[-1] == 1800


def test_a_single_check_is_followed_by_slow_ones() -> None:
    assert delays(0, max_checks=1) == [1800]


def test_a_thousand_checks_do_not_overflow() -> None:
    assert delays(0, max_checks=2000)[-2:] == [600, 1800]
