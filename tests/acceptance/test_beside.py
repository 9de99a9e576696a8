"""Beside the older storefront with a role of our own, for every run of the tests.

`make soak` has 500 orders of each side, and the same with the role that owns the tables.
"""

from pathlib import Path

from tests.acceptance.beside import filling, scene, table
from tests.acceptance.beside.kinds import of_the_shop
from tests.acceptance.beside.run import Pace, run

#: One order of each kind.
PACE = Pace(
    orders=len(of_the_shop(0)), kill_every_seconds=1.5, kills=3, patience_seconds=60, sweep_every_seconds=1.0
)
#: One that is not due yet, one that reaches its timeout during the run, and one that is older.
AGES_SECONDS = (*filling.AGES_SECONDS[:2], filling.AGES_SECONDS[3])


def test_beside_the_older_storefront_only_what_is_ours_is_written_and_every_order_ends(
    empty_database_url: str, redis_url: str, tmp_path: Path
) -> None:
    with scene.built(empty_database_url, redis_url, tmp_path, owns=False, ages_seconds=AGES_SECONDS) as built:
        audit = run(built, PACE)
    print(table.table(audit))
    assert audit.is_clean(), table.offenders(audit)
