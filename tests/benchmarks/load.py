"""A load generator that costs little: prepared requests over kept-alive connections, one thread, no client library."""

import selectors
import socket
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

#: Seconds without any answer after which a run is given up.
SILENCE_SECONDS = 30


@dataclass
class Answers:
    """What came back."""

    #: In seconds. Of a fixed rate they begin when the request was due, not when a connection was free for it.
    latencies: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    #: Connections that ended in place of an answer.
    broken: int = 0
    seconds: float = 0.0

    @property
    def rate(self) -> float:
        """Answers a second."""
        return self.statuses.total() / self.seconds if self.seconds else 0.0

    def percentile(self, share: float) -> float:
        """The latency in seconds that `share` (0 to 1) of the answers kept to."""
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


def request(url: str, body: bytes, headers: dict[str, str], method: str = "POST") -> bytes:
    """A whole HTTP/1.1 request, ready to be sent."""
    parts = urlsplit(url)
    lines = [f"{method} {parts.path} HTTP/1.1", f"Host: {parts.netloc}", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


class _Connection:
    def __init__(self, port: int) -> None:
        self.sock = socket.create_connection(("127.0.0.1", port))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._since = 0.0
        self._received = b""
        self.is_awaited = False

    def send(self, data: bytes, since: float) -> None:
        self._since, self._received, self.is_awaited = since, b"", True
        self.sock.sendall(data)

    def receive(self, answers: Answers) -> tuple[bool, bool]:
        """Whether the answer is whole, and whether the connection can be used again."""
        data = self.sock.recv(65536)
        if not data:
            answers.broken += 1
            return True, False
        self._received += data
        head, found, body = self._received.partition(b"\r\n\r\n")
        if not found or len(body) < _length(head):
            return False, True
        answers.statuses[int(head[9:12])] += 1
        answers.latencies.append(time.perf_counter() - self._since)
        return True, b"connection: close" not in head.lower()


def _length(head: bytes) -> int:
    _, _, rest = head.lower().partition(b"content-length:")
    return int(rest.partition(b"\r\n")[0]) if rest else 0


class Load:
    """Sends requests to one server over a number of connections, which stay for every run."""

    def __init__(self, port: int, connections: int) -> None:
        self._port = port
        self._selector = selectors.DefaultSelector()
        self._idle = [self._connect() for _ in range(connections)]

    def close(self) -> None:
        """Close every connection."""
        for key in list(self._selector.get_map().values()):
            key.fileobj.close()  # type: ignore[union-attr]
        self._selector.close()

    def closed_loop(self, requests: Sequence[bytes]) -> Answers:
        """Send all of them as fast as they are answered, one at a time on each connection."""
        return self._run((None, one) for one in requests)

    def open_loop(self, requests: Sequence[bytes], per_second: float) -> Answers:
        """Send them at a fixed rate, whatever the answers do."""
        begin = time.perf_counter()
        return self._run((begin + number / per_second, one) for number, one in enumerate(requests))

    def _run(self, planned: Iterable[tuple[float | None, bytes]]) -> Answers:
        answers, plan = Answers(), iter(planned)
        began = last = time.perf_counter()
        upcoming, under_way = next(plan, None), 0
        while upcoming or under_way:
            now = time.perf_counter()
            while upcoming and self._idle and (upcoming[0] or now) <= now:
                self._idle.pop().send(upcoming[1], upcoming[0] or now)
                under_way, upcoming = under_way + 1, next(plan, None)
            due = upcoming[0] if upcoming and self._idle else None
            done = self._collect(max(0.0, due - now) if due else 1.0, answers)
            under_way -= done
            last = time.perf_counter() if done else last
            if under_way and time.perf_counter() - last > SILENCE_SECONDS:
                raise TimeoutError(f"{under_way} requests got no answer within {SILENCE_SECONDS} s")
        answers.seconds = last - began
        return answers

    def _collect(self, wait_seconds: float, answers: Answers) -> int:
        """How many answers came. An idle connection that the server has closed is replaced."""
        done = 0
        for key, _ in self._selector.select(wait_seconds):
            connection: _Connection = key.data
            if not connection.is_awaited:
                self._idle[self._idle.index(connection)] = self._replace(connection)
                continue
            whole, usable = connection.receive(answers)
            if whole:
                connection.is_awaited = False
                self._idle.append(connection if usable else self._replace(connection))
                done += 1
        return done

    def _replace(self, connection: _Connection) -> _Connection:
        self._selector.unregister(connection.sock)
        connection.sock.close()
        return self._connect()

    def _connect(self) -> _Connection:
        connection = _Connection(self._port)
        self._selector.register(connection.sock, selectors.EVENT_READ, connection)
        return connection
