"""Counting without a statement for each."""

import threading
from collections.abc import Iterator

import pytest
import structlog

from gateway.counting import Counts
from models import provider_counts
from models.db import database
from models.provider_counts import Counted
from tests import factories
from tests.waiting import wait_until

REFUSED = Counted.CALLBACK_REFUSED


@pytest.fixture(autouse=True)
def models(emptied_database_url: str) -> Iterator[None]:
    with factories.bound(emptied_database_url):
        yield


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many additions each statement had."""
    sizes: list[int] = []
    add = provider_counts.add
    monkeypatch.setattr(provider_counts, "add", lambda some: (sizes.append(len(some)), add(some))[1])
    return sizes


def total() -> int:
    return sum(each.count for each in provider_counts.last_hour())


def test_a_thousand_refusals_are_one_statement(written: list[int]) -> None:
    counts = Counts(write_seconds=0.2)
    threads = [
        threading.Thread(target=lambda: [counts.add("box", REFUSED, "wrong") for _ in range(250)])
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    assert counts.drain(30) and total() == 1000
    assert written == [1]


def test_its_thread_ends_when_there_is_nothing_to_write_and_begins_again() -> None:
    counts = Counts(write_seconds=0.01)
    for expected in (1, 2):
        counts.add("box", REFUSED, "wrong")
        assert counts.drain(30) and total() == expected
        wait_until(lambda: "counts" not in {thread.name for thread in threading.enumerate()})


def test_what_could_not_be_written_is_written_later_and_told_once() -> None:
    database.rows("ALTER TABLE referans.provider_counts RENAME TO provider_counts_away")
    counts = Counts(write_seconds=0.01)
    with structlog.testing.capture_logs() as lines:
        counts.add("box", REFUSED, "the first")
        wait_until(lambda: [line["action"] for line in lines] == ["counting_failed"])
        counts.add("box", REFUSED, "the last")
        database.rows("ALTER TABLE referans.provider_counts_away RENAME TO provider_counts")
        assert counts.drain(30) and total() == 2
    assert [each.last_reason for each in provider_counts.last_hour()] == ["the last"]
    assert [line["action"] for line in lines] == ["counting_failed"]
