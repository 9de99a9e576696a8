"""Orders from the API to their end, through real processes and a provider over HTTP."""

from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import redis

from tests.acceptance.system import System, running
from tests.waiting import wait_until

#: A delayed message waits for the next look at the queue, a second as a rule, and longer on a busy machine.
LATE_SECONDS = 6


@pytest.fixture
def system(database_url: str, redis_url: str, tmp_path: Path) -> Iterator[System]:
    with running(database_url, redis_url, tmp_path, WEB_CONCURRENCY="2") as found:
        yield found


def test_by_callback_an_order_is_never_polled_and_by_polling_it_is_found(
    database_url: str, redis_url: str, tmp_path: Path
) -> None:
    with running(
        database_url, redis_url, tmp_path, FIRST_CHECK_DELAY="3", settle_after_seconds=0.5
    ) as system:
        called, polled = system.place("ali"), system.place("veli+poll")
        system.wait_until_final([called, polled], 60, sweeping=False)
        _found_by_callback_and_by_polling(system, called, polled)


def _found_by_callback_and_by_polling(system: System, called: str, polled: str) -> None:
    shown = {one: system.get(f"/orders/{one}") for one in (called, polled)}
    assert [one["externalStatus"] for one in shown.values()] == ["completed", "completed"]
    for one in shown.values():
        booked = system.simulator.book.get(one["providerReferans"])
        assert one["pinCode"] == booked.pin
        assert booked.requests_seen == 1
    assert system.simulator.book.get(shown[called]["providerReferans"]).times_checked == 0
    sources = {
        one: [event["source"] for event in system.get(f"/orders/{one}/events")["data"]] for one in shown
    }
    assert sources[called] == ["api", "dispatch", "dispatch", "callback", "api"]
    assert "poll" in sources[polled]
    assert "callback" not in sources[polled]


def test_checks_follow_the_plan_and_the_timeout_comes_after_one_last_check(
    database_url: str, redis_url: str, tmp_path: Path
) -> None:
    env = {"ORDER_TIMEOUT": "12", "BACKOFF_MAX": "2"}
    with running(database_url, redis_url, tmp_path, processes=["worker"], **env) as system:
        [waiting] = system.place_without_web("ayşe+never")
        system.wait_until_final([waiting], 60, sweeping=False)
        _checked_as_planned(system, system.orders()[waiting], timeout_seconds=12)


def _checked_as_planned(system: System, row: dict[str, Any], timeout_seconds: float) -> None:
    booked = system.simulator.book.get(row["provider_referans"])
    first = booked.checked_at[0] - booked.sent_at[0]
    waits = [after - before for before, after in pairwise(booked.checked_at)]
    planned = [0.5, 1, 2, 2]
    assert 1 <= first <= 1 + LATE_SECONDS
    for wait, plan in zip(waits, planned, strict=False):
        assert plan <= wait <= plan * 1.1 + LATE_SECONDS
    assert (row["externalStatus"], row["failureReason"], row["status"]) == ("failed", "timeout", "rejected")
    lived = row["lastSyncAt"].timestamp() - row["sentAt"].timestamp()
    assert lived >= timeout_seconds
    assert booked.checked_at[-1] - row["sentAt"].timestamp() >= timeout_seconds


def test_a_success_after_the_timeout_still_arrives(database_url: str, redis_url: str, tmp_path: Path) -> None:
    with running(database_url, redis_url, tmp_path, ORDER_TIMEOUT="3") as system:
        late = system.place("fatma+after=9")
        system.wait_until_final([late], 60)
        assert system.get(f"/orders/{late}")["externalStatus"] == "failed"
        wait_until(lambda: system.get(f"/orders/{late}")["externalStatus"] == "completed", 60)
        assert system.orders()[late]["late"] is True


#: How the provider behaves, how many orders, how they end, and how often the provider sees each sent.
MIX = (
    ("callback", 70, "completed", 1),
    ("poll", 40, "completed", 1),
    ("twice", 10, "completed", 1),
    ("progress", 10, "completed", 1),
    ("poll+after=8", 10, "completed", 1),
    ("cutafter+poll", 10, "completed", 1),
    ("lostanswer", 10, "completed", 1),
    ("html+poll", 10, "completed", 2),
    ("fail", 10, "failed", 1),
    ("refuse", 10, "failed", 1),
    ("never", 10, "failed", 1),
)


def test_with_the_queue_emptied_in_the_middle_every_order_ends_right_and_was_sent_once(
    system: System,
) -> None:
    wanted = {
        system.place(f"player{number}+{words}"): (words, end, requests)
        for words, many, end, requests in MIX
        for number in range(many)
    }
    assert len(wanted) == 200
    with redis.Redis.from_url(system.redis_url) as queue:
        for reached in (
            lambda: _begun_share(system) > 0.2,
            lambda: _final_share(system) > 0.3,
            lambda: _final_share(system) > 0.7,
        ):
            wait_until(lambda reached=reached: system.sweep() or reached(), 30, pause_seconds=0.5)
            queue.flushdb()  # only our database; the server may hold others

    system.wait_until_final(wanted, 100)

    rows = system.orders()
    seen, booked = system.simulator.book.requests_seen(), system.simulator.book.bookings()
    ends = Counter((words, rows[one]["externalStatus"]) for one, (words, _, _) in wanted.items())
    assert ends == {(words, end): many for words, many, end, _ in MIX}
    for one, (words, _, requests) in wanted.items():
        referans = rows[one]["provider_referans"]
        assert seen[referans] == requests, words
        assert booked[referans] == (0 if words == "refuse" else 1), words


def _begun_share(system: System) -> float:
    rows = system.orders().values()
    return sum(row["externalStatus"] != "not_sent" for row in rows) / len(rows)


def _final_share(system: System) -> float:
    rows = system.orders().values()
    return sum(row["status"] != "pending" for row in rows) / len(rows)
