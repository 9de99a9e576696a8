"""Two short storms, in which every fault happens once, for every run of the tests; `make soak` has the long one."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from models.status import Attention
from tests.acceptance.storm import plan as planning
from tests.acceptance.storm import stage, table
from tests.acceptance.storm.faults import FAULTS
from tests.acceptance.storm.plan import Plan
from tests.acceptance.storm.storm import Storm

#: What mends at once, so that it may come often.
QUICK = (
    "web killed",
    "web child killed",
    "scheduler killed",
    "database connections cut",
    "Valkey killed",
    "Valkey emptied",
    "messages repeated",
    "an operator checks",
    "an operator replays",
    "receiver fails",
    "receiver hangs",
    "deployment",
)
#: What lasts, or leaves orders in doubt that are asked for only after half a minute.
LASTING = tuple(kind for kind in FAULTS if kind not in QUICK)
SEED = 20
#: What an order of a storm may need a person for, once it is over.
RAISED = (Attention.CONFLICT, Attention.REVERSED, Attention.NO_CODE)


def short_plan(seed: int, kinds: Sequence[str] = QUICK, every_seconds: float = 1.5) -> Plan:
    """Every kind once."""
    return planning.make(
        seed,
        orders=200,
        seconds=every_seconds * len(kinds),
        kinds=kinds,
        fault_every_seconds=every_seconds,
        order_timeout_seconds=None,
    )


def test_the_same_seed_makes_the_same_storm() -> None:
    assert short_plan(SEED) == short_plan(SEED)
    assert short_plan(SEED) != short_plan(SEED + 1)
    assert {fault.kind for fault in short_plan(SEED).faults} == set(QUICK) <= set(FAULTS)


@pytest.mark.timeout(240)
@pytest.mark.parametrize(
    "plan", [short_plan(SEED), short_plan(SEED, LASTING, every_seconds=4)], ids=["quick", "lasting"]
)
def test_in_a_storm_nothing_is_lost_sent_twice_or_shown_as_what_it_is_not(
    open_directory: Path, tmp_path: Path, plan: Plan
) -> None:
    with stage.built(open_directory / tmp_path.name, order_timeout_seconds=90) as built:
        audit = Storm(plan, built, print).run(drain_seconds=100)
    print(table.table(audit))
    assert audit.is_clean(), table.offenders(audit)
    assert audit.injected == Counter(fault.kind for fault in plan.faults)
    assert set(audit.attentions()) == set(RAISED)
