"""`make soak`: 500 orders of each side at once, beside 5,000 of years, while our processes are killed.

    python -m tests.acceptance.beside [--orders 500] [--as owner] [--as role]

Once with the role that owns the tables, once with one that may do only what `gateway migrate --sql --role` gives it.
Ends with exit status 1 and the orders of which something does not hold that contract section 9 promises.
"""

import argparse
import shutil
import signal
import sys

from gateway.dev.servers import EmbeddedPostgres, EmbeddedValkey
from tests.acceptance.beside import scene, table
from tests.acceptance.beside.run import Pace, run
from tests.acceptance.system import new_directory

KINDS = ("owner", "role")
KILLS, KILL_EVERY_SECONDS = 40, 1.2
#: Seconds in which the last order must come to its end: an order is found within a minute and then asked about.
PATIENCE_SECONDS = 240.0
#: Once an hour: orders are to be found whatever it is.
SWEEP_CRON = "17 * * * *"


def main() -> int:
    """The exit status."""
    parser = argparse.ArgumentParser(description="The gateway beside the older storefront.")
    parser.add_argument("--orders", type=int, default=500, help="of each side")
    parser.add_argument("--as", dest="kinds", action="append", choices=KINDS, help="only this one")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    return max(_run_as(kind, options.orders) for kind in options.kinds or KINDS)


def _run_as(kind: str, orders: int) -> int:
    directory = new_directory("beside")
    pace = Pace(orders, KILL_EVERY_SECONDS, kills=KILLS, patience_seconds=PATIENCE_SECONDS)
    _say(f"as the {kind if kind == 'owner' else 'role that owns nothing'}: {orders} orders of each side")
    with (
        EmbeddedPostgres(directory / "postgres", durable=False) as postgres,
        EmbeddedValkey(directory / "valkey", durable=False) as valkey,
        scene.built(
            postgres.url, valkey.url, directory, owns=kind == "owner", SWEEP_CRON=SWEEP_CRON
        ) as built,
    ):
        audit = run(built, pace, _say)
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
