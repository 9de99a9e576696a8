"""The clients of a web process: how long each may keep it waiting, and which are let go when there are too many.

gunicorn has no such limits (gunicorn #2086). Like `gateway.serving`, this imports nothing else of the gateway.
"""

import errno
import heapq
import select
import socket
import struct
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any

import gevent
from gevent.lock import BoundedSemaphore
from gevent.monkey import get_original
from gevent.socket import wait

#: Seconds for the head of a new connection's first request, and of a later request from its first byte on.
HEAD_SECONDS = 10.0
#: Seconds for the whole request, from the same moment on.
REQUEST_SECONDS = 30.0
#: Seconds for a client to take an answer.
ANSWER_SECONDS = 30.0
#: Seconds for a client to take its last answer and to stop sending.
FAREWELL_SECONDS = 2.0
#: Seconds of silence after which a client is left at the end of the process; until then a request may be on its way.
QUIET_SECONDS = 1.0
#: Largest request, head and body, that is read at all, in bytes; the application allows less.
MAX_REQUEST_BYTES = 256 * 1024
#: Largest part of an answer that is buffered, in bytes, so that head and body go out in one packet.
HELD_BYTES = 64 * 1024
#: Most bytes that the clients may make a process keep: of requests not yet complete, and of answers not yet taken.
MAX_KEPT_BYTES = 32 * 1024 * 1024
#: How many of the slowest clients one look at all of them finds.
FOUND_AT_ONCE = 20
#: How often a client is read from, as long as something is here, before others have their turn.
MAX_READS_AT_ONCE = 10
#: Longest wait for others, in seconds, of a request that was sent before the one in front of it was answered: once its
#: turn has come, and until then.
COURTESY_SECONDS, TURN_SECONDS = 0.05, 10.0
#: SO_LINGER: closing discards what was not sent.
DISCARD = struct.pack("ii", 1, 0)
#: What a socket is polled for; systems other than Linux tell only of a connection that is closed wholly.
HANGS_UP = getattr(select, "POLLRDHUP", 0)


def hung_up(clients: Mapping[int, "Client"]) -> list[int]:
    """Which of them, by their numbers, have closed their connection or their half of it; one system call for all."""
    poll = get_original("select", "poll")()  # that of gevent has the event loop run
    numbers: dict[int, int] = {}
    for number, client in clients.items():
        if (file := client._sock.fileno()) >= 0:
            numbers[file] = number
            poll.register(file, HANGS_UP)
    still_here = set(numbers.values()) - {numbers[file] for file, _ in poll.poll(0)}
    return [number for number in clients if number not in still_here]


class Client:
    """A client's socket. The process waits for it no longer than allowed; answers are buffered."""

    def __init__(self, sock: Any, keepalive_seconds: float, crowd: "Crowd") -> None:
        self._sock = sock
        self._keepalive_seconds = keepalive_seconds
        self._crowd = crowd
        self._received = 0
        self._held = b""
        self._answered_at = float("-inf")
        # When the time of the present request began, or that of the silence before it, and the seconds allowed.
        self._since, self._seconds = time.monotonic(), HEAD_SECONDS
        #: Whether a part of the present request has come.
        self.has_begun = False
        #: What the process waits for now; None while it works. Since when it waits, and the seconds allowed.
        self.awaited: Any = None
        self.awaited_since, self.awaited_seconds = self._since, self._seconds
        #: Bytes that the process keeps while it waits.
        self.kept_bytes = 0
        self.is_leaving = False
        #: The greenlet that waits for it.
        self._waiting: Any = None
        self._has_ended = False
        self._reads_at_once = 0

    def next_request(self, *, has_begun: bool) -> None:
        """Begin to wait for a request, of which a part may be here already; see `_let_others_run`."""
        if has_begun:
            self._let_others_run()  # since clients that do not wait for their answers would leave no room for them
            self._since, self._seconds = time.monotonic(), HEAD_SECONDS
        elif self.has_begun:  # not so on a new connection, whose time is running
            self._since, self._seconds = time.monotonic(), self._keepalive_seconds
            self._crowd.make_room()
        self.has_begun = has_begun
        self._received = 0

    def _let_others_run(self) -> None:
        """Wait for its turn, and then until nothing else is to be done, for COURTESY_SECONDS at most.

        Of all clients that do not wait for their answers one at a time goes on. Raises TimeoutError if its turn does
        not come within TURN_SECONDS, or it is let go before.
        """
        self.awaited, self.awaited_since, self.awaited_seconds = (
            self._crowd.turn,
            time.monotonic(),
            TURN_SECONDS,
        )
        self._waiting = gevent.getcurrent()
        try:
            with gevent.Timeout(TURN_SECONDS, TimeoutError):
                self._crowd.turn.acquire()
        finally:
            self.awaited = None
        try:
            with gevent.Timeout(COURTESY_SECONDS, False):
                gevent.idle()
        finally:
            self._crowd.turn.release()

    def head_is_complete(self) -> None:
        """Begin to wait for the rest of the request."""
        self._seconds = REQUEST_SECONDS

    def recv(self, size: int) -> bytes:
        """Raises TimeoutError if the time of the request, or of the silence before it, is over and nothing is here.

        After that, and behind a request that is too large, it returns nothing: what comes behind half a body must not
        be taken for a request.
        """
        self._has_ended |= self._received > MAX_REQUEST_BYTES
        data = b"" if self._has_ended else self._receive_what_is_here(size)
        if data and not self.has_begun:
            self.has_begun = True
            if self.is_leaving:  # but its request has come
                self.is_leaving = False
                self._crowd.leaving -= 1
            if self._seconds == self._keepalive_seconds:
                self._since, self._seconds = time.monotonic(), HEAD_SECONDS
        self._received += len(data)
        return data

    def _receive_what_is_here(self, size: int) -> bytes:
        """Also when the time is over: of a request that has come, nothing must be cut off."""
        try:
            return self._receive(size, self._since, self._seconds)
        except TimeoutError:
            try:
                return bytes(self._sock._sock.recv(size))
            except BlockingIOError:
                self._has_ended = True
                raise TimeoutError from None

    def _receive(self, size: int, since: float, seconds: float) -> bytes:
        """Raises TimeoutError `seconds` after `since`, or when it is let go.

        Now and then waits even if something is here, so that a client that never pauses leaves room for others.
        """
        while True:
            if self._reads_at_once == MAX_READS_AT_ONCE:
                self._reads_at_once = 0
                seconds = 0 if self.is_leaving else seconds
                self._wait(self._sock._read_event, since, seconds, self._received)
            try:
                data = bytes(self._sock._sock.recv(size))
            except BlockingIOError:
                self._reads_at_once = MAX_READS_AT_ONCE
            else:
                self._reads_at_once += 1
                return data

    def send(self, data: bytes) -> int:
        """Send at once, as gunicorn does for a client that waits with its body (`Expect: 100-continue`)."""
        self.sendall(data)
        self.flush()
        return len(data)

    def sendall(self, data: bytes) -> None:
        """Buffer it until `flush`, unless it is too much."""
        self._held += data
        if len(self._held) > HELD_BYTES:
            self.flush()

    def flush(self) -> None:
        """Send the buffer. Raises ConnectionResetError, and discards the rest, if it is not taken in time."""
        if not self._held:
            return
        rest, self._held = memoryview(self._held), b""
        self._answered_at = time.monotonic()
        while rest:
            try:
                rest = rest[self._sock._sock.send(rest) :]
            except BlockingIOError:
                self._wait_until_taken(self._answered_at, len(rest))

    def _wait_until_taken(self, since: float, unsent_bytes: int) -> None:
        try:
            self._wait(self._sock._write_event, since, ANSWER_SECONDS, unsent_bytes)
        except TimeoutError:
            self._discard()
            raise ConnectionResetError(errno.ECONNRESET, "the client does not take its answer") from None

    def _wait(self, event: Any, since: float, seconds: float, kept_bytes: int) -> None:
        """Raises TimeoutError `seconds` after `since`."""
        left_seconds = since + seconds - time.monotonic()
        if left_seconds <= 0:
            raise TimeoutError
        self.awaited, self.awaited_since, self.awaited_seconds = event, since, seconds
        self.kept_bytes = kept_bytes
        self._waiting = gevent.getcurrent()
        if kept_bytes:
            self._crowd.keep(kept_bytes)
        try:
            wait(event, left_seconds)
        finally:
            self._crowd.kept_bytes -= self.kept_bytes
            self.awaited, self.kept_bytes = None, 0

    def is_awaited(self) -> bool:
        """Whether the process waits for this client, and has not let it go."""
        return self.awaited is not None and not self.is_leaving

    def share_used(self, now: float) -> float:
        """How much of its time the awaited client has used, 0 to 1."""
        return (now - self.awaited_since) / self.awaited_seconds

    def end_if_idle(self) -> None:
        """Let it go if it has been silent for QUIET_SECONDS."""
        if not (self.has_begun or self.is_leaving) and time.monotonic() - self._since >= QUIET_SECONDS:
            self.let_go()

    def let_go(self) -> None:
        """End the wait for this client. Of a request, what is here already is read; one that has just begun goes on."""
        self.is_leaving = True
        self._crowd.leaving += 1
        self._crowd.kept_bytes -= self.kept_bytes
        self.kept_bytes = 0
        if self.awaited is self._sock._write_event:
            self._discard()
            with suppress(OSError):
                self._sock._sock.shutdown(socket.SHUT_RDWR)
        elif self.awaited is not None:
            gevent.get_hub().loop.run_callback(self._end_wait, self.awaited_since)

    def _end_wait(self, since: float) -> None:
        """Called by the event loop: the wait that began then ends with a TimeoutError, unless it is over."""
        if self.is_leaving and self.awaited is not None and self.awaited_since == since:
            self._waiting.throw(TimeoutError)

    def _discard(self) -> None:
        """Close without a farewell, and without leaving the answer to the kernel, which would go on for minutes."""
        self._answered_at = float("-inf")
        with suppress(OSError):
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, DISCARD)

    def close(self) -> None:
        """Close; both directions in turn if the client was just answered.

        A socket that is closed with unread bytes can destroy the last answer.
        """
        with suppress(OSError):
            self.flush()
            if time.monotonic() - self._answered_at < FAREWELL_SECONDS:
                self._sock._sock.shutdown(socket.SHUT_WR)
                self._received, began = 0, time.monotonic()
                while self._receive(MAX_REQUEST_BYTES, began, FAREWELL_SECONDS):
                    pass
        self._sock.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)


class Crowd:
    """All clients of a process. If they are too many, or make it keep too much, the slowest is let go.

    The slowest has used the largest share of its time; of idle clients it is the longest idle.
    """

    def __init__(self, most_clients: int, most_bytes: int = MAX_KEPT_BYTES) -> None:
        self._most_clients, self._most_bytes = most_clients, most_bytes
        self._clients: set[Client] = set()
        self._found: Iterator[Client] = iter(())
        #: How many of them were let go, and are still here.
        self.leaving = 0
        #: Held by the client whose turn it is, of those that send requests without waiting for their answers.
        self.turn = BoundedSemaphore()
        #: Bytes that the clients make the process keep.
        self.kept_bytes = 0
        #: Clients that were let go so far.
        self.let_go = 0

    def __iter__(self) -> Iterator[Client]:
        return iter(self._clients.copy())

    def add(self, client: Client) -> None:
        """Take one more, and let another go if need be."""
        self._clients.add(client)
        self.make_room()

    def remove(self, client: Client) -> None:
        """Forget a client that has gone."""
        self._clients.remove(client)
        self.leaving -= client.is_leaving

    def make_room(self) -> None:
        """Let clients go until the others are few enough. Those that the process works for stay."""
        while len(self._clients) - self.leaving > self._most_clients and (slowest := self._find_slowest()):
            self._let_go(slowest)

    def keep(self, size: int) -> None:
        """Keep so many bytes more for an awaited client, and let clients go if that is too much."""
        self.kept_bytes += size
        while self.kept_bytes > self._most_bytes and (
            slowest := next(self._look(one for one in self._clients if one.kept_bytes), None)
        ):
            self._let_go(slowest)

    def _find_slowest(self) -> Client | None:
        """Looks at all clients only when those that it found before are used up."""
        if (found := next(self._found, None)) is None:
            self._found = self._look(self._clients)
            found = next(self._found, None)
        return found

    def _look(self, clients: Iterable[Client]) -> Iterator[Client]:
        """Some of the slowest, the slowest first. When its turn comes, one that has gone on meanwhile is left out."""
        now = time.monotonic()
        slowest = heapq.nlargest(
            FOUND_AT_ONCE, (one for one in clients if one.is_awaited()), key=lambda one: one.share_used(now)
        )
        found = [(one, one.awaited_since) for one in slowest]
        return (one for one, since in found if one.is_awaited() and one.awaited_since == since)

    def _let_go(self, client: Client) -> None:
        client.let_go()
        self.let_go += 1
