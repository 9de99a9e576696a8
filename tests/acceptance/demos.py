"""`make demo PROVIDER=…` of every protocol: `python -m tests.acceptance.demos [PROTOCOL…]`.

Each takes about half a minute, since it starts the whole system anew.
"""

import re
import sys
import tempfile
from pathlib import Path

from gateway.dev.simulator import calls_back, protocols
from tests.acceptance.test_demo import Dev


def main(wanted: list[str]) -> int:
    """The number of protocols whose demo failed."""
    failed = 0
    with tempfile.TemporaryDirectory(prefix="referans-demos-") as directory:
        Path(directory).chmod(0o755)  # PostgreSQL runs as another user where this runs as root
        for protocol in wanted or protocols():
            trouble = demo(protocol, Dev(Path(directory)))
            failed += bool(trouble)
            print(f"{protocol:24} {trouble or 'completed'}", flush=True)
    return failed


def demo(protocol: str, dev: Dev) -> str:
    """What went wrong; empty if every order of the demo was completed as it should be."""
    dev.start("--demo", "--provider", protocol)
    if dev.finish():
        return dev.output
    ended = re.findall(r"^The next order ends by (\w+):", dev.output, re.MULTILINE)
    wanted = ["callback", "check"] if calls_back(protocol) else ["check"]
    completed = re.findall(r"^(?:The PIN arrived|Completed) ", dev.output, re.MULTILINE)
    return "" if ended == wanted and len(completed) == len(wanted) else dev.output


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
