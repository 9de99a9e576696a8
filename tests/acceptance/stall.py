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
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import redis

from gateway.broker import workers_alive
from tests.acceptance.storm import stage, table
from tests.acceptance.storm.audit import Audit
from tests.acceptance.storm.faults import LOCKED_SECONDS, STALLED_SECONDS
from tests.acceptance.storm.plan import Plan, PlannedFault, PlannedOrder
from tests.acceptance.storm.storm import Storm
from tests.acceptance.system import new_directory
from tests.waiting import wait_until

#: Seconds of one call to a provider; a last check that is lost is made again some seconds after that.
CALL_TIMEOUT_SECONDS = 4.0
#: Seconds from the beginning of a stall to that of the next one.
EVERY_SECONDS = 12.0
#: Seconds until the first one.
FIRST_SECONDS = 3.0
#: Seconds of calm in which the last order must end.
DRAIN_SECONDS = 60.0
#: How orders behave at the first provider (the simulator's words), and the share of each.
BEHAVIOURS = {"callback": 35, "poll": 25, "never": 30, "fail+poll": 3, "refuse": 2, "only=backup+poll": 5}


@dataclass(frozen=True, slots=True)
class Stall:
    """A fault of the database, which lasts `seconds` and comes `times` times.

    Before the first one, the third one and so on, a part of the `orders` is placed, which are sent when it is over.
    Those that the provider never decides time out when the one after it begins.
    """

    fault: str
    seconds: float
    times: int
    orders: int

    def plan(self, seed: int) -> Plan:
        """The same for the same seed."""
        words = random.Random(seed).choices(list(BEHAVIOURS), list(BEHAVIOURS.values()), k=self.orders)
        begins = [FIRST_SECONDS + EVERY_SECONDS * each for each in range(self.times)]
        bursts = begins[::2]
        in_burst = self.orders // len(bursts)
        orders = (
            PlannedOrder(number, bursts[number // in_burst] + number % in_burst / in_burst, words[number])
            for number in range(self.orders)
        )
        faults = (PlannedFault(at, self.fault, 0) for at in begins)
        return Plan(seed, begins[-1], tuple(orders), tuple(faults))

    def run(self, plan: Plan, directory: Path, echo: Callable[[str], None]) -> Audit:
        """Let a plan happen to a single worker; the books compared."""
        timeout_seconds, call_timeout = EVERY_SECONDS - self.seconds, f"{CALL_TIMEOUT_SECONDS:g}"
        with stage.built(
            directory, order_timeout_seconds=timeout_seconds, CALL_TIMEOUT=call_timeout
        ) as built:
            built.system.kill(built.workers.pop())
            with closing(redis.Redis.from_url(built.valkey.url)) as queue:
                wait_until(lambda: workers_alive(queue, heartbeat_timeout_seconds=60), 30, what="the worker")
            return Storm(plan, built, echo).run(DRAIN_SECONDS)


STALLS = {
    "lock": Stall("orders locked for 8 s", LOCKED_SECONDS, times=4, orders=240),
    "backends": Stall("database stalled for 7 s", STALLED_SECONDS, times=5, orders=300),
}


def main() -> int:
    """The exit status."""
    parser = argparse.ArgumentParser(description="Orders while the database stalls again and again.")
    parser.add_argument("--kind", action="append", choices=list(STALLS), help="only this one")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    return max(_run(STALLS[kind], options.seed) for kind in options.kind or STALLS)


def _run(stall: Stall, seed: int) -> int:
    directory = new_directory("stall")
    _say(f"{stall.fault}, {stall.times} times; {stall.orders} orders; seed {seed}")
    audit = stall.run(stall.plan(seed), directory, _say)
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
