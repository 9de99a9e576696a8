"""`make coverage`: runs the tests, and shows the lines of our code that no process has run.

    python -m tests.coverage [ARGUMENT OF PYTEST ...]

All processes count: those that tests start, those that fork, those that are killed. Only a process that is started
without this one's environment is not seen. Ends with exit status 1 where less than 99 % of a package's lines have run.
"""

import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

from tests.coverage.recording import recording
from tests.coverage.report import examine, outdated, read_accepted, render

ROOT = Path(__file__).parents[2]
#: What an order passes through.
PACKAGES = ("gateway/fulfilment", "actors", "gateway/callbacks", "models", "gateway/web")
PYTEST = [sys.executable, "-m", "pytest", "-n", "4", "--dist", "worksteal"]


def main(arguments: list[str]) -> int:
    """Run the tests that `arguments` choose, print the report, and return the exit status."""
    with (
        tempfile.TemporaryDirectory(prefix="referans-coverage-") as directory,
        recording(ROOT, Path(directory, "lines"), Path(sysconfig.get_path("purelib"))) as recorded,
    ):
        tests = subprocess.run([*PYTEST, *arguments], cwd=ROOT, env=recorded.env, check=False)
        has_run = recorded.has_run()
    accepted = read_accepted(Path(__file__).with_name("accepted.toml"))
    packages = [examine(ROOT, name, has_run, accepted) for name in PACKAGES]
    problems = list(outdated(ROOT, accepted))
    print("", *render(packages), *problems, sep="\n")
    too_low = not all(package.is_enough for package in packages)
    return tests.returncode or int(too_low or bool(problems))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
