"""Both stalls once, for every run of the tests; `python -m tests.acceptance.stall` has them again and again."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.acceptance import stall
from tests.acceptance.storm import table
from tests.acceptance.storm.plan import PlannedFault


@pytest.mark.timeout(180)
def test_a_database_that_stalls_moves_no_order_and_lets_none_time_out_unasked(
    open_directory: Path, tmp_path: Path
) -> None:
    lock, backends = stall.STALLS["lock"], stall.STALLS["backends"]
    short = replace(lock, times=2, orders=80)
    first, second = short.plan(seed=1).faults
    plan = replace(short.plan(seed=1), faults=(first, PlannedFault(second.at_seconds, backends.fault, 0)))

    audit = short.run(plan, open_directory / tmp_path.name, print)

    print(table.table(audit))
    assert audit.is_clean(), table.offenders(audit)
    assert audit.injected.total() == 2
    assert audit.timed_out() > 0, "no order has timed out: the test shows nothing"
