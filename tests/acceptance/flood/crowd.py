"""Clients that behave badly, many at once: one loop over sockets that never block, in a process of its own."""

import base64
import hashlib
import hmac
import json
import resource
import selectors
import socket
import sys
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

#: Connections opened in one turn of the loop, at most, and the seconds of a turn.
OPENED_AT_ONCE, TURN_SECONDS = 100, 0.02
#: Bytes that a client which reads little may have waiting for it.
SMALL_BUFFER_BYTES = 4096
#: Entries of a list of callbacks, at most; the contract allows no more.
ENTRIES = 200


@dataclass(frozen=True, slots=True)
class Target:
    """The server, and what its friends know: an API key, and the secret of the provider `sandbox`."""

    port: int
    key: str
    secret: str


@dataclass(frozen=True, slots=True)
class Manners:
    """How a client behaves; one that is hung up on comes again."""

    #: What it says first.
    opening: Callable[[], bytes] = bytes
    #: What it adds every so many seconds.
    drip: bytes = b""
    every_seconds: float = 1.0
    #: Whether it reads what comes.
    reads: bool = True
    #: Whether it says its opening again for each answer.
    asks_again: bool = False
    #: Whether it says its opening again and again without waiting for answers.
    never_stops: bool = False


def get(path: str, *lines: str) -> bytes:
    """A request."""
    return "\r\n".join([f"GET {path} HTTP/1.1", "Host: x", *lines, "", ""]).encode()


def post(path: str, length: int, *lines: str) -> bytes:
    """The head of a request with a body."""
    head = [f"POST {path} HTTP/1.1", "Host: x", f"Content-Length: {length}", *lines]
    return "\r\n".join([*head, "", ""]).encode()


def _said(text: bytes) -> Callable[[], bytes]:
    return lambda: text


def _callback_of_many(target: Target) -> bytes:
    """64 KiB for orders that do not exist: each entry is kept."""
    entries = [
        {
            "provider_referans": f"{uuid.uuid4().int % 10**15:015}",
            "status": "processing",
            "message": "x" * 220,
        }
        for _ in range(ENTRIES)
    ]
    body = json.dumps({"orders": entries}).encode()
    event, at = uuid.uuid4().hex, int(time.time())
    key = base64.b64decode(target.secret.removeprefix("whsec_"))
    digest = hmac.new(key, f"{event}.{at}.".encode() + body, hashlib.sha256).digest()
    signature = f"webhook-signature: v1,{base64.b64encode(digest).decode()}"
    return (
        post("/callbacks/sandbox", len(body), f"webhook-id: {event}", f"webhook-timestamp: {at}", signature)
        + body
    )


#: The floods by name: how many clients, and their manners.
FLOODS: dict[str, tuple[int, Callable[[Target], Manners]]] = {
    "idle": (2600, lambda _: Manners()),
    "idle after a request": (
        2600,
        lambda _: Manners(_said(get("/health/live"))),
    ),
    "half heads": (
        2100,
        lambda _: Manners(_said(b"GET /health/live HTTP/1.1\r\nHost: x\r\nX-A: "), b"a", 2),
    ),
    "heads without end": (
        2100,
        lambda _: Manners(_said(b"GET /health/live HTTP/1.1\r\nHost: x\r\n"), b"A: b\r\n", 0.5),
    ),
    "slow bodies": (
        2100,
        lambda _: Manners(_said(post("/callbacks/sandbox", 60_000) + b"{" + b" " * 50_000), b" ", 2),
    ),
    "slow bodies with a key": (
        2100,
        lambda t: Manners(
            _said(post("/orders", 60_000, f"Authorization: Bearer {t.key}") + b"{" + b" " * 50_000), b" ", 2
        ),
    ),
    "bodies that nothing reads": (
        2100,
        lambda _: Manners(_said(post("/nowhere", 60_000) + b" "), b" ", 2),
    ),
    "slow chunks": (
        2100,
        lambda _: Manners(
            _said(b"POST /orders HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"), b"1\r\nx\r\n", 1
        ),
    ),
    "bodies held back": (
        2100,
        lambda _: Manners(_said(post("/callbacks/sandbox", 60_000, "Expect: 100-continue"))),
    ),
    "slow readers": (
        500,
        lambda t: Manners(
            _said(get("/orders?limit=100", f"Authorization: Bearer {t.key}") * 40), reads=False
        ),
    ),
    "requests without a pause": (
        64,
        lambda _: Manners(_said(get("/health/live") * 50), never_stops=True),
    ),
    "many requests at once": (
        2100,
        lambda _: Manners(_said(get("/health/live") * 500)),
    ),
    "a connection for each request": (
        64,
        lambda _: Manners(_said(get("/health/live", "Connection: close"))),
    ),
    "readiness": (64, lambda _: Manners(_said(get("/health/ready")), asks_again=True)),
    "metrics": (
        64,
        lambda t: Manners(_said(get("/metrics", f"Authorization: Bearer {t.key}")), asks_again=True),
    ),
    "lists of orders": (
        64,
        lambda t: Manners(_said(get("/orders?limit=100", f"Authorization: Bearer {t.key}")), asks_again=True),
    ),
    "lists of one player": (
        64,
        lambda t: Manners(
            _said(get("/orders?userIdentifier=nobody", f"Authorization: Bearer {t.key}")), asks_again=True
        ),
    ),
    "wrong keys": (
        64,
        lambda _: Manners(_said(get("/orders", "Authorization: Bearer wrong")), asks_again=True),
    ),
    "callbacks of 64 KiB": (
        64,
        lambda t: Manners(lambda: _callback_of_many(t), asks_again=True),
    ),
}


@dataclass(slots=True, eq=False)
class _Client:
    sock: socket.socket
    to_say: bytes
    drips_at: float
    #: What its socket is watched for.
    watched: int = 0


class Crowd:
    """`count` clients of one kind; `answers` and `hung_up` count what became of them."""

    def __init__(self, target: Target, kind: str, count: int) -> None:
        _, manners = FLOODS[kind]
        self._target, self._manners, self._count = target, manners(target), count
        self._clients: set[_Client] = set()
        self._selector = selectors.DefaultSelector()
        self.answers = self.hung_up = 0

    def behave(self) -> None:
        """One turn."""
        for _ in range(min(OPENED_AT_ONCE, self._count - len(self._clients))):
            self._open()
        for key, events in self._selector.select(TURN_SECONDS):
            self._try(self._turn, key.data, events)
        now = time.monotonic()
        for client in [one for one in self._clients if one.drips_at <= now]:
            client.drips_at = now + self._manners.every_seconds
            self._try(self._drip, client)

    def close(self) -> None:
        for client in list(self._clients):
            self._close(client)
        self._selector.close()

    def _open(self) -> None:
        sock = socket.socket()
        sock.setblocking(False)
        if not self._manners.reads:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER_BYTES)
        sock.connect_ex(("127.0.0.1", self._target.port))
        client = _Client(sock, self._manners.opening(), time.monotonic() + self._manners.every_seconds)
        self._clients.add(client)
        self._watch(client)

    def _watch(self, client: _Client) -> None:
        speaks = bool(client.to_say) or self._manners.never_stops
        wanted = selectors.EVENT_READ * self._manners.reads | selectors.EVENT_WRITE * speaks
        if client.watched and wanted:
            self._selector.modify(client.sock, wanted, client)
        elif wanted:
            self._selector.register(client.sock, wanted, client)
        elif client.watched:
            self._selector.unregister(client.sock)
        client.watched = wanted

    def _try(self, act: Callable[..., None], client: _Client, *args: Any) -> None:
        try:
            act(client, *args)
        except BlockingIOError:
            pass
        except OSError:
            self.hung_up += 1
            self._close(client)

    def _turn(self, client: _Client, events: int) -> None:
        if events & selectors.EVENT_READ:
            self._read(client)
        if events & selectors.EVENT_WRITE:
            self._say(client)

    def _read(self, client: _Client) -> None:
        data = client.sock.recv(65536)
        if not data:
            raise ConnectionResetError("hung up")
        answers = data.count(b"HTTP/1.1 ")
        self.answers += answers
        if self._manners.asks_again:
            client.to_say += b"".join(self._manners.opening() for _ in range(answers))
            self._watch(client)

    def _say(self, client: _Client) -> None:
        if self._manners.never_stops and not client.to_say:
            client.to_say = self._manners.opening()
        client.to_say = client.to_say[client.sock.send(client.to_say) :]
        self._watch(client)

    def _drip(self, client: _Client) -> None:
        if error := client.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            raise ConnectionResetError(error, "hung up")
        if self._manners.drip and not client.to_say:
            client.sock.send(self._manners.drip)

    def _close(self, client: _Client) -> None:
        if client.watched:
            self._selector.unregister(client.sock)
        self._clients.discard(client)
        client.sock.close()


def main() -> None:
    """`PORT KEY SECRET KIND:COUNT …`: all of them until standard input ends; prints their answers and hang-ups."""
    port, key, secret, *kinds = sys.argv[1:]
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    target, over = Target(int(port), key, secret), threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), over.set()), daemon=True).start()
    pairs = (each.split(":") for each in kinds)
    crowds = [Crowd(target, kind, int(count)) for kind, count in pairs]
    while not over.is_set():
        for crowd in crowds:
            crowd.behave()
    for crowd in crowds:
        crowd.close()
    print(sum(crowd.answers for crowd in crowds), sum(crowd.hung_up for crowd in crowds))


if __name__ == "__main__":
    main()
