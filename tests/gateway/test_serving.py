"""A client's socket at the end of the process that serves it."""

from collections.abc import Callable, Iterator
from typing import Any

import gevent
import pytest
from gevent import socket
from gevent.event import Event
from gevent.pool import Pool

from gateway import serving
from gateway.serving import HELD_BYTES, Client, Listener

#: Seconds until a greenlet that should be done is given up.
PATIENCE_SECONDS = 5


@pytest.fixture
def ends() -> Iterator[tuple[Any, Client]]:
    """The client's end of a connection, and ours."""
    theirs, ours = socket.socketpair()
    yield theirs, Client(ours, keepalive_seconds=PATIENCE_SECONDS)
    theirs.close()
    ours.close()


def _reading(client: Client) -> "gevent.Greenlet[[], bytes]":
    """A greenlet that already waits in `recv`."""
    reading = gevent.spawn(client.recv, 100)
    gevent.sleep(0)
    return reading


def test_an_idle_client_has_nothing_more_to_say(ends: tuple[Any, Client]) -> None:
    _, client = ends
    reading = _reading(client)
    client.end_if_idle()
    assert reading.get(timeout=PATIENCE_SECONDS) == b""


def test_a_request_that_arrives_at_the_end_is_read(ends: tuple[Any, Client]) -> None:
    theirs, client = ends
    reading = _reading(client)
    theirs.sendall(b"POST /orders")
    client.end_if_idle()
    assert reading.get(timeout=PATIENCE_SECONDS) == b"POST /orders"


def test_a_client_within_a_request_goes_on(ends: tuple[Any, Client]) -> None:
    theirs, client = ends
    client.between_requests = False
    reading = _reading(client)
    client.end_if_idle()
    theirs.sendall(b"the rest")
    assert reading.get(timeout=PATIENCE_SECONDS) == b"the rest"
    client.next_request()
    client.end_if_idle()
    assert client.recv(100) == b""


def test_an_answer_goes_out_as_a_whole(ends: tuple[Any, Client]) -> None:
    theirs, client = ends
    client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    client.sendall(b"body")
    theirs.setblocking(False)
    with pytest.raises(BlockingIOError):
        theirs.recv(100)
    client.flush()
    assert theirs.recv(100) == b"HTTP/1.1 200 OK\r\n\r\nbody"


def test_a_large_answer_is_not_held(ends: tuple[Any, Client]) -> None:
    theirs, client = ends
    client.sendall(b"x" * (HELD_BYTES + 1))
    assert theirs.recv(100) == b"x" * 100


def test_what_is_held_goes_out_before_the_connection_ends(ends: tuple[Any, Client]) -> None:
    theirs, client = ends
    client.sendall(b"farewell")
    closing = gevent.spawn(client.close)
    assert theirs.recv(100) == b"farewell"
    theirs.close()
    closing.get(timeout=PATIENCE_SECONDS)


def test_who_has_a_connection_leaves_the_next_one_to_others(monkeypatch: pytest.MonkeyPatch) -> None:
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
    """Rounds of the loop, in which whoever may take a connection does."""
    for _ in range(20):
        gevent.sleep(0)


def _within_patience(condition: Callable[[], bool]) -> bool:
    with gevent.Timeout(PATIENCE_SECONDS, False):
        while not condition():
            gevent.sleep(0.01)
    return condition()


def test_who_waits_until_idle_lets_all_others_go_first() -> None:
    done = []

    def work(number: int) -> None:
        for _ in range(number):
            gevent.sleep(0)
        done.append(number)

    workers = [gevent.spawn(work, number) for number in range(5)]
    serving.until_idle()
    assert done == list(range(5))
    gevent.joinall(workers)


def test_nobody_waits_for_ever_until_the_process_is_idle() -> None:
    over = Event()

    def never_idle() -> None:
        while not over.is_set():
            gevent.sleep(0)

    busy = gevent.spawn(never_idle)
    with gevent.Timeout(PATIENCE_SECONDS):
        serving.until_idle()
    over.set()
    busy.join()
