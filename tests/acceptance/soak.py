"""`make soak`: thousands of orders through a storm of every fault, and one table at the end.

    python -m tests.acceptance.soak [--orders 5000] [--minutes 10] [--seed 1]

The same seed gives the same orders and the same faults at the same moments. Ends with exit status 1, the seed and
the timelines where an order was lost, sent twice or shown as something it is not.
"""

import argparse
import random
import shutil
import signal
import sys

from tests.acceptance.storm import plan as planning
from tests.acceptance.storm import stage, table
from tests.acceptance.storm.faults import FAULTS
from tests.acceptance.storm.storm import Storm
from tests.acceptance.system import new_directory

#: Seconds from sending until an order without an outcome fails: longer than any outage and what follows it.
ORDER_TIMEOUT_SECONDS = 120.0
FAULT_EVERY_SECONDS = 8.0
#: Seconds of calm in which the last order must settle: its timeout, the late success, a sweep and some more.
DRAIN_SECONDS = ORDER_TIMEOUT_SECONDS + 90


def main() -> int:
    """The exit status."""
    options = _options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    plan = planning.make(
        options.seed,
        orders=options.orders,
        seconds=60 * options.minutes,
        kinds=options.only or list(FAULTS),
        fault_every_seconds=FAULT_EVERY_SECONDS,
        order_timeout_seconds=ORDER_TIMEOUT_SECONDS,
    )
    _say(f"seed {plan.seed}: {len(plan.orders)} orders and {len(plan.faults)} faults in {plan.seconds:g} s")
    directory = new_directory("soak")
    with stage.built(directory, order_timeout_seconds=ORDER_TIMEOUT_SECONDS) as built:
        audit = Storm(plan, built, _say).run(DRAIN_SECONDS)
    _say(table.table(audit))
    if options.slowest:
        _say(table.slowest(audit))
    if audit.is_clean():
        shutil.rmtree(directory, ignore_errors=True)
        return 0
    _say(f"{table.offenders(audit)}\nthe logs are in {directory}")
    return 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="A storm of every fault over thousands of orders.")
    parser.add_argument("--orders", type=int, default=5000)
    parser.add_argument("--minutes", type=float, default=10, help="of storm; the calm after it comes on top")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--only", action="append", choices=list(FAULTS), help="only faults of this kind")
    parser.add_argument("--slowest", action="store_true", help="show the order that was known last, too")
    return parser.parse_args()


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
