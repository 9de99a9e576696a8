"""A provider never gets more calls at once than it was said to take."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests import factories
from tests.acceptance.system import WORKER, System, running
from tests.listening import listening
from tests.waiting import wait_until

LIMIT = 3
ORDERS = 24


class Panel(ThreadingHTTPServer):
    """Accepts orders slowly, and remembers how many calls were under way at once."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.lock = threading.Lock()
        self.under_way = self.most = self.answered = 0
        self.gate = threading.Event()


class _Answer(BaseHTTPRequestHandler):
    server: Panel

    def do_GET(self) -> None:
        panel = self.server
        with panel.lock:
            panel.under_way += 1
            panel.most = max(panel.most, panel.under_way)
        panel.gate.wait(0.05)
        body = b"OK|1.00|100.00" if "pin_ekle" in self.path else b"OK|1||"
        with panel.lock:
            panel.under_way -= 1
            panel.answered += 1
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


@pytest.fixture
def panel() -> Iterator[Panel]:
    with listening(Panel()) as server:
        yield server


def test_two_workers_share_one_limit(database_url: str, redis_url: str, tmp_path: Path, panel: Panel) -> None:
    with running(database_url, redis_url, tmp_path, processes=["worker"], FIRST_CHECK_DELAY="60") as system:
        with factories.bound(database_url, pool_size=2):
            factories.add_provider(base_url=f"http://127.0.0.1:{panel.server_port}", max_concurrency=LIMIT)
        system.start("second worker", WORKER)
        system.place_without_web(*(f"player{number}" for number in range(ORDERS)))

        wait_until(lambda: _sent(system) == ORDERS, 60, what="every order sent")

        assert panel.most == LIMIT
        assert panel.answered == ORDERS


def _sent(system: System) -> int:
    return sum(row["externalStatus"] == "sent" for row in system.orders().values())
