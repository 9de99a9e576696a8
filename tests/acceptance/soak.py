"""`make soak`: thousands of orders through a storm of every fault, and one table at the end.

    python -m tests.acceptance.soak [--orders 5000] [--minutes 10] [--seed 1]
    python -m tests.acceptance.soak --protocol zdk --protocol smm_v2 [--orders 1000] [--minutes 3]

With `--protocol` the providers speak described protocols, one after the other, and the table has a column for each.
The same seed gives the same orders and the same faults at the same moments. Ends with exit status 1, the seed and
the timelines where an order was lost, sent twice or shown as something it is not.
"""

import argparse
import random
import shutil
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

from gateway.dev import simulator
from tests.acceptance.storm import plan as planning
from tests.acceptance.storm import stage, table
from tests.acceptance.storm.audit import Audit
from tests.acceptance.storm.faults import FAULTS
from tests.acceptance.storm.spoken import ONLY_CALLBACKS, ZNET, Spoken
from tests.acceptance.storm.storm import Storm
from tests.acceptance.system import new_directory

#: Seconds of calm in which the last order must settle, beside its timeout: the late success, a sweep and some more.
DRAIN_SECONDS = 90.0


@dataclass(frozen=True, slots=True)
class Usual:
    """A storm, unless the options say otherwise."""

    orders: int
    minutes: float
    #: Seconds from sending until an order without an outcome fails: longer than any outage and what follows it.
    order_timeout_seconds: float
    fault_every_seconds: float


USUAL, OF_A_PROTOCOL = Usual(5000, 10, 120, 8), Usual(1000, 3, 90, 5)


def main() -> int:
    """The exit status."""
    options = _options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    storms = [_storm(options, Spoken(name)) for name in options.protocol or [ZNET]]
    audits = [audit for audit, _ in storms]
    _say(table.table(*audits))
    for audit, directory in storms:
        if options.slowest:
            _say(table.slowest(audit))
        if audit.is_clean():
            shutil.rmtree(directory, ignore_errors=True)
        else:
            _say(f"{audit.spoken.name}: {table.offenders(audit)}\nthe logs are in {directory}")
    return 0 if all(audit.is_clean() for audit in audits) else 1


def _storm(options: argparse.Namespace, spoken: Spoken) -> tuple[Audit, Path]:
    """What came of one storm, and where its logs are."""
    usual = OF_A_PROTOCOL if spoken.is_described else USUAL
    orders, minutes = options.orders or usual.orders, options.minutes or usual.minutes
    described = {"behaviours": {planning.GAME: spoken.behaviours}} if spoken.is_described else {}
    plan = planning.make(
        options.seed,
        orders=orders,
        seconds=60 * minutes,
        kinds=options.only or list(FAULTS),
        fault_every_seconds=usual.fault_every_seconds,
        order_timeout_seconds=usual.order_timeout_seconds,
        **described,
    )
    _say(
        f"{spoken.name}, seed {plan.seed}: {len(plan.orders)} orders"
        f" and {len(plan.faults)} faults in {plan.seconds:g} s"
    )
    directory = new_directory("soak")
    with stage.built(directory, order_timeout_seconds=usual.order_timeout_seconds, spoken=spoken) as built:
        return Storm(plan, built, _say).run(usual.order_timeout_seconds + DRAIN_SECONDS), directory


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="A storm of every fault over thousands of orders.")
    parser.add_argument("--orders", type=int, help="5000, and 1000 with --protocol")
    parser.add_argument(
        "--minutes", type=float, help="of storm; the calm after it comes on top: 10, and 3 with --protocol"
    )
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--only", action="append", choices=list(FAULTS), help="only faults of this kind")
    parser.add_argument(
        "--protocol",
        action="append",
        choices=[*simulator.protocols(), ONLY_CALLBACKS],
        help="what the providers speak, instead of znet; several are run one after the other",
    )
    parser.add_argument("--slowest", action="store_true", help="show the order that was known last, too")
    return parser.parse_args()


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
