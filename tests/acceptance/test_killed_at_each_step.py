"""A worker that is killed at any step of a send: the order ends in the truth, with one booking at each provider."""

from pathlib import Path

import pytest

from tests import long
from tests.acceptance.system import WORKER, running, with_sitecustomize
from tests.waiting import wait_until

DYING = Path(__file__).parent / "dying"
#: The steps of a send in their order, of one that is repeated, and of one that goes on to the next provider.
STEPS = [
    ("gateway.fulfilment.routing:of_order:before", "poll"),
    ("models.claims:claim_dispatch:after", "poll"),
    ("gateway.providers:send:after", "poll"),
    ("models.order:settle:after", "poll"),
    ("gateway.broker:Hints.check_later:before", "poll"),
    ("models.claims:in_doubt:before", "mumble+poll"),
    ("models.claims:claim_resend:before", "cut+poll"),
    ("models.claims:claim_resend:after", "cut+poll"),
    ("models.claims:claim_next_provider:before", "refuse"),
    ("models.claims:claim_next_provider:after", "refuse"),
    ("models.claims:claim_check:after", "poll"),
    ("gateway.providers:check:after", "poll"),
]


#: Those after which something is claimed or booked and not yet known; `make soak` has all of them.
SHORT = [
    ("models.claims:claim_dispatch:after", "poll"),
    ("gateway.providers:send:after", "poll"),
    ("models.claims:claim_resend:after", "cut+poll"),
    ("models.claims:claim_next_provider:after", "refuse"),
]
TOLD = long.either(SHORT, STEPS)


@pytest.mark.timeout(240)
@pytest.mark.parametrize(("step", "words"), TOLD, ids=[f"{step}-{words}" for step, words in TOLD])
def test_a_worker_killed_at_this_step_loses_nothing_and_sends_nothing_twice(
    database_url: str, redis_url: str, tmp_path: Path, step: str, words: str
) -> None:
    mortal = with_sitecustomize(DYING, DIE_AT=step, DIE_ONCE=str(tmp_path / "died"))
    env = {"ORDER_TIMEOUT": "180", "CALL_TIMEOUT": "2", "HEARTBEAT_TIMEOUT": "3"}
    with running(database_url, redis_url, tmp_path, processes=(), **env) as system:
        system.add_second_provider("backup")
        system.start("worker", WORKER, **mortal)
        [order] = system.place_without_web(f"player+after=0+{words}")
        wait_until(lambda: system.exit_status("worker") is not None, 60, what="death")
        system.start("worker", WORKER)
        system.wait_until_final([order], 150)

        row, refused = system.orders()[order], words == "refuse"
        assert (row["externalStatus"], row["failureReason"]) == (
            ("failed", "provider") if refused else ("completed", None)
        )
        assert set(system.simulator.book.bookings().values()) == {0 if refused else 1}
