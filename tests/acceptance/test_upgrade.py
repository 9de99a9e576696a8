"""The upgrade under load, in short; `make soak` has more of it."""

from collections.abc import Callable

import pytest

from models.db import migrate
from tests.acceptance import upgrade
from tests.models.db import psql


def by_script(url: str, echo: Callable[[str], None]) -> None:
    code, said = psql.WAYS[-1](url, migrate.sql(url))
    assert code == 0, said


@pytest.mark.parametrize("bring", [None, by_script])
def test_the_version_before_loses_nothing_and_waits_for_less_than_a_second(
    bring: Callable[[str, Callable[[str], None]], object] | None, empty_database_url: str
) -> None:
    found = upgrade.upgrade(empty_database_url, orders=10_000, threads=3, bring=bring)
    assert found.lives > 5
    assert found.wrong() == []
