"""A short flood of every kind at once, for every run of the tests; `make floods` has each of them for longer."""

from pathlib import Path

import pytest

from tests.acceptance import floods
from tests.acceptance.system import WEB, running

#: Clients of each kind; two processes take 380 of them, with the files that they may open. Those that cost much
#: processor time are few: the other tests need that too.
KINDS = {
    "idle": 150,
    "idle after a request": 50,
    "half heads": 100,
    "heads without end": 20,
    "slow bodies": 30,
    "slow bodies with a key": 30,
    "bodies that nothing reads": 20,
    "bodies held back": 30,
    "slow chunks": 10,
    "slow readers": 5,
    "requests without a pause": 2,
    "readiness": 1,
    "metrics": 1,
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
