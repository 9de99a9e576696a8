"""A provider that hangs gets no orders while the route has another, and gets them again soon after it recovers."""

from pathlib import Path

from gateway.dev.simulator import Simulator
from models import provider_health
from tests import factories
from tests.acceptance.system import System, running
from tests.waiting import wait_until

#: Seconds of one call, so that a provider that hangs is noticed soon.
CALL_SECONDS = 1
#: Seconds from its recovery until orders go to it again: with the BACKOFF_MIN of these tests, far less than a minute.
RECOVERY_SECONDS = 30
SANDBOX, BACKUP = factories.SANDBOX, "backup"


def test_orders_avoid_it_and_return_to_it(database_url: str, redis_url: str, tmp_path: Path) -> None:
    with (
        running(
            database_url,
            redis_url,
            tmp_path,
            processes=["worker"],
            settle_after_seconds=0,
            CALL_TIMEOUT=str(CALL_SECONDS),
            ORDER_TIMEOUT="300",
        ) as system,
        Simulator(settle_after_seconds=0, echo=None, kod="K2", sifre="S2") as healthy,
    ):
        system.add_second_provider(BACKUP, healthy.url, kod="K2", sifre="S2")
        sick = system.simulator
        before = system.place_without_web("before+poll")
        wait_until(
            lambda: providers_of(system, before) == [SANDBOX], 60, what="an order at the first provider"
        )

        sick.control.set_fault("hang")
        in_doubt = system.place_without_web(*(f"caught{number}+poll" for number in range(6)))
        wait_until(lambda: is_down(system), 60, what=lambda: f"the breaker\n{system.log('worker')[-2000:]}")
        seen = sick.book.requests_seen()

        avoiding = system.place_without_web(*(f"avoiding{number}+poll" for number in range(20)))
        system.wait_until_final(avoiding, 60)
        assert set(providers_of(system, avoiding)) == {BACKUP}
        assert sick.book.requests_seen() == seen, "an order went to the sick one after the breaker had opened"
        assert not returned(system)

        sick.control.set_fault(None)
        wait_until(
            lambda: returned(system),
            RECOVERY_SECONDS,
            what=lambda: f"its return\n{system.log('worker')[-2000:]}",
        )

        system.wait_until_final([*before, *in_doubt], 60)
        assert {row["externalStatus"] for row in system.orders().values()} == {"completed"}
        for book in (sick.book, healthy.book):
            assert set(book.bookings().values()) <= {0, 1}
        booked = [sick.book.bookings(), healthy.book.bookings()]
        for row in system.orders().values():
            assert sum(book.get(row["provider_referans"], 0) for book in booked) == 1


def providers_of(system: System, ids: list[str]) -> list[str]:
    """Where the orders were sent."""
    rows = system.orders()
    return [rows[one]["providerId"] for one in ids if rows[one]["sentAt"]]


def is_down(system: System) -> bool:
    with factories.bound(system.database_url, pool_size=2):
        found = provider_health.health(SANDBOX)
    return found is not None and found.down


def returned(system: System) -> bool:
    """Whether an order that is placed now goes to the first provider."""
    [order] = system.place_without_web("asking+poll")
    wait_until(lambda: providers_of(system, [order]) != [], 60, what="an order sent")
    return providers_of(system, [order]) == [SANDBOX]
