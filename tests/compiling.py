"""On a fresh machine each worker of xdist would rewrite and compile every test: here each compiles its share, once."""

import importlib
import os
from contextlib import suppress
from pathlib import Path

import pytest

from tests import servers
from tests.waiting import wait_until

ROOT = Path(__file__).parents[1]
#: Seconds to wait for the others' shares; who waits no longer compiles them itself.
SECONDS = 60.0


def share(config: pytest.Config, worker: str, workers: int) -> None:
    """Import this worker's share of the test files that are asked for, and wait until the others have theirs."""
    done = Path(os.environ[servers.RUN])
    for path in files(config.args)[int(worker.removeprefix("gw")) :: workers]:
        # What cannot be imported is told when it is collected.
        with suppress(Exception, pytest.skip.Exception):
            importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
    (done / f"compiled-{worker}").touch()
    with suppress(AssertionError):
        wait_until(lambda: len(list(done.glob("compiled-*"))) >= workers, SECONDS)


def files(asked: list[str]) -> list[Path]:
    """The test files that pytest's arguments name, in whole directories too."""
    paths = [(ROOT / each.partition("::")[0]).resolve() for each in asked]
    return sorted(
        {found for path in paths for found in (path.rglob("test_*.py") if path.is_dir() else [path])}
    )
