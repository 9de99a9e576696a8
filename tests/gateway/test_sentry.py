"""Error tracking, against a receiver that speaks HTTP; sentry-sdk changes a process for good, so it gets its own."""

import gzip
import json
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests.listening import listening

#: A worker whose actor fails, as `actors.setup` wires it.
WORKER = """
import sys

import dramatiq
from dramatiq.brokers.stub import StubBroker

from gateway import log, sentry
from gateway.settings import load

settings = load({"SENTRY_DSN": sys.argv[1], "LOG_FORMAT": "json"}, require=())
log.configure(settings)
sentry.configure(settings)
broker = StubBroker()


@dramatiq.actor(broker=broker, queue_name="checks", max_retries=0)
def check_order_status(order_id):
    password = "hunter2"
    raise RuntimeError(f"GET https://panel.example/servis/pin_kontrol.php?kod=dealer&sifre={password}")


worker = dramatiq.Worker(broker, worker_threads=1, worker_timeout=50)
worker.start()
check_order_status.send("order-1")
try:
    broker.join("checks", fail_fast=False)
finally:
    worker.stop()
log.get("test").error("A provider cannot be used.", action="no_provider", reason="token=abcdefgh")
"""


class Receiver(ThreadingHTTPServer):
    """Keeps the events that are reported to it."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.events: list[dict[str, Any]] = []
        self.bodies: list[str] = []

    @property
    def dsn(self) -> str:
        return f"http://public@127.0.0.1:{self.server_port}/1"


class _Answer(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        """An envelope: lines of JSON, in which the body of an event follows the header of its type."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        self.server.bodies.append(body.decode())
        lines = [json.loads(line) for line in body.splitlines() if line]
        for header, payload in zip(lines[1::2], lines[2::2], strict=True):
            if header.get("type") == "event":
                self.server.events.append(payload)
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with listening(Receiver()) as server:
        yield server


def run(code: str, *arguments: str) -> str:
    """What the process writes to standard output."""
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


def test_errors_of_a_worker_are_reported_without_secrets(receiver: Receiver) -> None:
    run(WORKER, receiver.dsn)
    errors = [each["exception"]["values"][-1] for each in receiver.events if "exception" in each]
    assert [(each["type"], "pin_kontrol.php" in each["value"]) for each in errors] == [("RuntimeError", True)]
    assert any("A provider cannot be used." in body for body in receiver.bodies)
    for body in receiver.bodies:
        assert "hunter2" not in body, "a password"
        assert "abcdefgh" not in body, "a token"


def test_without_the_extra_the_log_says_so(receiver: Receiver) -> None:
    missing = "import sys; sys.modules['sentry_sdk'] = None\n"
    written = run(missing + WORKER, receiver.dsn)
    assert "sentry_missing" in written
    assert not receiver.events
