"""A short flood of every kind at once, for every run of the tests; `make floods` has each of them for longer."""

from pathlib import Path

import pytest

from tests.acceptance import floods
from tests.acceptance.system import WEB, running

#: Clients of each kind. Two processes take 380 of them, with the files that they may open.
KINDS = {
    "idle": 150,
    "idle after a request": 100,
    "half heads": 100,
    "heads without end": 50,
    "slow bodies": 50,
    "slow bodies with a key": 50,
    "bodies that nothing reads": 50,
    "bodies held back": 50,
    "slow chunks": 20,
    "slow readers": 10,
    "requests without a pause": 4,
    "a connection for each request": 4,
    "readiness": 4,
    "metrics": 4,
}
SECONDS = 6.0
#: Files that a web process may open: 200 connections, and what else it needs.
FILES = 300


@pytest.mark.timeout(120)
def test_others_are_answered_while_many_clients_are_slow(
    database_url: str, redis_url: str, tmp_path: Path
) -> None:
    with running(database_url, redis_url, tmp_path, processes=[], LOG_LEVEL="info") as system:
        system.start("web", ["sh", "-c", f'ulimit -n {FILES} && exec "$@"', "sh", *WEB], wait=False)
        system.wait_for_web("web")
        floods.prepare(system)

        flood = floods.run(system, KINDS, SECONDS)

        print(floods.HEAD, flood.row(), sep="\n")
        assert not list(flood.faults())
        assert len(flood.orders.seconds) > SECONDS, "the others did hardly anything: the test shows nothing"
        log = (tmp_path / "web.log").read_text()
        assert "were closed to make room for others" in log
        assert "Traceback" not in log and "Too many open files" not in log
