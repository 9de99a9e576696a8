"""What breaks around processes: the queue, a worker. Orders end right all the same.

What breaks within one process (unclear answers, providers that cannot be used) is tested in
`tests/gateway/fulfilment`.
"""

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.dev.servers import EmbeddedValkey
from tests.acceptance.system import WORKER, System, running
from tests.waiting import wait_until


@pytest.fixture
def valkey(open_directory: Path, tmp_path: Path) -> Iterator[EmbeddedValkey]:
    """A queue of this test's own, to be stopped and started."""
    with EmbeddedValkey(open_directory / tmp_path.name / "valkey", durable=False) as server:
        yield server


def test_orders_come_in_while_the_queue_is_down_and_go_out_when_it_is_back(
    database_url: str, valkey: EmbeddedValkey, tmp_path: Path
) -> None:
    with running(database_url, valkey.url, tmp_path) as system:
        valkey.kill()
        began = time.monotonic()
        ids = [system.place(f"player{number}") for number in range(30)]
        took_seconds = time.monotonic() - began

        assert {row["externalStatus"] for row in system.orders().values()} == {"not_sent"}
        assert took_seconds < 20, "placing waited for the queue"
        ready = system.get("/health/ready")
        assert ready["status"] == "down: broker"

        valkey.start()
        system.wait_until_final(ids, 60)
        assert {row["externalStatus"] for row in system.orders().values()} == {"completed"}
        assert set(system.simulator.book.requests_seen().values()) == {1}


def test_a_worker_killed_between_claim_and_answer_loses_nothing_and_sends_nothing_twice(
    database_url: str, redis_url: str, tmp_path: Path
) -> None:
    env = {"ORDER_TIMEOUT": "120", "CALL_TIMEOUT": "4"}
    with running(database_url, redis_url, tmp_path, processes=["worker"], **env) as system:
        # The simulator books at once and answers after three seconds: the kill falls between the two.
        users = [f"booked{number}+slow=3+poll+after=0" for number in range(3)]
        *booked, lost = system.place_without_web(*users, "lost+cut+slow=3+poll")
        wait_until(lambda: _claimed(system) == 4 and len(system.simulator.book.requests_seen()) == 4, 60)
        system.kill("worker")
        assert {row["externalStatus"] for row in system.orders().values()} == {"pending"}

        system.start("worker", WORKER)
        system.wait_until_final([*booked, lost], 100)

        rows, seen = system.orders(), system.simulator.book.requests_seen()
        assert {row["externalStatus"] for row in rows.values()} == {"completed"}
        assert [seen[rows[one]["provider_referans"]] for one in booked] == [1, 1, 1]
        assert set(system.simulator.book.bookings().values()) == {1}


def _claimed(system: System) -> int:
    return sum(row["externalStatus"] == "pending" for row in system.orders().values())


def test_two_signals_do_not_kill_a_worker_in_the_middle_of_a_call(
    database_url: str, redis_url: str, tmp_path: Path
) -> None:
    with running(database_url, redis_url, tmp_path, processes=["worker"]) as system:
        [order] = system.place_without_web("player+slow=3+poll")
        wait_until(system.simulator.book.requests_seen, 60)
        began = time.monotonic()
        system.send_signal("worker", signal.SIGTERM)
        wait_until(lambda: "Stopping worker process" in system.log("worker"), 60)
        system.terminate("worker")
        assert time.monotonic() - began < 25
        assert system.orders()[order]["externalStatus"] in ("sent", "completed")
