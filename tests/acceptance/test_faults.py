"""What breaks around an order: the queue, a worker, the provider. The order ends right all the same."""

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.dev.servers import EmbeddedValkey
from tests.acceptance.system import WORKER, System, execute, running
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
        assert took_seconds < 10, "placing waited for the queue"
        ready = system.get("/health/ready")
        assert ready["status"] == "down: broker"

        valkey.start()
        system.wait_until_final(ids, 60)
        assert {row["externalStatus"] for row in system.orders().values()} == {"completed"}
        assert set(system.simulator.book.requests_seen().values()) == {1}


def test_a_worker_killed_between_claim_and_answer_loses_nothing_and_sends_nothing_twice(
    database_url: str, redis_url: str, tmp_path: Path
) -> None:
    with running(database_url, redis_url, tmp_path, ORDER_TIMEOUT="120") as system:
        # The simulator books at once and answers after three seconds: the kill falls between the two.
        booked = [system.place(f"booked{number}+slow=3+poll+after=0") for number in range(3)]
        lost = system.place("lost+cut+slow=3")
        wait_until(lambda: _claimed(system) == 4 and len(system.simulator.book.requests_seen()) == 4, 20)
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


@pytest.mark.parametrize(
    "words",
    ["html", "empty", "half", "500", "latin5+duplicate", "cutafter", "mumble+check-mumble=3", "slow=60"],
)
def test_an_unclear_answer_to_a_send_ends_in_the_truth_with_one_booking(
    database_url: str, redis_url: str, tmp_path: Path, words: str
) -> None:
    with running(database_url, redis_url, tmp_path, ORDER_TIMEOUT="120") as system:
        order = system.place(f"player+{words}+poll+after=1")
        system.wait_until_final([order], 60)

        row = system.orders()[order]
        assert row["externalStatus"] == "completed"
        assert system.simulator.book.bookings() == {row["provider_referans"]: 1}


def test_an_unclear_answer_to_a_check_changes_nothing(
    database_url: str, redis_url: str, tmp_path: Path
) -> None:
    words = "check-html+check-empty+check-500+check-half+poll+after=0"
    with running(database_url, redis_url, tmp_path, ORDER_TIMEOUT="120") as system:
        order = system.place(f"player+{words}")
        system.wait_until_final([order], 90)
        messages = [event["message"] for event in system.get(f"/orders/{order}/events")]
        assert sum("nothing learned" in message for message in messages) == 4
        assert system.orders()[order]["externalStatus"] == "completed"


def test_a_refused_order_goes_to_the_next_provider(database_url: str, redis_url: str, tmp_path: Path) -> None:
    with running(database_url, redis_url, tmp_path) as system:
        system.add_second_provider("backup")
        order = system.place("player+refuse=stok_yok")
        system.wait_until_final([order], 30)
        row = system.orders()[order]
        assert row["triedProviders"] == ["sandbox"]
        assert row["providerId"] == "backup"
        assert (row["externalStatus"], row["lastMessage"]) == ("failed", "stok yok")


def test_two_signals_do_not_kill_a_worker_in_the_middle_of_a_call(
    database_url: str, redis_url: str, tmp_path: Path
) -> None:
    with running(database_url, redis_url, tmp_path) as system:
        order = system.place("player+slow=3")
        wait_until(system.simulator.book.requests_seen, 10)
        began = time.monotonic()
        system.send_signal("worker", signal.SIGTERM)
        wait_until(lambda: "Stopping worker process" in system.log("worker"), 10)
        system.terminate("worker")
        assert time.monotonic() - began < 25
        assert system.orders()[order]["externalStatus"] in ("sent", "completed")


LOCKED_OUT = "UPDATE providers SET credentials = 'sealed:under a key that is gone' WHERE id = %s"


def test_a_provider_that_cannot_be_used_is_passed_over(
    database_url: str, redis_url: str, tmp_path: Path
) -> None:
    with running(database_url, redis_url, tmp_path) as system:
        for provider in ("second", "third"):
            system.add_second_provider(provider)
        execute(database_url, LOCKED_OUT, "second")
        refused = system.place("player+refuse=stok_yok")
        system.wait_until_final([refused], 30)
        row = system.orders()[refused]
        assert (row["providerId"], row["triedProviders"]) == ("third", ["sandbox"])
        assert system.simulator.book.get(row["provider_referans"]).requests_seen == 2

        execute(database_url, LOCKED_OUT, "sandbox")
        unsent = system.place("player+poll+after=0")
        system.wait_until_final([unsent], 30)
        row = system.orders()[unsent]
        assert (row["providerId"], row["externalStatus"]) == ("third", "completed")
        events = [event["message"] for event in system.get(f"/orders/{unsent}/events")]
        assert "sandbox cannot be used; routed to third" in events


def test_an_order_that_nobody_can_be_given_waits_and_then_fails(
    database_url: str, redis_url: str, tmp_path: Path
) -> None:
    with running(database_url, redis_url, tmp_path, ORDER_TIMEOUT="6") as system:
        execute(database_url, LOCKED_OUT, "sandbox")
        order = system.place("player")
        wait_until(lambda: "cannot be used" in system.log("worker"), 10)
        assert system.orders()[order]["externalStatus"] == "not_sent"
        system.wait_until_final([order], 20)
        row = system.orders()[order]
        assert (row["failureReason"], row["sentAt"], row["attempts"]) == ("timeout", None, 0)


@pytest.mark.parametrize(
    "accident",
    [
        pytest.param("UPDATE providers SET credentials = '{}'", id="no-credentials"),
        pytest.param("UPDATE providers SET credentials = 'sealed:under a key that is gone'", id="sealed"),
        pytest.param("UPDATE providers SET adapter = 'forgotten'", id="no-adapter"),
        pytest.param("DELETE FROM routes; DELETE FROM providers", id="no-provider"),
    ],
)
def test_an_order_whose_provider_cannot_be_used_times_out_all_the_same(
    database_url: str, redis_url: str, tmp_path: Path, accident: str
) -> None:
    with running(database_url, redis_url, tmp_path, ORDER_TIMEOUT="4") as system:
        order = system.place("player+poll+after=600")
        wait_until(lambda: system.orders()[order]["externalStatus"] == "sent", 10)
        execute(database_url, accident)
        system.wait_until_final([order], 30)

        assert system.orders()[order]["failureReason"] == "timeout"


def test_an_order_that_never_reached_its_provider_is_sent_as_soon_as_it_is_up(
    database_url: str, redis_url: str, tmp_path: Path
) -> None:
    with running(database_url, redis_url, tmp_path, ORDER_TIMEOUT="120") as system:
        system.simulator.stop()
        order = system.place("player+poll+after=0")
        wait_until(lambda: "not reached" in str(system.get(f"/orders/{order}/events")), 20)
        system.simulator.start()
        system.wait_until_final([order], 30)

        row = system.orders()[order]
        assert row["externalStatus"] == "completed"
        assert system.simulator.book.get(row["provider_referans"]).requests_seen == 1
        assert system.simulator.book.get(row["provider_referans"]).times_checked <= 2
