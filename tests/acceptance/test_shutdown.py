"""SIGTERM under load, sent as platforms send it: nothing that was promised is lost, and everything ends in time."""

import itertools
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import psutil
import psycopg2
import requests

from tests.acceptance.system import SCHEDULER, WORKER, System, running
from tests.waiting import wait_until

#: Seconds that a platform gives: 30, less something to spare.
ALLOWED_SECONDS = 25


class Load:
    """Storefronts that place orders, each under a key of its own, until the web is gone; and idle clients."""

    def __init__(self, system: System, clients: int = 8) -> None:
        self.placed: list[str] = []
        self.refused: Counter[int] = Counter()
        self._system = system
        self._numbers = itertools.count()
        self._threads = [threading.Thread(target=self._place_until_gone) for _ in range(clients)]
        self._idle = requests.Session()
        self._idle.get(f"{system.url}/health/live", timeout=5)
        for thread in self._threads:
            thread.start()

    def _place_until_gone(self) -> None:
        with requests.Session() as session:
            while True:
                number = next(self._numbers)
                body = {"productId": "game", "packageId": "60", "userIdentifier": f"player{number}+after=0"}
                headers = self._system.authorization | {"Idempotency-Key": f"key-{number}"}
                try:
                    answer = session.post(
                        f"{self._system.url}/orders", json=body, headers=headers, timeout=10
                    )
                except requests.RequestException:
                    return
                if answer.status_code == 201:
                    self.placed.append(answer.json()["id"])
                else:
                    self.refused[answer.status_code] += 1

    def join(self) -> None:
        for thread in self._threads:
            thread.join()
        self._idle.close()


def test_the_web_ends_in_time_and_kept_all_it_promised(
    database_url: str, redis_url: str, tmp_path: Path
) -> None:
    with running(database_url, redis_url, tmp_path, WEB_CONCURRENCY="2") as system:
        load = Load(system)
        wait_until(lambda: len(load.placed) > 100, 60)
        began = time.monotonic()
        status = system.terminate("web")
        took_seconds = time.monotonic() - began
        load.join()

        rows = system.orders()
        assert status == 0
        assert "Traceback" not in system.log("web")
        assert took_seconds < 15, "an idle connection held the shutdown up"
        assert not load.refused
        assert len(set(load.placed)) == len(load.placed)
        assert set(load.placed) <= set(rows)
        assert len(rows) - len(load.placed) <= 8, "more orders than were under way without an answer"
        counted = _measured(database_url, "referans_request_seconds", "POST", "/orders", "2xx")
        assert len(load.placed) <= counted <= len(rows), "it wrote what it had measured"


def test_a_request_under_way_is_answered(database_url: str, redis_url: str, tmp_path: Path) -> None:
    with running(database_url, redis_url, tmp_path) as system:
        order = system.place("player+poll+after=60")
        wait_until(lambda: system.orders()[order]["externalStatus"] == "sent", 60)
        answers: list[int] = []

        def check() -> None:
            url = f"{system.url}/orders/{order}/check"
            answers.append(requests.post(url, headers=system.authorization, timeout=15).status_code)

        with closing(psycopg2.connect(database_url)) as outsider:
            outsider.cursor().execute("SELECT FROM product_orders FOR UPDATE")
            asking = threading.Thread(target=check)
            asking.start()
            wait_until(lambda: _waits_for_a_lock(database_url), 60)
            ending = threading.Thread(target=system.terminate, args=("web",))
            ending.start()
            wait_until(lambda: not _accepts(system), 60)
            outsider.rollback()
        asking.join()
        ending.join()
        assert answers == [202]


def test_who_waits_for_an_order_gets_its_present_state_at_once(
    database_url: str, redis_url: str, tmp_path: Path
) -> None:
    no_check = {"FIRST_CHECK_DELAY": "60"}  # which would tell meanwhile
    with (
        running(database_url, redis_url, tmp_path, **no_check) as system,
        ThreadPoolExecutor(8) as threads,
    ):
        order = system.place("player+poll+after=60")
        wait_until(lambda: system.orders()[order]["externalStatus"] == "sent", 60)

        def wait(_: int) -> tuple[str, float]:
            url = f"{system.url}/orders/{order}?wait=60"
            answer = requests.get(url, headers=system.authorization, timeout=70)
            return answer.json()["externalStatus"], time.monotonic()

        before = _accepted(system)
        asked = [threads.submit(wait, number) for number in range(8)]
        wait_until(lambda: len(_accepted(system) - before) == 8)
        assert not any(each.done() for each in asked)
        began = time.monotonic()
        assert system.terminate("web") == 0
        took_seconds = time.monotonic() - began
        found = [each.result(10) for each in asked]
        assert {answer for answer, _ in found} == {"sent"}
        assert max(at for _, at in found) - began < 10
        assert took_seconds < 15


def _accepted(system: System) -> set[tuple[str, int]]:
    """The clients whose connections the web has."""
    return {
        each.raddr
        for each in psutil.net_connections("tcp")
        if each.pid and each.raddr and each.laddr.port == system.port
    }


def _measured(database_url: str, name: str, *labels: str) -> int:
    """How many observations the processes have written."""
    with closing(psycopg2.connect(database_url)) as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT sum(each)::int FROM referans.measurements, unnest(counts) AS each WHERE name = %s AND labels = %s",
            (name, list(labels)),
        )
        (count,) = cursor.fetchone() or (0,)
        return int(count or 0)


def _waits_for_a_lock(database_url: str) -> bool:
    with closing(psycopg2.connect(database_url)) as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        (count,) = cursor.fetchone() or (0,)
        return bool(count)


def _accepts(system: System) -> bool:
    try:
        requests.get(f"{system.url}/health/live", timeout=1)
    except requests.RequestException:
        return False
    return True


def test_worker_and_scheduler_end_in_time_and_hand_back_what_they_have_not_begun(
    database_url: str, redis_url: str, tmp_path: Path
) -> None:
    with running(database_url, redis_url, tmp_path, ORDER_TIMEOUT="120") as system:
        system.start("scheduler", SCHEDULER)
        orders = system.place_without_web(*(f"player{number}+slow=1+after=0" for number in range(40)))
        wait_until(system.simulator.book.requests_seen, 60)
        began = time.monotonic()
        assert system.terminate("worker") == 0
        system.terminate("scheduler")
        assert time.monotonic() - began < ALLOWED_SECONDS

        statuses = {row["externalStatus"] for row in system.orders().values()}
        assert "pending" not in statuses, "a send that had begun was not finished"
        assert "not_sent" in statuses, "there was nothing to hand back: the test shows nothing"
        counted = _measured(database_url, "referans_dispatch_seconds", "sandbox", "accepted")
        assert counted == len(system.simulator.book.requests_seen()), "it wrote what it had measured"
        system.start("worker", WORKER)
        system.wait_until_final(orders, 60, sweeping=False)
        assert set(system.simulator.book.requests_seen().values()) == {1}
