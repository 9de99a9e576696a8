"""A client's socket at the end of the process that serves it, and a process with too many of them."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from typing import Any

import gevent
import pytest
from gevent import socket
from gevent.monkey import get_original
from gunicorn.config import Config
from gunicorn.http.unreader import SocketUnreader

from gateway import clients
from gateway.clients import HELD_BYTES, Client, Crowd
from gateway.serving import LenientRequest

#: Seconds until a greenlet that should be done is given up.
PATIENCE_SECONDS = 20.0
#: Seconds of silence allowed between two requests.
SILENCE_SECONDS = 95.0
#: Limits that a test waits for, in seconds.
SHORT_SECONDS = 0.2
CONFIG = Config()
HEAD = b"POST /orders HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n"


class Ends:
    """The client's end of a connection, and ours."""

    def __init__(self, crowd: Crowd, pair: tuple[Any, Any] | None = None) -> None:
        self.theirs, ours = pair or socket.socketpair()
        self.theirs.settimeout(PATIENCE_SECONDS)
        self.client = Client(ours, SILENCE_SECONDS, crowd)
        self._unreader = SocketUnreader(self.client)
        crowd.add(self.client)

    def close(self) -> None:
        """Both ends."""
        self.theirs.close()
        self.client.close()

    def read_head(self) -> LenientRequest:
        """As gunicorn does. Raises StopIteration if none comes in time."""
        return LenientRequest(CONFIG, self._unreader, ("127.0.0.1", 1))

    def answer(self) -> None:
        """A request is answered, and its client has taken that."""
        self.theirs.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        self.read_head()
        self.client.sendall(b"answer")
        self.client.flush()
        assert self.theirs.recv(100) == b"answer"

    def is_hung_up(self) -> bool:
        """Whether the next thing that the client sees is the end of the connection."""
        with suppress(ConnectionResetError):
            return bool(self.theirs.recv(100) == b"")
        return True

    def received(self) -> int:
        """Bytes until the end of the connection."""
        total = 0
        with suppress(ConnectionResetError):
            while data := self.theirs.recv(100_000):
                total += len(data)
        return total


@pytest.fixture
def ends() -> Iterator[Ends]:
    with closing(Ends(Crowd(10))) as made:
        yield made


@pytest.fixture
def quickly(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Shortens limits to SHORT_SECONDS."""

    def shorten(*names: str) -> None:
        for name in names:
            monkeypatch.setattr(clients, name, SHORT_SECONDS)

    return shorten


@contextmanager
def in_time(least_seconds: float = 0.0) -> Iterator[None]:
    """Something takes at least so long, and ends."""
    began = time.monotonic()
    with gevent.Timeout(PATIENCE_SECONDS):
        yield
    assert time.monotonic() - began >= least_seconds


def reading(client: Client) -> "gevent.Greenlet[[], bytes]":
    """A greenlet that already waits in `recv`."""
    begun = gevent.spawn(client.recv, 100)
    gevent.sleep(0)
    return begun


def dripping(end: Any, piece: bytes) -> "gevent.Greenlet[[], None]":
    """A client that never pauses for long."""

    def drip() -> None:
        with suppress(OSError):
            while True:
                end.sendall(piece)
                gevent.sleep(SHORT_SECONDS / 1000)

    return gevent.spawn(drip)


# --- the end of the process, and of other waits for a request


def end_of_the_process(ends: Ends) -> None:
    gevent.sleep(SHORT_SECONDS)
    ends.theirs.sendall(HEAD)
    ends.client.end_if_idle()


def too_many(ends: Ends) -> None:
    ends.theirs.sendall(HEAD)
    ends.client.let_go()


def end_of_silence(ends: Ends) -> None:
    """The head comes when the loop has already seen that the time is over, and that nothing is here."""
    gevent.spawn_later(SHORT_SECONDS / 2, ends.theirs.sendall, HEAD)
    gevent.sleep(0)
    get_original("time", "sleep")(SHORT_SECONDS)
    gevent.sleep(0.01)


@pytest.mark.parametrize("end", [end_of_the_process, too_many, end_of_silence])
@pytest.mark.parametrize("is_known", [True, False], ids=["known", "new"])
def test_a_request_whose_head_has_just_come_is_read_in_full(
    quickly: Callable[..., None], end: Callable[[Ends], None], is_known: bool
) -> None:
    """Many clients send head and body one after the other. What is cut would be answered as their own fault."""
    quickly("QUIET_SECONDS")
    if end is end_of_silence:
        quickly("HEAD_SECONDS")
    with closing(Ends(Crowd(10))) as ends:
        if is_known:
            ends.client._keepalive_seconds = SHORT_SECONDS if end is end_of_silence else SILENCE_SECONDS
            ends.answer()
        request = gevent.spawn(ends.read_head)
        gevent.sleep(0)
        end(ends)
        body = gevent.spawn(request.get(timeout=PATIENCE_SECONDS).body.read)
        gevent.sleep(0)
        ends.theirs.sendall(b"1234")
        assert body.get(timeout=PATIENCE_SECONDS) == b"1234"


def test_a_client_that_is_let_go_within_a_body_has_run_out_of_time(ends: Ends) -> None:
    """So that it is told to try again, and not that it sent half a body."""
    ends.theirs.sendall(HEAD + b"12")
    body = gevent.spawn(ends.read_head().body.read)
    gevent.sleep(0)
    ends.client.let_go()
    with pytest.raises(TimeoutError):
        body.get(timeout=PATIENCE_SECONDS)


def test_a_body_that_comes_as_its_client_is_let_go_is_read(ends: Ends) -> None:
    ends.theirs.sendall(HEAD + b"12")
    body = gevent.spawn(ends.read_head().body.read)
    gevent.sleep(0)
    ends.theirs.sendall(b"34")
    ends.client.let_go()
    assert body.get(timeout=PATIENCE_SECONDS) == b"1234"


@pytest.mark.parametrize("is_known", [True, False], ids=["known", "new"])
def test_a_client_that_stays_silent_has_nothing_more_to_say(
    ends: Ends, quickly: Callable[..., None], is_known: bool
) -> None:
    """Not at once: its request may be on its way."""
    quickly("QUIET_SECONDS")
    if is_known:
        ends.answer()
    request = gevent.spawn(ends.read_head)
    gevent.sleep(0)
    ends.client.end_if_idle()
    gevent.sleep(SHORT_SECONDS)
    assert not request.ready()
    ends.client.end_if_idle()
    with pytest.raises(StopIteration):
        request.get(timeout=PATIENCE_SECONDS)


def test_a_client_within_a_request_goes_on(ends: Ends, quickly: Callable[..., None]) -> None:
    quickly("QUIET_SECONDS")
    ends.theirs.sendall(HEAD[:10])
    request = gevent.spawn(ends.read_head)
    gevent.sleep(SHORT_SECONDS)
    ends.client.end_if_idle()
    ends.theirs.sendall(HEAD[10:])
    assert request.get(timeout=PATIENCE_SECONDS).path == "/orders"


# --- answers


def test_an_answer_goes_out_as_a_whole(ends: Ends) -> None:
    ends.client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    ends.client.sendall(b"body")
    ends.theirs.setblocking(False)
    with pytest.raises(BlockingIOError):
        ends.theirs.recv(100)
    ends.client.flush()
    assert ends.theirs.recv(100) == b"HTTP/1.1 200 OK\r\n\r\nbody"


def test_a_large_answer_is_not_held(ends: Ends) -> None:
    ends.client.sendall(b"x" * (HELD_BYTES + 1))
    assert ends.theirs.recv(100) == b"x" * 100


def test_permission_to_send_the_body_goes_out_at_once(ends: Ends) -> None:
    ends.client.send(b"HTTP/1.1 100 Continue\r\n\r\n")
    assert ends.theirs.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"


def test_what_is_held_goes_out_before_the_connection_ends(ends: Ends) -> None:
    ends.client.sendall(b"farewell")
    closing = gevent.spawn(ends.client.close)
    assert ends.theirs.recv(100) == b"farewell"
    ends.theirs.close()
    closing.get(timeout=PATIENCE_SECONDS)


def test_a_client_that_goes_on_sending_after_its_last_answer_is_left(
    ends: Ends, quickly: Callable[..., None]
) -> None:
    quickly("FAREWELL_SECONDS")
    ends.client.sendall(b"farewell")
    dripping(ends.theirs, b"x")
    with in_time(SHORT_SECONDS):
        ends.client.close()


def test_a_client_that_was_not_just_answered_is_left_at_once(
    ends: Ends, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clients, "FAREWELL_SECONDS", 2 * PATIENCE_SECONDS)
    with in_time():
        ends.client.close()


def test_a_client_that_does_not_take_its_answer_is_left(
    ends: Ends, quickly: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    quickly("ANSWER_SECONDS")
    monkeypatch.setattr(clients, "FAREWELL_SECONDS", 2 * PATIENCE_SECONDS)
    with in_time(SHORT_SECONDS), pytest.raises(ConnectionResetError):
        ends.client.sendall(b"x" * 10_000_000)
    with in_time():
        ends.client.close()


def test_a_client_that_takes_its_answer_slowly_is_left_too(ends: Ends, quickly: Callable[..., None]) -> None:
    quickly("ANSWER_SECONDS")

    def take() -> None:
        with suppress(OSError):
            while ends.theirs.recv(1000):
                gevent.sleep(SHORT_SECONDS / 100)

    gevent.spawn(take)
    with in_time(SHORT_SECONDS), pytest.raises(ConnectionResetError):
        ends.client.sendall(b"x" * 10_000_000)


def test_what_a_client_does_not_take_is_discarded(quickly: Callable[..., None]) -> None:
    """Closing a TCP socket leaves what it holds to the kernel, which would offer it to the client for minutes."""
    quickly("ANSWER_SECONDS")
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        theirs = socket.create_connection(listening.getsockname())
        ours, _ = listening.accept()
    client = Client(ours, SILENCE_SECONDS, Crowd(10, most_bytes=10**9))
    with pytest.raises(ConnectionResetError):
        client.sendall(b"x" * 100_000_000)
    client.close()
    with closing(theirs), in_time(), pytest.raises(ConnectionResetError):
        while theirs.recv(100_000):
            pass


# --- requests


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nHost"], ids=["nothing", "half a head"])
def test_the_head_must_come_in_time(quickly: Callable[..., None], sent: bytes) -> None:
    quickly("HEAD_SECONDS")
    with closing(Ends(Crowd(10))) as ends:
        ends.theirs.sendall(sent)
        with in_time(SHORT_SECONDS * 0.9), pytest.raises(StopIteration):
            ends.read_head()


def test_a_head_that_never_ends_is_left_however_steadily_it_comes(
    ends: Ends, quickly: Callable[..., None]
) -> None:
    ends.answer()
    quickly("HEAD_SECONDS")
    dripping(ends.theirs, b"GET / HTTP/1.1\r\nA: ")
    with in_time(SHORT_SECONDS * 0.9), pytest.raises(StopIteration):
        ends.read_head()


def test_half_a_head_behind_a_whole_request_must_be_completed_in_time(
    ends: Ends, quickly: Callable[..., None]
) -> None:
    ends.theirs.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\nGET / HT")
    ends.read_head()
    quickly("HEAD_SECONDS")
    with in_time(SHORT_SECONDS * 0.9), pytest.raises(StopIteration):
        ends.read_head()


def test_between_two_requests_a_client_may_be_silent_for_longer(
    ends: Ends, quickly: Callable[..., None]
) -> None:
    quickly("HEAD_SECONDS", "REQUEST_SECONDS")
    ends.answer()
    waiting = gevent.spawn(ends.read_head)
    gevent.sleep(SHORT_SECONDS * 2)
    ends.theirs.sendall(HEAD)
    assert waiting.get(timeout=PATIENCE_SECONDS).path == "/orders"


def test_the_body_must_come_in_time_however_steadily(ends: Ends, quickly: Callable[..., None]) -> None:
    quickly("REQUEST_SECONDS")
    ends.theirs.sendall(HEAD.replace(b" 4", b" 4000"))
    dripping(ends.theirs, b"x")
    with in_time(SHORT_SECONDS * 0.9), pytest.raises(TimeoutError):
        ends.read_head().body.read()


def test_the_body_may_take_longer_than_the_head(ends: Ends, quickly: Callable[..., None]) -> None:
    quickly("HEAD_SECONDS")
    ends.theirs.sendall(HEAD + b"1")
    body = gevent.spawn(ends.read_head().body.read)
    gevent.sleep(SHORT_SECONDS * 2)
    ends.theirs.sendall(b"234")
    assert body.get(timeout=PATIENCE_SECONDS) == b"1234"


def test_after_a_body_that_did_not_come_the_connection_ends(ends: Ends, quickly: Callable[..., None]) -> None:
    quickly("REQUEST_SECONDS")
    ends.theirs.sendall(HEAD + b"1")
    request = ends.read_head()
    assert not request.should_close()
    with pytest.raises(TimeoutError):
        request.body.read()
    assert request.should_close()


def turns(count: int) -> "gevent.Greenlet[[], None]":
    """Another greenlet that has so much to do."""

    def take_turns() -> None:
        for _ in range(count):
            gevent.sleep(0)

    return gevent.spawn(take_turns)


def test_a_client_that_does_not_wait_for_answers_leaves_room_for_others(
    ends: Ends, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clients, "COURTESY_SECONDS", PATIENCE_SECONDS)
    ends.theirs.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 2)
    ends.read_head()
    other = turns(100)
    ends.read_head()
    assert other.ready()


def test_it_is_served_in_the_end(ends: Ends) -> None:
    ends.theirs.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 2)
    ends.read_head()
    other = turns(10**9)
    with in_time():
        ends.read_head()
    other.kill()


def test_a_client_whose_packets_never_pause_leaves_room_for_others(ends: Ends) -> None:
    ends.theirs.sendall(b"x" * 1000)
    other = turns(100)
    for _ in range(1000):
        assert ends.client.recv(1) == b"x"
    assert other.ready()


def test_a_head_is_not_read_without_end(ends: Ends) -> None:
    sent = gevent.spawn(ends.theirs.sendall, b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 40_000)
    with in_time(), pytest.raises(Exception, match="max buffer headers"):
        ends.read_head()
    sent.kill()


def test_what_comes_behind_half_a_body_is_never_read() -> None:
    """The wait for it was ended, but TCP goes on receiving: the rest would be taken for the next request."""
    with closing(Ends(Crowd(10), _over_tcp())) as ends:
        ends.theirs.sendall(HEAD)
        ends.read_head()
        waiting = reading(ends.client)
        ends.client.let_go()
        with pytest.raises(TimeoutError):
            waiting.get(timeout=PATIENCE_SECONDS)
        ends.theirs.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        gevent.sleep(SHORT_SECONDS)
        with pytest.raises(StopIteration):
            ends.read_head()


def _over_tcp() -> tuple[Any, Any]:
    with closing(socket.socket()) as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        theirs = socket.create_connection(listening.getsockname())
        return theirs, listening.accept()[0]


def test_a_body_is_not_read_without_end_and_what_is_left_is_never_read(ends: Ends) -> None:
    size = 3 * clients.MAX_REQUEST_BYTES
    head = f"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\n\r\n".encode()
    rest = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * (size // 20)
    sent = gevent.spawn(ends.theirs.sendall, head + rest)
    with in_time():
        request = ends.read_head()
        assert request.should_close(), "its client is told"
        read = len(request.body.read(size))
        assert clients.MAX_REQUEST_BYTES < read < 2 * clients.MAX_REQUEST_BYTES
        with pytest.raises(StopIteration):
            ends.read_head()
    sent.kill()


# --- too many


class Served(Ends):
    """A connection whose requests are answered, as a worker does."""

    def __init__(self, crowd: Crowd) -> None:
        super().__init__(crowd)
        self._crowd = crowd
        gevent.spawn(self._serve)
        gevent.sleep(0.01)

    def _serve(self) -> None:
        with suppress(StopIteration, TimeoutError, OSError):
            while True:
                body = self.read_head().body.read()
                self.client.sendall(b"answer" * max(1, len(body) * 1000 * (body[:1] == b"L")))
                self.client.flush()
        self.client.close()
        self._crowd.remove(self.client)

    def ask(self, body: bytes = b"1234") -> None:
        """Say a request."""
        self.theirs.sendall(HEAD + body)

    def is_answered(self) -> bool:
        """Whether the next thing that the client sees is an answer."""
        return bool(self.theirs.recv(6) == b"answer")

    def close(self) -> None:
        """Leave."""
        self.theirs.close()
        gevent.sleep(0.01)


@contextmanager
def connected(crowd: Crowd, count: int, *, are_known: bool = True) -> Iterator[list[Served]]:
    """So many clients, the first one idle for longest; each was answered once if `are_known`."""
    with ExitStack() as stack:
        made = []
        for _ in range(count):
            made.append(stack.enter_context(closing(Served(crowd))))
            if are_known:
                made[-1].ask()
                assert made[-1].is_answered()
        yield made


@contextmanager
def sending_ahead(crowd: Crowd) -> Iterator[Served]:
    """A client that has sent a second request with its first, which is answered."""
    with closing(Served(crowd)) as client:
        client.theirs.sendall((HEAD + b"1234") * 2)
        assert client.is_answered()
        yield client


def test_of_many_clients_that_do_not_wait_for_answers_one_at_a_time_goes_on() -> None:
    """Else a turn of the loop serves all of them, and a request that takes several turns waits for that each time."""
    crowd = Crowd(10)
    crowd.turn.acquire()
    with sending_ahead(crowd) as first, sending_ahead(crowd) as second:
        for each in (first, second):
            each.theirs.settimeout(SHORT_SECONDS)
            with pytest.raises(TimeoutError):
                each.is_answered()
            each.theirs.settimeout(PATIENCE_SECONDS)
        crowd.turn.release()
        assert first.is_answered()
        assert second.is_answered()


def test_a_client_that_waits_for_its_turn_makes_room_for_others() -> None:
    crowd = Crowd(2)
    crowd.turn.acquire()
    with sending_ahead(crowd) as first, sending_ahead(crowd) as second, connected(crowd, 1) as [other]:
        assert first.is_hung_up()
        other.ask()
        assert other.is_answered()
        crowd.turn.release()
        assert second.is_answered()
    assert crowd.let_go == 1


def test_a_turn_is_waited_for_so_long(quickly: Callable[..., None]) -> None:
    quickly("TURN_SECONDS")
    crowd = Crowd(10)
    crowd.turn.acquire()
    with sending_ahead(crowd) as client, in_time():
        assert client.is_hung_up()


def test_of_too_many_idle_clients_the_longest_idle_one_is_let_go() -> None:
    """A new one makes room by coming, before it has said anything."""
    crowd = Crowd(3)
    with connected(crowd, 3) as (first, second, third):
        first.ask()
        assert first.is_answered()
        with connected(crowd, 1, are_known=False):
            assert second.is_hung_up()
            first.ask()
            assert first.is_answered()
            third.ask()
            assert third.is_answered()
    assert crowd.let_go == 1


def test_a_client_that_has_gone_on_since_it_was_found_is_not_let_go() -> None:
    """The slowest are looked for some at a time, not for each new client."""
    crowd = Crowd(3)
    with connected(crowd, 3) as (first, second, third), connected(crowd, 1):
        assert first.is_hung_up()
        second.ask()
        assert second.is_answered()
        with connected(crowd, 1):
            assert third.is_hung_up()
            second.ask()
            assert second.is_answered()


def test_a_client_that_has_said_nothing_goes_before_one_that_was_answered() -> None:
    crowd = Crowd(2)
    with connected(crowd, 1) as [known], connected(crowd, 1, are_known=False) as [silent]:
        gevent.sleep(SHORT_SECONDS)
        with connected(crowd, 1):
            assert silent.is_hung_up()
            known.ask()
            assert known.is_answered()


def test_a_client_that_the_process_works_for_stays() -> None:
    crowd = Crowd(1)
    with closing(Ends(crowd)) as worked_for:
        worked_for.theirs.sendall(HEAD + b"1234")
        worked_for.read_head()
        with connected(crowd, 1) as [other]:
            crowd.make_room()
            assert other.is_hung_up()
        worked_for.client.send(b"answer")
        assert worked_for.theirs.recv(100) == b"answer"


def test_a_new_client_is_not_let_go_before_it_has_said_anything() -> None:
    crowd = Crowd(1)
    with closing(Ends(crowd)) as worked_for:
        worked_for.theirs.sendall(HEAD + b"1234")
        worked_for.read_head()
        with connected(crowd, 1, are_known=False) as [new]:
            new.ask()
            assert new.is_answered()


def test_where_there_are_too_many_a_client_that_was_answered_lets_another_go() -> None:
    """More may have come while the process worked for all of them, so that there was nobody to let go."""
    crowd = Crowd(10)
    with connected(crowd, 2) as (first, second):
        crowd._most_clients = 1
        first.ask()
        assert first.is_answered()
        assert second.is_hung_up()


def test_a_client_whose_request_comes_as_it_is_let_go_is_answered_and_goes_later() -> None:
    crowd = Crowd(1)
    with connected(crowd, 1) as [first]:
        first.ask()
        late = Ends(crowd)  # in the same turn, before the request is read
        assert first.is_answered()
        crowd.make_room()
        assert first.is_hung_up()
        late.close()


def test_clients_that_make_a_process_keep_much_of_their_requests_are_let_go() -> None:
    crowd = Crowd(10, most_bytes=3000)
    with connected(crowd, 3) as (idle, first, second):
        for each in (first, second):
            each.theirs.sendall(HEAD.replace(b" 4", b" 4000") + b"1" * 2000)
            gevent.sleep(0.01)
        assert first.received() == 0, "half a body is not answered as a whole one"
        second.theirs.sendall(b"1" * 2000)
        assert second.is_answered()
        idle.ask()
        assert idle.is_answered()
    assert (crowd.let_go, crowd.kept_bytes) == (1, 0)


def test_clients_that_make_a_process_keep_much_of_its_answers_are_let_go() -> None:
    crowd = Crowd(10, most_bytes=30_000)
    with connected(crowd, 2) as (first, second):
        for each in (first, second):
            each.client._sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
            each.ask(b"Long")
            gevent.sleep(0.01)
        assert first.received() < 24_000
        assert second.theirs.recv(6) == b"answer"
    assert (crowd.let_go, crowd.kept_bytes) == (1, 0)
