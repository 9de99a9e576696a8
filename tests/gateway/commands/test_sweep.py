"""`gateway sweep`: what was missed is found now."""

import json
from contextlib import closing

import psycopg2
import pytest
import redis

from gateway.commands.sweep import TEXTS
from gateway.fulfilment.sweeping import STEPS
from models import sweep_run
from tests import factories

from .conftest import Models, Run


@pytest.fixture
def sweeping(cli: Run, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Run:
    """The command line with a database and a queue."""
    monkeypatch.setenv("REDIS_URL", redis_url)
    return cli


def test_what_is_due_is_handed_to_workers_and_counted(sweeping: Run, models: Models, redis_url: str) -> None:
    with models():
        factories.add_provider()
        factories.age(factories.place(), 61)
    swept = sweeping("sweep")
    assert (swept.code, swept.err) == (0, "")
    assert "      1 orders handed to workers" in swept.out.splitlines()
    assert set(TEXTS) == set(STEPS), "each step is told in words"
    with closing(redis.Redis.from_url(redis_url)) as client:
        assert client.llen("referans:dispatch") == 1
    with models():
        last = sweep_run.last()
        assert last and (last.started_by, last.error) == ("command line", None)
    assert json.loads(sweeping("sweep", "--json").out)["counts"]["enqueued"] == 1


def test_a_step_that_fails_is_an_error_and_the_others_are_done(
    sweeping: Run, models: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:9/0")
    swept = sweeping("sweep")
    assert swept.code == 1
    assert swept.err.splitlines()[-1].startswith("error: enqueued: ConnectionError")
    assert "      0 old callbacks deleted" in swept.out.splitlines()


def test_while_another_one_is_under_way_it_does_nothing(sweeping: Run, database_url: str) -> None:
    with closing(psycopg2.connect(database_url)) as elsewhere:
        elsewhere.cursor().execute("SELECT pg_advisory_lock(%s)", (sweep_run.LOCK_ID,))
        assert "another sweep is under way" in sweeping("sweep").problem


def test_it_needs_a_queue(cli: Run) -> None:
    swept = cli("sweep")
    assert swept.code == 2 and "REDIS_URL is not set" in swept.err
