"""The database stalls again and again while orders come in: that is our trouble, and blames no provider.

    python -m tests.acceptance.stall [--kind lock|backends] [--seed 1]

Two providers, and orders whose time is up while the database stands still. The provider's book must show that no
order went to the second provider unless the first refused it, and that none timed out without a last check. Ends with
exit status 1, and the timelines, where one did.
"""

import argparse
import random
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.acceptance.storm import stage, table
from tests.acceptance.storm.audit import Audit
from tests.acceptance.storm.plan import Plan, PlannedFault, PlannedOrder
from tests.acceptance.storm.storm import Storm

#: Seconds from sending until an order without an outcome fails: little more than a stall, so that many end in one.
ORDER_TIMEOUT_SECONDS = 10.0
#: Seconds of one call to a provider; a last check that is lost is made again some seconds after that.
CALL_TIMEOUT_SECONDS = 4.0
#: Seconds of calm in which the last order must end.
DRAIN_SECONDS = 60.0
#: How orders behave at the first provider (the simulator's words), and the share of each.
BEHAVIOURS = {"callback": 35, "poll": 25, "never": 30, "fail+poll": 3, "refuse": 2, "only=backup+poll": 5}


@dataclass(frozen=True, slots=True)
class Stall:
    """A fault of the database that comes `times` times while `orders` are placed."""

    fault: str
    times: int
    orders: int
    #: Seconds from the beginning of a stall to that of the next one.
    every_seconds: float = 11.0

    def plan(self, seed: int) -> Plan:
        """Orders evenly spread, and the stalls; the first one comes soon."""
        seconds = self.every_seconds * self.times
        words = random.Random(seed).choices(list(BEHAVIOURS), list(BEHAVIOURS.values()), k=self.orders)
        return Plan(
            seed,
            seconds,
            tuple(
                PlannedOrder(each, seconds * each / self.orders, words[each]) for each in range(self.orders)
            ),
            tuple(PlannedFault(2 + self.every_seconds * each, self.fault, 0) for each in range(self.times)),
        )


STALLS = {
    "lock": Stall("orders locked for 8 s", times=4, orders=240),
    "backends": Stall("database stalled for 7 s", times=5, orders=300),
}


def run(plan: Plan, directory: Path, echo: Callable[[str], None]) -> Audit:
    """Let it happen; the books compared."""
    pace = {"CALL_TIMEOUT": f"{CALL_TIMEOUT_SECONDS:g}"}
    with stage.built(directory, order_timeout_seconds=ORDER_TIMEOUT_SECONDS, **pace) as built:
        return Storm(plan, built, echo).run(DRAIN_SECONDS)


def main() -> int:
    """The exit status."""
    parser = argparse.ArgumentParser(description="Orders while the database stalls again and again.")
    parser.add_argument("--kind", action="append", choices=list(STALLS), help="only this one")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    return max(_run(STALLS[kind], options.seed) for kind in options.kind or STALLS)


def _run(stall: Stall, seed: int) -> int:
    directory = Path(tempfile.mkdtemp(prefix="referans-stall-"))
    directory.chmod(0o755)  # PostgreSQL runs as another user where this runs as root
    _say(f"{stall.fault}, {stall.times} times; {stall.orders} orders; seed {seed}")
    audit = run(stall.plan(seed), directory, _say)
    _say(table.table(audit))
    if audit.is_clean():
        shutil.rmtree(directory, ignore_errors=True)
        return 0
    _say(f"{table.offenders(audit)}\nthe logs are in {directory}")
    return 1


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
