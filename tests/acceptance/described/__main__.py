"""schemathesis against a running web: with all its checks it finds no answer that `/openapi.json` does not describe.

    python -m tests.acceptance.described [--seconds 1200] [--seed 1]

Half of the time with a key of every scope, half without one.
"""

import argparse
import shutil
import sys

from tests.acceptance.described import add_panel, explored
from tests.acceptance.system import new_directory, web_alone

SECONDS = 1200


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=int, default=SECONDS)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    directory = new_directory("described")
    with web_alone(directory) as system:
        add_panel(system)
        faults = [
            fault
            for with_key in (True, False)
            for fault in explored(system, options.seconds // 2, options.seed, with_key=with_key)
        ]
    if "Traceback" in (directory / "web.log").read_text():
        faults.append("the log of the web has a traceback")
    print(f"{len(faults)} faults; the logs are in {directory}" if faults else "no faults", flush=True)
    if not faults:
        shutil.rmtree(directory, ignore_errors=True)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
