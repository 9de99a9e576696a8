"""Measuring: added up in memory, written in batches, added to what other processes wrote."""

import threading
from collections.abc import Iterator

import pytest
import structlog

from gateway import measuring
from gateway.measuring import BOUNDS, CALLBACKS, NOTIFYING, SETTLING, Measures
from models import measurements
from models.db import database
from models.measurements import Measured
from tests import factories
from tests.waiting import wait_until


@pytest.fixture(autouse=True)
def models(emptied_database_url: str) -> Iterator[None]:
    with factories.bound(emptied_database_url):
        yield


def stored() -> dict[tuple[str, ...], tuple[list[int], float]]:
    return {
        (each.name, *each.labels): (list(each.counts), round(each.total, 6)) for each in measurements.every()
    }


def buckets(**counts: int) -> list[int]:
    """The buckets of a histogram of which all are empty but those named, by the place of their bound."""
    found = [0] * (len(BOUNDS) + 1)
    for place, count in counts.items():
        found[int(place.removeprefix("_"))] = count
    return found


@pytest.mark.parametrize(
    ("seconds", "place"),
    [(0.0, 0), (0.001, 0), (0.0011, 1), (0.3, 8), (60.0, len(BOUNDS) - 1), (61.0, len(BOUNDS))],
)
def test_what_takes_as_long_as_a_bound_falls_into_its_bucket(seconds: float, place: int) -> None:
    measures = Measures()
    measures.observe(SETTLING, seconds, "web")
    measures.write()
    assert stored() == {(SETTLING.name, "web"): (buckets(**{f"_{place}": 1}), seconds)}


def test_processes_add_to_one_sum_and_each_writes_what_is_new() -> None:
    web, worker = Measures(), Measures()
    web.count(CALLBACKS, "kuzey", "applied", count=3)
    web.observe(SETTLING, 0.002, "web")
    web.write()
    web.write()
    for each in (web, worker):
        each.count(CALLBACKS, "kuzey", "applied")
        each.count(CALLBACKS, "kuzey", 'a "quoted", {odd} \\ word')
        each.observe(SETTLING, 0.002, "web")
        each.observe(SETTLING, 7.0, "web")
        each.write()
    assert stored() == {
        (CALLBACKS.name, "kuzey", "applied"): ([5], 0.0),
        (CALLBACKS.name, "kuzey", 'a "quoted", {odd} \\ word'): ([2], 0.0),
        (SETTLING.name, "web"): (buckets(_1=3, _12=2), 14.006),
    }


def test_threads_lose_nothing_and_thousands_are_one_statement(monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[int] = []
    add = measurements.add
    monkeypatch.setattr(measurements, "add", lambda some: (written.append(len(some)), add(some))[1])
    measures = Measures()
    threads = [
        threading.Thread(target=lambda: [measures.observe(NOTIFYING, 0.1, "delivered") for _ in range(2000)])
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    measures.write()
    assert stored()[NOTIFYING.name, "delivered"][0] == buckets(_6=8000)
    assert written == [1]


def test_what_could_not_be_written_is_written_later_and_told_once() -> None:
    database.rows("ALTER TABLE referans.measurements RENAME TO measurements_away")
    measures = Measures()
    with structlog.testing.capture_logs() as lines:
        for _ in range(2):
            measures.count(CALLBACKS, "kuzey", "stale")
            measures.observe(SETTLING, 0.5, "worker")
            measures.write()
        database.rows("ALTER TABLE referans.measurements_away RENAME TO measurements")
        measures.write()
    assert stored() == {
        (CALLBACKS.name, "kuzey", "stale"): ([2], 0.0),
        (SETTLING.name, "worker"): (buckets(_8=2), 1.0),
    }
    assert [line["action"] for line in lines] == ["measuring_failed"]


def test_it_is_written_by_itself_and_the_rest_when_the_process_ends() -> None:
    measures = Measures(write_seconds=0.01)
    measures.begin()
    measures.count(CALLBACKS, "kuzey", "applied")
    wait_until(lambda: bool(stored()))
    slow = Measures(write_seconds=3600)
    slow.begin()
    slow.count(CALLBACKS, "kuzey", "applied")
    for each in (measures, slow):
        each.end(5)
    assert stored() == {(CALLBACKS.name, "kuzey", "applied"): ([2], 0.0)}
    assert "measures" not in {thread.name for thread in threading.enumerate()}


def test_an_older_process_with_fewer_buckets_takes_nothing_away() -> None:
    for counts in ([1, 2, 3], [4, 5], [6, 7, 8, 9]):
        measurements.add([Measured("name", ["label"], counts, 1.0)])
    assert stored() == {("name", "label"): ([11, 14, 11, 9], 3.0)}


def test_every_metric_has_a_name_of_its_own() -> None:
    metrics = [*measuring.COUNTERS, *measuring.HISTOGRAMS]
    assert len({each.name for each in metrics}) == len(metrics)
