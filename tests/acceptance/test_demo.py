"""`gateway dev`, for real: every process, one order, and nothing left behind."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import requests

from gateway.dev.stack import ROOT
from tests import long, servers
from tests.ports import free_port
from tests.waiting import wait_until

#: Marks every process of one run, its children's children included.
MARK = "REFERANS_TEST_RUN"
SERVERS = ("DATABASE_URL", "REDIS_URL")
#: Seconds to come up on a busy machine, an empty database included.
START_SECONDS = 90.0


class Dev:
    """One `gateway dev` with a data directory of its own."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.mark = uuid.uuid4().hex
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def process(self) -> "subprocess.Popen[bytes]":
        assert self._process is not None
        return self._process

    def start(self, *options: str) -> None:
        """As `make run` does it, in an environment that names no servers."""
        words = [
            "--data",
            str(self.directory),
            "--port",
            str(self.port),
            "--simulator-port",
            str(free_port()),
            "--storefront-port",
            str(free_port()),
        ]
        environ = {name: value for name, value in os.environ.items() if name not in SERVERS}
        self._start([sys.executable, "-m", "gateway", "dev", *words, *options], environ)

    def make_run(self) -> None:
        """`make run` itself, in the directory, with the virtual environment that runs this test."""
        environ = {name: value for name, value in os.environ.items() if name not in SERVERS}
        environ |= {
            "PORT": str(self.port),
            "SIMULATOR_PORT": str(free_port()),
            "STOREFRONT_PORT": str(free_port()),
            "WEB_CONCURRENCY": "1",
        }
        installed = f"{sys.prefix}/.installed"
        here = ["-C", str(self.directory), "-f", str(ROOT / "Makefile")]
        self._start(["make", *here, f"VENV={sys.prefix}", "-o", installed, "run"], environ)

    def _start(self, command: list[str], environ: dict[str, str]) -> None:
        with self._output.open("w") as output:
            self._process = subprocess.Popen(
                command, env={**environ, MARK: self.mark}, stdout=output, stderr=subprocess.STDOUT
            )

    def finish(self) -> int:
        """Wait for its end, as long as a start and an order may take; its exit code."""
        return self.process.wait(timeout=START_SECONDS)

    def stop(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        return self.process.wait(timeout=40)

    def wait_for(self, text: str) -> None:
        wait_until(lambda: text in self.output or self.process.poll() is not None, START_SECONDS, what=text)
        assert text in self.output, self.output

    @property
    def _output(self) -> Path:
        return self.directory / "screen"

    @property
    def output(self) -> str:
        return self._output.read_text()

    @property
    def key(self) -> str:
        return re.findall(r"API key +(rk_\S+)", self.output)[0]

    def processes(self, program: str = "") -> list[psutil.Process]:
        """Those of this run that are still there, by their command line."""
        return [one for one in psutil.process_iter() if self._is_ours(one, program)]

    def _is_ours(self, one: psutil.Process, program: str) -> bool:
        try:
            return one.environ().get(MARK) == self.mark and program in " ".join(one.cmdline())
        except psutil.Error:
            return False

    def assert_nothing_is_left(self) -> None:
        wait_until(lambda: not self.processes(), what=lambda: f"left: {self.processes()}")


@pytest.fixture
def dev(open_directory: Path) -> Iterator[Dev]:
    directory = open_directory / f"dev-{uuid.uuid4().hex[:8]}"
    directory.mkdir(mode=0o755)
    servers.postgres(directory / "postgres")
    running = Dev(directory)
    yield running
    for process in running.processes():
        process.kill()


def test_the_demo_ends_well_once_the_order_has_its_pin(dev: Dev, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIMEZONE", "Asia/Kathmandu")
    monkeypatch.setenv("TZ", "America/New_York")
    shutil.rmtree(dev.directory / "postgres")  # it begins with nothing
    dev.start("--demo")

    assert dev.finish() == 0, dev.output

    steps = ["new → not_sent", "not_sent → pending", "pending → sent", "sent → completed"]
    found = [dev.output.find(step) for step in steps]
    assert found == sorted(found) and -1 not in found, dev.output
    assert re.search(r"The PIN arrived .* after the order was placed: \S+", dev.output)
    assert "The example storefront was told by a notification: order.completed" in dev.output
    assert f"http://127.0.0.1:{dev.port}/orders" in dev.output
    for step in steps:
        assert re.search(rf"^  \d\d:\d\d:\d\d \+0545  {step}", dev.output, re.MULTILINE), dev.output
    log = (dev.directory / "demo.log").read_text()
    for name, rest in (("web", r"\[info"), ("worker", r"\[info"), ("simulator", "ready")):
        pattern = rf"^{name} +\| \d\d:\d\d:\d\d\.\d\d\d \+0545 +{rest}"
        assert re.search(pattern, log, re.MULTILINE), log
    dev.assert_nothing_is_left()


@long.only
def test_another_provider_completes_an_order_by_callback_and_one_by_check(dev: Dev) -> None:
    dev.start("--demo", "--provider", "digiflazz")

    assert dev.finish() == 0, dev.output

    by_callback, by_check = dev.output.split("The next order ends by")[1:]
    assert re.search(r"→ completed +callback: ", by_callback), dev.output
    assert re.search(r"→ completed +poll: ", by_check), dev.output
    dev.assert_nothing_is_left()


def test_it_ends_with_make_however_that_ends_and_keeps_everything_for_the_next_time(dev: Dev) -> None:
    dev.make_run()
    dev.wait_for("Everything stays up")
    key = dev.key
    assert len(dev.processes("periodiq actors")) == 1
    dev.processes("gateway dev --parent")[0].send_signal(signal.SIGINT)
    assert dev.process.wait(timeout=40) == 0
    dev.assert_nothing_is_left()

    dev.make_run()
    dev.wait_for("Everything stays up")
    assert dev.key == key
    assert "The database schema is up to date." in dev.output
    assert len(dev.processes()) > 10
    dev.process.send_signal(signal.SIGKILL)
    wait_until(lambda: not dev.processes(), 40, what=lambda: f"left: {dev.processes()}")


@long.only
def test_it_stays_up_until_a_signal_or_several(dev: Dev) -> None:
    dev.start()
    dev.wait_for("Everything stays up")
    assert dev.stop(signal.SIGINT) == 0
    dev.assert_nothing_is_left()

    dev.start()
    dev.wait_for("Everything stays up")
    dev.process.send_signal(signal.SIGTERM)
    assert dev.stop(signal.SIGTERM) == 0
    dev.assert_nothing_is_left()


@long.only
def test_a_killed_process_is_started_again(dev: Dev) -> None:
    dev.start()
    dev.wait_for("Everything stays up")

    for name, program in (("worker", "dramatiq actors"), ("web", "gunicorn gateway.app:app")):
        killed = dev.processes(program)[0]
        killed.kill()
        dev.wait_for(f"{name:<10} | ended by itself with signal SIGKILL")
        wait_until(lambda: dev.processes(program), 60)  # noqa: B023 - it is called at once
        assert dev.processes(program)[0].pid != killed.pid
        assert re.search(rf"^{name} +\| starting it again( in 1 s)?$", dev.output, re.MULTILINE)

    wait_until(lambda: answers(f"http://127.0.0.1:{dev.port}/health/ready"), 60)
    assert dev.stop(signal.SIGTERM) == 0
    dev.assert_nothing_is_left()


def answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=5).ok
    except requests.RequestException:
        return False


def test_a_process_that_cannot_start_ends_everything_and_is_named(
    dev: Dev, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GUNICORN_CMD_ARGS", "--no-such-option")
    dev.start()

    assert dev.finish() == 1
    assert re.search(r"^web +\| .*--no-such-option", dev.output, re.MULTILINE)
    assert "error: web ended with exit code" in dev.output
    dev.assert_nothing_is_left()


@long.only
def test_nothing_outlives_dev_that_is_killed(dev: Dev) -> None:
    dev.make_run()
    dev.wait_for("Everything stays up")
    dev.processes("gateway dev --parent")[0].send_signal(signal.SIGKILL)

    wait_until(lambda: not dev.processes(), 40, what=lambda: f"left: {dev.processes()}")


def test_taken_ports_are_named(dev: Dev) -> None:
    with socket.create_server(("127.0.0.1", dev.port)):
        dev.start()
        assert dev.finish() == 1
        assert f"error: port {dev.port} is taken" in dev.output
        assert re.search(r"choose another: \S*gateway dev --port \d+", dev.output), dev.output
    dev.assert_nothing_is_left()


@long.only
def test_a_demo_moves_away_from_taken_ports(dev: Dev) -> None:
    with socket.create_server(("127.0.0.1", dev.port)):
        dev.start("--demo")
        assert dev.finish() == 0, dev.output
        assert f"Port {dev.port} is taken; using " in dev.output
    dev.assert_nothing_is_left()
