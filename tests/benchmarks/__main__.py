"""`make bench`: everything that is measured, side by side in one run, and its table in docs/benchmarks.md.

    python -m tests.benchmarks [--only rates sweep] [--rounds 3] [--rows 5000000] [--seconds 60] [--many 1000000]
    python -m tests.benchmarks --only pages --orders 10000000 --data FOLDER [--table FILE.md]

A whole run takes most of an hour; with --only it prints its table and leaves the page as it is. `pages` and `export`
fill tables of their own; with --data they are kept in that folder, and used again.
"""

import argparse
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from tests.benchmarks import described, export, filling, notifications, pages, stage, waiting, web, work
from tests.benchmarks.report import Report, write

PAGE = Path(__file__).parents[2] / "docs" / "benchmarks.md"
WORDS = """# Benchmarks

`make bench` writes the table below: every contestant in turn, round after round, on durable servers whose tables
already hold 100,000 old orders; load generator, web and PostgreSQL share the machine, so only the ratios mean anything.
Rates and latencies are taken between two vacuums. Callbacks are signed and committed before they are answered, over 32
connections to two processes. The peers are in `tests/benchmarks/peers/`."""

Part = Callable[[stage.Stage, Report, argparse.Namespace], None]
PARTS: dict[str, Part] = {
    "rates": lambda built, report, options: web.rates(built, report, options.rounds),
    "latencies": lambda built, report, options: web.latencies(built, report, options.rounds),
    "work": lambda built, report, options: work.speed(built, report, options.seconds, options.rounds),
    "described": lambda built, report, options: described.checks(built, report, options.rounds),
    "waiting": lambda built, report, options: waiting.cost(built, report, options.rounds),
    "told": lambda built, report, options: notifications.told(built, report, options.seconds, options.rounds),
    "memory": lambda built, report, options: _memory(built, report, options.many),
    "table": lambda built, report, options: work.table_size(built, report, options.rows),
}
#: On tables that are as full as after a year.
ON_FULL: dict[str, Part] = {
    "export": lambda built, report, options: export.rates(built, report, options.rounds),
    "pages": lambda built, report, options: pages.speed(
        built, report, options.orders, options.requests, options.table
    ),
}
#: What a part needs the figures of.
NEEDS = {"latencies": "rates"}


def main() -> None:
    """Says where the page is."""
    options = _options()
    wanted = {*options.only, *(NEEDS.get(one) for one in options.only)}
    chosen = [name for name in [*PARTS, *ON_FULL] if name in wanted]
    report, postgres = Report(), ""
    for name in chosen:
        print(f"{name}:", flush=True)
        with _stage(name, options) as built:
            (PARTS | ON_FULL)[name](built, report, options)
            postgres = built.sql("SELECT version()")[0][0].partition(" on ")[0]
    print(f"\n{report.table()}\n")
    if len(chosen) == len(PARTS | ON_FULL):
        write(PAGE, report.document(postgres, WORDS))
        print(f"written to {PAGE}")


def _stage(name: str, options: argparse.Namespace) -> AbstractContextManager[stage.Stage]:
    return filling.filled(options.orders, options.data) if name in ON_FULL else stage.built()


def _memory(built: stage.Stage, report: Report, many: int) -> None:
    web.memory(built, report, many)
    work.memory(built, report, many)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = [*PARTS, *ON_FULL]
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="PART")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rows", type=int, default=5_000_000, help="of the large table")
    parser.add_argument("--seconds", type=int, default=60, help="of orders, from placing to sending")
    parser.add_argument("--many", type=int, default=1_000_000, help="callbacks and messages, for memory")
    parser.add_argument("--orders", type=int, default=1_000_000, help="of the tables that are full")
    parser.add_argument("--data", type=Path, help="the folder that keeps these tables, for further runs")
    parser.add_argument("--requests", type=int, default=30, help="of each page")
    parser.add_argument(
        "--table", type=Path, help="the file for the figures of all pages; JSON goes beside it"
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
