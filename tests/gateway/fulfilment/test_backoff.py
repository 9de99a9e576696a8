"""When to ask again."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

PATH = Path(__file__).parents[2] / "actors" / "backoff.py"


@pytest.fixture(scope="module")
def backoff() -> ModuleType:
    """Loaded by its path: importing the package would want settings and a broker, which this needs not."""
    spec = importlib.util.spec_from_file_location("backoff_alone", PATH)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def delays(backoff: ModuleType, uniform: float, **given: float) -> list[float]:
    plan = {"min_seconds": 30, "max_seconds": 600, "max_checks": 20, "slow_seconds": 1800} | given
    found: list[float] = backoff.Backoff(**plan).delays_seconds(
        lambda low, high: low + uniform * (high - low)
    )
    return found


def test_waits_double_up_to_the_bound_and_then_come_slowly(backoff: ModuleType) -> None:
    assert delays(backoff, 0) == [30, 60, 120, 240, 480, *[600] * 14, 1800]


def test_each_wait_is_stretched_by_a_tenth_at_most(backoff: ModuleType) -> None:
    shortest, longest = delays(backoff, 0), delays(backoff, 1)
    assert longest[:-1] == pytest.approx([wait * 1.1 for wait in shortest[:-1]])
    assert longest[-1] == 1800


def test_a_single_check_is_followed_by_slow_ones(backoff: ModuleType) -> None:
    assert delays(backoff, 0, max_checks=1) == [1800]


def test_a_thousand_checks_do_not_overflow(backoff: ModuleType) -> None:
    assert delays(backoff, 0, max_checks=2000)[-2:] == [600, 1800]
