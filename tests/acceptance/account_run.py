"""Balances of an account over 10,000 orders: what is all ours never looks like a gap, and what is not ours is shown.

    python -m tests.acceptance.account_run [--orders 10000] [--seeds 1] [--first-seed 0] [--kind KIND ...]

Each history is written to a database as the gateway would have written it, eight sends at a time, and followed sweep
by sweep: with lost answers, killed workers, orders sent again, refunds and deposits, and with one purchase of somebody
else of each kind. Prints one line for each; ends with exit status 1 if a gap was shown where all is ours, or none where
answers tell the purchase apart.
"""

import argparse
import logging
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from gateway.dev.servers import EmbeddedPostgres
from models.db import database
from models.db.migrate import migrate
from tests import factories
from tests.acceptance.system import new_directory
from tests.conftest import KEY, TABLES
from tests.models import ledger_books
from tests.models.account import Foreign
from tests.models.ledger_books import Outcome

#: A purchase right beside a refund, without an answer between, shows only where it was the larger one.
NOT_ALWAYS_TOLD = (Foreign.BESIDE_REFUND,)
#: Share of the purchases that must be shown: orders of the same price in doubt at the same time can explain one.
LEAST_SHOWN = 0.8


def main() -> None:
    arguments = _arguments()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    false, missed = 0, []
    with _database():
        for kind in arguments.kind:
            shown = 0
            for seed in range(arguments.first_seed, arguments.first_seed + arguments.seeds):
                outcome, seconds = _run(seed, arguments.orders, kind)
                shown += bool(outcome.shown)
                print(_line(kind, seed, outcome, seconds), flush=True)
            if kind is Foreign.NEVER:
                false = shown
            elif kind not in NOT_ALWAYS_TOLD and shown < LEAST_SHOWN * arguments.seeds:
                missed.append(kind)
            print(f"{kind}: {shown} of {arguments.seeds} show a gap", flush=True)
    if false or missed:
        sys.exit(f"error: {false} false alarms; missed too often: {', '.join(missed) or 'none'}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--orders", type=int, default=10_000)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--kind", type=Foreign, nargs="+", default=list(Foreign), choices=list(Foreign))
    return parser.parse_args()


def _run(seed: int, orders: int, kind: Foreign) -> tuple[Outcome, float]:
    database.rows(f"TRUNCATE {TABLES} RESTART IDENTITY")
    factories.add_provider()
    started = time.monotonic()
    return ledger_books.run(seed, orders, kind), time.monotonic() - started


def _line(kind: Foreign, seed: int, outcome: Outcome, seconds: float) -> str:
    bought = [f"{-each.amount / 100:.2f} at {each.at:.0f} s" for each in outcome.history.foreign]
    shown = [f"{each.gap.amount} at {each.at:.0f} s" for each in outcome.shown]
    said = f"bought {', '.join(bought) or 'nothing'}; shown {', '.join(shown) or 'nothing'}"
    lost = f"; began anew {outcome.lost} times" if outcome.lost else ""
    return f"  {kind} seed {seed}: {said}{lost} ({seconds:.0f} s)"


@contextmanager
def _database() -> Iterator[None]:
    directory = new_directory("account")
    try:
        with EmbeddedPostgres(directory / "postgres", durable=False) as server:
            migrate(server.url, echo=lambda line: None)
            with factories.bound(server.url, keys=[KEY]):
                yield
    finally:
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()
