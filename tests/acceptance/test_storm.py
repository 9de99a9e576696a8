"""A short storm for every run of the tests; `make soak` has the long one, of every fault."""

from collections import Counter
from pathlib import Path

import pytest

from models.status import Attention
from tests.acceptance.storm import plan as planning
from tests.acceptance.storm import stage, table
from tests.acceptance.storm.faults import FAULTS
from tests.acceptance.storm.plan import Plan
from tests.acceptance.storm.storm import Storm

#: What mends at once, and leaves nothing in doubt for long, and a crash of each part; `make soak` has every fault.
QUICK = (
    "web killed",
    "worker killed",
    "PostgreSQL crashed",
    "database connections cut",
    "Valkey killed",
    "Valkey emptied",
    "messages repeated",
    "an operator replays",
    "an operator decides",
    "receiver fails",
    "deployment",
)
#: From one fault to the next.
EVERY_SECONDS = 1.5
SEED = 20
#: What an order of a storm may need a person for, once it is over.
RAISED = (Attention.CONFLICT, Attention.REVERSED, Attention.NO_CODE)


def short_plan(seed: int) -> Plan:
    """Each of the quick kinds once."""
    return planning.make(
        seed,
        orders=200,
        seconds=EVERY_SECONDS * len(QUICK),
        kinds=QUICK,
        fault_every_seconds=EVERY_SECONDS,
        order_timeout_seconds=None,
    )


def test_the_same_seed_makes_the_same_storm() -> None:
    assert short_plan(SEED) == short_plan(SEED)
    assert short_plan(SEED) != short_plan(SEED + 1)
    assert {fault.kind for fault in short_plan(SEED).faults} == set(QUICK) <= set(FAULTS)


@pytest.mark.timeout(240)
def test_in_a_storm_nothing_is_lost_sent_twice_or_shown_as_what_it_is_not(
    open_directory: Path, tmp_path: Path
) -> None:
    plan = short_plan(SEED)
    with stage.built(open_directory / tmp_path.name, order_timeout_seconds=90) as built:
        audit = Storm(plan, built, print).run(drain_seconds=100)
    print(table.table(audit))
    assert audit.is_clean(), table.offenders(audit)
    assert audit.injected == Counter(fault.kind for fault in plan.faults)
    assert set(audit.attentions()) == set(RAISED)
