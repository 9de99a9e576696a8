"""How gunicorn serves: connections in turns, request lines, addresses, files, and a psycopg2 that yields."""

import http.client
import os
import select
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from resource import RLIM_INFINITY as UNLIMITED
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import gevent
import psycopg2
import pytest
from gevent import socket
from gevent.event import Event
from gevent.pool import Pool
from gevent.server import StreamServer
from gunicorn.config import Config
from gunicorn.http import get_parser
from gunicorn.http.errors import InvalidHeader
from psycopg2 import extensions

from gateway import serving
from gateway.clients import Client, Crowd
from gateway.serving import KERNEL_BYTES, Listener
from tests.acceptance.system import BIN, ROOT
from tests.conftest import IN_CLEAR
from tests.ports import free_port
from tests.waiting import wait_until

#: Seconds until a greenlet that should be done is given up.
PATIENCE_SECONDS = 20


def test_a_process_with_a_connection_leaves_the_next_one_to_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "PAUSE_SECONDS", PATIENCE_SECONDS * 2)
    monkeypatch.setattr(serving, "LONGEST_PAUSE_SECONDS", PATIENCE_SECONDS * 2)
    shared = socket.socket()
    shared.bind(("127.0.0.1", 0))
    shared.listen()
    over = Event()
    one, other = (Listener(shared, handle=lambda *_: over.wait(), spawn=Pool(10)) for _ in range(2))
    clients = []

    def connect() -> None:
        clients.append(socket.create_connection(shared.getsockname()))
        _let_others_run()

    try:
        one.start()
        _let_others_run()
        connect()  # which no connection stands behind yet
        connect()
        assert len(one.pool) == 2
        connect()
        assert len(one.pool) == 2
        other.start()
        assert _within_patience(lambda: len(other.pool) == 1)
    finally:
        over.set()
        for each in (*clients, one, other):
            each.close()


def _let_others_run() -> None:
    """Rounds of the loop, in which every listener that may accept a connection does."""
    for _ in range(20):
        gevent.sleep(0)


def _within_patience(condition: Callable[[], bool], seconds: float = PATIENCE_SECONDS) -> bool:
    with gevent.Timeout(seconds, False):
        while not condition():
            gevent.sleep(0.01)
    return condition()


def test_until_idle_lets_all_other_greenlets_run_first() -> None:
    done = []

    def work(number: int) -> None:
        for _ in range(number):
            gevent.sleep(0)
        done.append(number)

    workers = [gevent.spawn(work, number) for number in range(5)]
    serving.until_idle()
    assert done == list(range(5))
    gevent.joinall(workers)


def test_the_wait_for_an_idle_process_is_bounded() -> None:
    over = Event()

    def never_idle() -> None:
        while not over.is_set():
            gevent.sleep(0)

    busy = gevent.spawn(never_idle)
    with gevent.Timeout(PATIENCE_SECONDS):
        serving.until_idle()
    over.set()
    busy.join()


# --- request lines of callbacks


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"GET /callbacks/p/t?a=b c d HTTP/1.1", b"GET /callbacks/p/t?a=b%20c%20d HTTP/1.1"),
        (b"HEAD /callbacks/p?a=\xfe\xc5\x9f HTTP/1.0", b"HEAD /callbacks/p?a=%FE%C5%9F HTTP/1.0"),
        (b"POST /callbacks/p?a=A#B\tC HTTP/1.1", b"POST /callbacks/p?a=A%23B%09C HTTP/1.1"),
        (b"GET /callbacks/p?a=1%20 HTTP/1.1", b"GET /callbacks/p?a=1%20 HTTP/1.1"),
        (b"GET /callbacks/p?a=1  HTTP/1.1", b"GET /callbacks/p?a=1%20 HTTP/1.1"),
        (b"GET /callbacks/p?a= HTTP/1.0 HTTP/1.1", b"GET /callbacks/p?a=%20HTTP/1.0 HTTP/1.1"),
    ],
)
def test_what_a_callback_leaves_raw_in_its_line_is_encoded(line: bytes, expected: bytes) -> None:
    assert serving.encoded_line(line) == expected


@pytest.mark.parametrize(
    "line",
    [
        b"GET /orders?a=b c HTTP/1.1",
        b"GET /callbacks?a=b c HTTP/1.1",
        b"GET //callbacks/p?a=b c HTTP/1.1",
        b"GET  /callbacks/p?a=b c HTTP/1.1",
        b"GET http://x/callbacks/p?a=b c HTTP/1.1",
        b"PUT /callbacks/p?a=b c HTTP/1.1",
        b"get /callbacks/p?a=b c HTTP/1.1",
        b" GET /callbacks/p?a=b c HTTP/1.1",
        b"GET /callbacks/p?a=b c HTTP/1.1 x",
        b"GET /callbacks/p?a=b c HTTP/2.0",
        b"GET /callbacks/p?a=b c",
    ],
)
def test_any_other_line_stays_as_it_is(line: bytes) -> None:
    assert serving.encoded_line(line) == line


def test_control_characters_are_not_made_harmless() -> None:
    line = serving.encoded_line(b"GET /callbacks/p?a=b c\x00\r\n\x7f HTTP/1.1")
    assert line == b"GET /callbacks/p?a=b%20c\x00\r\n\x7f HTTP/1.1"


def test_a_process_with_many_connections_accepts_several_in_one_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "PAUSE_SECONDS", 0.2)
    monkeypatch.setattr(serving, "LONGEST_PAUSE_SECONDS", 0.2)
    monkeypatch.setattr(serving, "CONNECTIONS_PER_TURN", 1)
    shared = socket.socket()
    shared.bind(("127.0.0.1", 0))
    shared.listen()
    over = Event()
    listener = Listener(shared, handle=lambda *_: over.wait(), spawn=Pool(200))
    listener.max_accept = 1
    clients = [socket.create_connection(shared.getsockname()) for _ in range(60)]
    try:
        listener.start()
        assert _within_patience(lambda: len(listener.pool) == len(clients), 10), "one by one it takes 12 s"
    finally:
        over.set()
        for each in (*clients, listener):
            each.close()


# --- connections that end


@pytest.mark.parametrize(
    ("head", "closes"),
    [
        (b"Connection: close", True),
        (b"Connection: keep-alive, Close", True),
        (b"Connection: foo\r\nConnection: bar ,close", True),
        (b"Connection: keep-alive", False),
        (b"Connection: closed", False),
        (b"X: close", False),
    ],
)
def test_a_client_may_say_anywhere_in_a_list_that_it_ends(head: bytes, closes: bool) -> None:
    assert _request(b"GET / HTTP/1.1\r\nHost: x\r\n" + head + b"\r\n\r\n").should_close() is closes


@pytest.mark.parametrize(
    "coding", [b"identity, chunked", b"gzip, chunked", b"xchunked", b"chunked, chunked", b""]
)
def test_any_coding_but_chunked_is_refused_as_a_fault_of_the_client(coding: bytes) -> None:
    with pytest.raises(InvalidHeader):
        _request(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: " + coding + b"\r\n\r\n0\r\n\r\n")


def test_gunicorn_reads_requests_by_our_rules() -> None:
    ours, theirs = socket.socketpair()
    with closing(ours), closing(theirs):
        assert isinstance(
            get_parser(Config(), Client(ours, 95, Crowd(10)), ("127.0.0.1", 1)), serving.Requests
        )


def _request(data: bytes) -> serving.LenientRequest:
    ours, theirs = socket.socketpair()
    with closing(ours), closing(theirs):
        theirs.sendall(data)
        return next(serving.Requests(Config(), Client(ours, 95, Crowd(10)), ("127.0.0.1", 1)))


# --- files


@pytest.mark.parametrize(
    ("soft", "hard", "allowed", "raised_to"),
    [
        (1024, 4096, 1000, 1100),
        (1024, 1024, 924, None),
        (256, 1050, 950, 1050),
        (256, UNLIMITED, 1000, 1100),
        (4096, 4096, 1000, None),
        (UNLIMITED, UNLIMITED, 1000, None),
    ],
)
def test_a_process_takes_as_many_connections_as_it_may_open_files(
    monkeypatch: pytest.MonkeyPatch, soft: int, hard: int, allowed: int, raised_to: int | None
) -> None:
    raised: list[tuple[int, int]] = []
    monkeypatch.setattr(serving.resource, "getrlimit", lambda _: (soft, hard))
    monkeypatch.setattr(serving.resource, "setrlimit", lambda _, limits: raised.append(limits))
    assert serving.connections(1000) == allowed
    assert [each for each in raised if each != (soft, hard)] == ([(raised_to, hard)] if raised_to else [])


def test_the_kernel_keeps_little_of_a_connection() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        serving.bound_buffers([SimpleNamespace(sock=listening)])
        with socket.create_connection(listening.getsockname()):
            ours, _ = listening.accept()
            for buffer in (socket.SO_RCVBUF, socket.SO_SNDBUF):
                assert ours.getsockopt(socket.SOL_SOCKET, buffer) <= 2 * KERNEL_BYTES
            ours.close()


# --- addresses


class Socket:
    """A socket of a machine that has IPv6 on the loopback, or that has not."""

    def __init__(self, loopback: bool, v6only: int) -> None:
        self._loopback, self._v6only = loopback, v6only

    def __enter__(self) -> "Socket":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def getsockopt(self, *_: object) -> int:
        return self._v6only

    def bind(self, address: tuple[str, int]) -> None:
        if not self._loopback:
            raise OSError("Cannot assign requested address")


@pytest.mark.parametrize(
    ("loopback", "v6only", "expected"),
    [
        (True, 0, ["[::]:8000"]),
        (True, 1, ["0.0.0.0:8000", "[::]:8000"]),
        (False, 0, ["0.0.0.0:8000"]),
    ],
)
def test_ipv6_is_served_where_the_machine_has_it(
    monkeypatch: pytest.MonkeyPatch, loopback: bool, v6only: int, expected: list[str]
) -> None:
    monkeypatch.setattr(serving.socket, "socket", lambda family: Socket(loopback, v6only))
    assert serving.addresses(8000) == expected


def test_a_machine_without_ipv6_serves_ipv4(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(family: int) -> Any:
        raise OSError("Address family not supported by protocol")

    monkeypatch.setattr(serving.socket, "socket", refuse)
    assert serving.addresses(8000) == ["0.0.0.0:8000"]


# --- PostgreSQL


@pytest.fixture
def waiting() -> Iterator[None]:
    """psycopg2 waits as it does in a worker; a silence is a short one."""
    extensions.set_wait_callback(serving.wait_for_postgres)
    yield
    extensions.set_wait_callback(None)


def test_a_postgres_that_does_not_answer_a_connection_is_given_up(
    waiting: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "CONNECT_SECONDS", 0.2)
    silent = socket.socket()
    silent.bind(("127.0.0.1", 0))
    silent.listen()
    ticks, ticking = _ticking()

    with (
        silent,
        gevent.Timeout(PATIENCE_SECONDS),
        pytest.raises(psycopg2.OperationalError, match=r"for 0\.2 s"),
    ):
        psycopg2.connect(host="127.0.0.1", port=silent.getsockname()[1], user="x", dbname="x")

    ticking.kill()
    assert len(ticks) > 1, "no other greenlet ran meanwhile"


def test_a_postgres_that_falls_silent_within_a_statement_is_given_up(
    waiting: None, monkeypatch: pytest.MonkeyPatch, postgres_url: str
) -> None:
    monkeypatch.setattr(serving, "SILENCE_SECONDS", 0.5)
    with _Line(postgres_url) as line:
        connection = psycopg2.connect(line.url)
        cursor = connection.cursor()
        cursor.execute("SELECT pg_sleep(0.1), 1817")
        assert cursor.fetchone()[1] == 1817
        line.cut()

        with gevent.Timeout(PATIENCE_SECONDS), pytest.raises(psycopg2.OperationalError, match=r"for 0\.5 s"):
            cursor.execute("SELECT 1")

        assert connection.closed


def _ticking() -> tuple[list[int], "gevent.Greenlet[[], None]"]:
    """A greenlet that adds to the list whenever it may run."""
    ticks: list[int] = []

    def tick() -> None:
        while True:
            ticks.append(1)
            gevent.sleep(0.01)

    return ticks, gevent.spawn(tick)


class _Line:
    """A connection to PostgreSQL that can fall silent without being closed."""

    def __init__(self, postgres_url: str) -> None:
        self._target = urlsplit(postgres_url)
        self._server = StreamServer(("127.0.0.1", 0), self._serve)
        self._cut = False

    def __enter__(self) -> "_Line":
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.close()

    @property
    def url(self) -> str:
        user, _, _ = self._target.netloc.rpartition("@")
        return self._target._replace(netloc=f"{user}@127.0.0.1:{self._server.server_port}").geturl()

    def cut(self) -> None:
        """From now on nothing comes through."""
        self._cut = True

    def _serve(self, client: Any, address: Any) -> None:
        server = socket.create_connection((self._target.hostname, self._target.port))
        pumps = [gevent.spawn(self._pump, client, server), gevent.spawn(self._pump, server, client)]
        gevent.joinall(pumps)

    def _pump(self, source: Any, sink: Any) -> None:
        while data := source.recv(65536):
            if not self._cut:
                sink.sendall(data)
        with suppress(OSError):
            sink.shutdown(socket.SHUT_WR)


def test_a_web_that_is_started_without_its_configuration_says_so_and_ends(tmp_path: Path) -> None:
    given = {"DATABASE_URL": "postgres://127.0.0.1:9/nowhere", "REDIS_URL": "redis://127.0.0.1:9", **IN_CLEAR}
    env = {**os.environ, **given, "PORT": str(free_port()), "PYTHONPATH": str(ROOT)}
    command = [str(BIN / "gunicorn"), "--bind", f"127.0.0.1:{env['PORT']}", "gateway.app:app"]

    ended = subprocess.run(
        command, cwd=tmp_path, env=env, timeout=30, capture_output=True, text=True, check=False
    )

    assert ended.returncode != 0
    assert "gunicorn does not use the gateway's gunicorn.conf.py" in ended.stdout + ended.stderr


# --- the end of a process

#: Answers with the number of its process, and of the bytes that came.
COUNTING = """
import os

def app(environ, start_response):
    said = f"{os.getpid()} {len(environ['wsgi.input'].read())}".encode()
    start_response("200 OK", [("Content-Length", str(len(said)))])
    return [said]
"""
#: How often a process notices that it was told to end, in seconds, and a little more.
NOTICED_SECONDS = 1.1


def test_a_request_whose_head_lies_in_the_kernel_when_its_process_ends_is_answered(tmp_path: Path) -> None:
    """It is stopped meanwhile, so that it sees at once that it ends, and that a head has come."""
    (tmp_path / "counting.py").write_text(COUNTING)
    port = free_port()
    options = f"--bind 127.0.0.1:{port} --workers 1 --worker-class gateway.serving.Worker --keep-alive 95"
    server = subprocess.Popen(
        [str(BIN / "gunicorn"), *options.split(), "counting:app"], cwd=tmp_path, stderr=subprocess.DEVNULL
    )
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_SECONDS)
    try:
        wait_until(lambda: _answers(client), PATIENCE_SECONDS * 2)
        process = int(_said(client).split()[0])
        os.kill(process, signal.SIGSTOP)
        client.putrequest("POST", "/")
        client.putheader("Content-Length", "4")
        client.endheaders()
        os.kill(process, signal.SIGTERM)
        time.sleep(NOTICED_SECONDS)
        os.kill(process, signal.SIGCONT)
        assert not select.select([client.sock], [], [], NOTICED_SECONDS / 2)[0], (
            "it does not wait for the body"
        )
        client.send(b"1234")
        answer = client.getresponse()
        assert (answer.status, answer.getheader("Connection")) == (200, "close")
        assert answer.read() == f"{process} 4".encode()
    finally:
        client.close()
        server.terminate()
        server.wait(PATIENCE_SECONDS * 2)


def _said(client: http.client.HTTPConnection) -> bytes:
    client.request("GET", "/")
    return client.getresponse().read()


def _answers(client: http.client.HTTPConnection) -> bool:
    with suppress(OSError):
        return bool(_said(client))
    client.close()
    return False
