"""The storefront is told, through real processes: web, queue and worker."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from standardwebhooks import Webhook

from tests.acceptance.system import WORKER, System, execute, running
from tests.gateway.fulfilment.test_notifying import Request, Shop, shop_open
from tests.waiting import wait_until

SECRET = "whsec_Zmlyc3Qtc2VjcmV0LW9mLXRlc3Rz"
#: A worker that looks by itself so rarely that only the queue can have told it.
WAITS_FOR_HINTS = ["tests.acceptance.only_by_hint" if part == "actors" else part for part in WORKER]


@pytest.fixture
def shop() -> Iterator[Shop]:
    with shop_open() as found:
        yield found


def test_a_storefront_hears_of_an_end_through_the_queue_and_what_is_under_way_outlives_its_worker(
    database_url: str, redis_url: str, tmp_path: Path, shop: Shop
) -> None:
    env = {"NOTIFY_URL": f"{shop.url}/hook", "NOTIFY_SECRET": SECRET}
    with running(
        database_url, redis_url, tmp_path, settle_after_seconds=0.5, processes=["web"], **env
    ) as system:
        system.start("worker", WAITS_FOR_HINTS)
        _hears_through_the_queue(system, shop)
        _is_not_cut_off(system, shop)
        assert "Traceback" not in system.log("worker") + system.log("web")


def _hears_through_the_queue(system: System, shop: Shop) -> None:
    """By a callback, through web and queue; and of what the API cancels."""
    order = system.place("ali")
    system.wait_until_final([order], 60, sweeping=False)
    wait_until(lambda: len(shop.requests) == 1, 60)
    document = Webhook(SECRET).verify(shop.requests[0].body, shop.requests[0].headers)
    assert (document["type"], document["data"]["id"]) == ("order.completed", order)
    wait_until(lambda: system.get(f"/orders/{order}/events")["data"][-1]["source"] == "notify", 60)


def _is_not_cut_off(system: System, shop: Shop) -> None:
    """The receiver takes its time while the worker is told to end, and is told nothing twice."""
    is_over = threading.Event()

    def answer(request: Request) -> int:
        is_over.wait(10)
        return 200

    shop.answer = answer
    order = system.place("veli")
    wait_until(lambda: len(shop.requests) == 2, 60)
    threading.Timer(1.5, is_over.set).start()
    assert system.terminate("worker") == 0
    execute(
        system.database_url, "UPDATE referans.notifications SET next_try_at = now() WHERE state = 'waiting'"
    )
    system.start("worker", WORKER)
    third = system.place("fatma")
    wait_until(lambda: len(shop.requests) >= 3, 60)
    assert [each.document["data"]["id"] for each in shop.requests[1:]] == [order, third]
