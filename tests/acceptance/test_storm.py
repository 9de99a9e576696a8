"""A short storm of what mends quickly, for every run of the tests; `make soak` has the long one with every fault."""

from pathlib import Path

from tests.acceptance.storm import plan as planning
from tests.acceptance.storm import stage, table
from tests.acceptance.storm.faults import FAULTS
from tests.acceptance.storm.plan import Plan
from tests.acceptance.storm.storm import Storm

#: Those after which nothing waits: an order in doubt is asked for only after half a minute.
KINDS = (
    "web killed",
    "web child killed",
    "scheduler killed",
    "database connections cut",
    "Valkey killed",
    "Valkey emptied",
    "messages repeated",
    "deployment",
)
SEED = 20


def short_plan(seed: int) -> Plan:
    return planning.make(
        seed, orders=200, seconds=12, kinds=KINDS, fault_every_seconds=1.5, order_timeout_seconds=None
    )


def test_the_same_seed_makes_the_same_storm() -> None:
    assert short_plan(SEED) == short_plan(SEED)
    assert short_plan(SEED) != short_plan(SEED + 1)
    assert {fault.kind for fault in short_plan(SEED).faults} == set(KINDS) <= set(FAULTS)


def test_in_a_storm_nothing_is_lost_sent_twice_or_shown_as_what_it_is_not(
    open_directory: Path, tmp_path: Path
) -> None:
    with stage.built(open_directory / tmp_path.name, ORDER_TIMEOUT="60") as built:
        audit = Storm(short_plan(SEED), built, print).run(drain_seconds=75)
    print(table.table(audit))
    assert audit.is_clean(), table.offenders(audit)
    assert audit.injected.total() == len(audit.plan.faults)
    assert audit.conflicts() > 0
