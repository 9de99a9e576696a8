"""`make bench`: everything that is measured, side by side in one run, and its table in docs/benchmarks.md.

python -m tests.benchmarks [--rounds 3] [--rows 5000000] [--seconds 60]
"""

import argparse
from pathlib import Path

from tests.benchmarks import stage, web, work
from tests.benchmarks.report import Report, write

PAGE = Path(__file__).parents[2] / "docs" / "benchmarks.md"
WORDS = """# Benchmarks

`make bench` writes the table below: every contestant in turn, round after round, on durable servers whose tables
already hold 100,000 old orders; load generator, web and PostgreSQL share the machine, so only the ratios mean anything.
Callbacks are signed and committed before they are answered, over 32 connections to two processes. The peers are in
`tests/benchmarks/peers/`."""


def main() -> None:
    """Takes about a quarter of an hour."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rows", type=int, default=5_000_000, help="of the large table")
    parser.add_argument("--seconds", type=int, default=60, help="of orders, from placing to sending")
    options = parser.parse_args()
    report = Report()
    with stage.built() as built:
        web.measure(built, report, options.rounds)
        work.measure(built, report, seconds=options.seconds, rows=options.rows)
        postgres = built.sql("SELECT version()")[0][0].partition(" on ")[0]
    write(PAGE, report.document(postgres, WORDS))
    print(f"\n{report.table()}\n\nwritten to {PAGE}")


if __name__ == "__main__":
    main()
