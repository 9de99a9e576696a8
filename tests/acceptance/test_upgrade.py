"""The upgrade under load, in short; `make soak` has more of it."""

from collections.abc import Callable

import pytest

from models.db import migrate
from tests.acceptance import upgrade
from tests.models.db import psql

#: Times that the script may find a table held by another transaction; on a busy machine it is held for longer.
MOST_TIMES = 5


def by_script(url: str, echo: Callable[[str], None]) -> None:
    """As the script says: at "lock timeout", print it again, and run it again."""
    for _ in range(MOST_TIMES):
        code, said = psql.WAYS[-1](url, migrate.sql(url))
        if "lock timeout" not in said:
            break
    assert code == 0, said


@pytest.mark.parametrize("bring", [None, by_script])
def test_the_version_before_loses_nothing_and_waits_for_less_than_a_second(
    bring: Callable[[str, Callable[[str], None]], object] | None, empty_database_url: str
) -> None:
    found = upgrade.upgrade(empty_database_url, orders=1_000, threads=3, around=20, bring=bring)
    assert found.lives >= 40
    assert found.wrong() == []
