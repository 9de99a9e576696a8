"""How gunicorn serves: gevent's worker with bounded requests, a short shutdown, and a psycopg2 that yields.

gunicorn loads this before it patches the process, so it imports nothing else of the gateway.
"""

import re
import socket
import time
from contextlib import nullcontext, suppress
from email.utils import formatdate
from functools import lru_cache
from typing import Any

import gevent
import psycopg2
from gevent.server import StreamServer
from gevent.socket import wait_read, wait_write
from gunicorn import util
from gunicorn.http.message import Request
from gunicorn.http.parser import RequestParser
from gunicorn.workers import ggevent
from psycopg2 import extensions

#: Longest pause of a client within a request, in seconds; gunicorn has no limit for it (gunicorn #2086).
READ_TIMEOUT_SECONDS = 3
#: Largest request, head and body, that is read at all, in bytes; the application allows less.
MAX_REQUEST_BYTES = 256 * 1024
#: Largest part of an answer that is buffered, in bytes, so that head and body go out in one packet.
HELD_BYTES = 64 * 1024
#: Longest wait for a client to take its last answer and to stop sending, in seconds.
FAREWELL_SECONDS = 2
#: Pause before a process accepts its next connection, for each that it has, and the longest, in seconds.
PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.000_05, 0.001
#: Longest wait for the process to become idle, in seconds.
IDLE_SECONDS = 0.01
#: Seconds of silence after which PostgreSQL counts as away; its own statement timeout is shorter.
SILENCE_SECONDS = 20
#: The same while connecting, since libpq's `connect_timeout` does not apply where its socket is waited for elsewhere.
CONNECT_SECONDS = 5
#: A request line of a callback: its method, its target up to the last ` HTTP/1.`, and its version.
CALLBACK_LINE = re.compile(rb"((?:GET|HEAD|POST) )(/callbacks/.*)( HTTP/1\.\d)", re.DOTALL)
#: What senders leave raw in a target and is not allowed there: blanks, bytes beyond ASCII, and `#`, which would end it.
RAW = re.compile(rb"[ \t#\x80-\xff]")
#: The beginning of an IPv4 address as a dual-stack socket shows it.
MAPPED = "::ffff:"
#: psycopg2's status of a connection that is being made, from the first poll on; it has no name in Python.
STATUS_CONNECTING = 20


class Client:
    """A client's socket, with a long timeout between requests and a short one within; answers are buffered."""

    def __init__(self, sock: Any, keepalive_seconds: float) -> None:
        self._sock = sock
        self._keepalive_seconds = keepalive_seconds
        self._received = 0
        self._held = b""
        self.between_requests = True

    def next_request(self) -> None:
        """Begin to wait for the next request; the previous one is answered."""
        self.between_requests = True
        self._received = 0

    def sendall(self, data: bytes) -> None:
        """Buffer it until `flush`, unless it is too much."""
        self._held += data
        if len(self._held) > HELD_BYTES:
            self.flush()

    def flush(self) -> None:
        """Send the buffer."""
        held, self._held = self._held, b""
        if held:
            self._sock.sendall(held)

    def recv(self, size: int) -> bytes:
        """Raises TimeoutError if the client pauses within a request."""
        if self._received > MAX_REQUEST_BYTES:
            return b""
        data = self._begin(size) if self.between_requests else self._go_on(size)
        self._received += len(data)
        return data

    def _begin(self, size: int) -> bytes:
        self._sock.settimeout(self._keepalive_seconds)
        with suppress(TimeoutError):
            return bytes(self._sock.recv(size))
        return b""

    def _go_on(self, size: int) -> bytes:
        self._sock.settimeout(READ_TIMEOUT_SECONDS)
        return bytes(self._sock.recv(size))

    def end_if_idle(self) -> None:
        """Let a waiting `recv` return what has arrived, or nothing. gevent's own `shutdown` would make it raise."""
        if self.between_requests:
            with suppress(OSError):
                self._sock._sock.shutdown(socket.SHUT_RD)

    def close(self) -> None:
        """Close both directions in turn: a socket closed with unread bytes can destroy the last answer."""
        with suppress(OSError), gevent.Timeout(FAREWELL_SECONDS, False):
            self.flush()
            self._sock.shutdown(socket.SHUT_WR)
            self._sock.settimeout(FAREWELL_SECONDS)
            while self._sock.recv(MAX_REQUEST_BYTES):
                pass
        self._sock.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)


class Listener(StreamServer):  # type: ignore[misc]
    """Accepts connections in turns with the other processes.

    Without turns the process that wakes first accepts most of the connections that arrive together, and keeps them: of
    32 connections one process held 30, while the other was idle.
    """

    def do_read(self) -> Any:
        """The next connection, if any; then pause, longer the more connections this process has."""
        accepted = super().do_read()
        if accepted:
            self.stop_accepting()
            self._timer = self.loop.timer(min(LONGEST_PAUSE_SECONDS, len(self.pool) * PAUSE_SECONDS))
            self._timer.start(self._start_accepting_if_started)
        return accepted


_date = lru_cache(maxsize=1)(formatdate)


def http_date(timestamp: float | None = None) -> str:
    """The header `Date`, formatted once a second instead of for every answer."""
    return _date(int(time.time() if timestamp is None else timestamp), usegmt=True)


def encoded_line(line: bytes) -> bytes:
    """A request line, percent-encoded where the PHP sender of a callback left it raw.

    gunicorn refuses blanks and 8-bit bytes there, and would lose the outcome. The line is taken apart at its first
    blank and at its last ` HTTP/1.`. Control characters stay and are refused, and so is every other path.
    """
    found = CALLBACK_LINE.fullmatch(line)
    if not found:
        return line
    method, target, version = found.groups()
    return method + RAW.sub(lambda raw: b"%%%02X" % ord(raw[0]), target) + version


class LenientRequest(Request):  # type: ignore[misc]
    """A request; gunicorn has found the end of its first line, within `limit_request_line`, when it comes here."""

    def parse_request_line(self, line_bytes: bytes) -> None:
        """Raises gunicorn's errors."""
        if (
            line_bytes.count(b" ") > 2
            or b"#" in line_bytes
            or not line_bytes.isascii()
            or b"\t" in line_bytes
        ):
            line_bytes = encoded_line(line_bytes)
        super().parse_request_line(line_bytes)


# gunicorn has no settings for these.
ggevent.StreamServer = Listener
util.http_date = http_date
RequestParser.mesg_class = LenientRequest


class Worker(ggevent.GeventWorker):  # type: ignore[misc]
    """One greenlet for each connection."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._clients: set[Client] = set()

    def patch(self) -> None:
        """Patch the process, before it imports the application."""
        super().patch()
        extensions.set_wait_callback(wait_for_postgres)

    def timeout_ctx(self) -> Any:
        """No timeout here: each client's socket has its own."""
        return nullcontext()

    def handle(self, listener: Any, client: Any, addr: Any) -> None:
        """Serve one connection to its end."""
        if addr and isinstance(addr, tuple) and "." in addr[0] and addr[0].startswith(MAPPED):
            addr = (addr[0].removeprefix(MAPPED), addr[1])
        known = Client(client, self.cfg.keepalive)
        self._clients.add(known)
        try:
            super().handle(listener, known, addr)
        finally:
            self._clients.discard(known)

    def handle_request(self, listener_name: Any, req: Any, sock: Client, addr: Any) -> None:
        """Answer one request."""
        sock.between_requests = False
        try:
            super().handle_request(listener_name, req, sock, addr)
        finally:
            sock.flush()
        sock.next_request()

    def notify(self) -> None:
        """The heartbeat, once a second; after SIGTERM it also ends idle connections."""
        super().notify()
        if not self.alive:
            for client in self._clients:
                client.end_if_idle()


def addresses(port: int) -> list[str]:
    """What to bind to: every address of this machine, IPv6 too where it has that."""
    everywhere, everywhere_6 = f"0.0.0.0:{port}", f"[::]:{port}"
    try:
        with socket.socket(socket.AF_INET6) as probe:
            alone = probe.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)
            probe.bind(("::1", 0))
    except OSError:
        return [everywhere]
    return [everywhere, everywhere_6] if alone else [everywhere_6]


def until_idle() -> None:
    """Let other greenlets run until everything that has arrived is read, for IDLE_SECONDS at most."""
    with gevent.Timeout(IDLE_SECONDS, False):
        gevent.idle()


def wait_for_postgres(connection: Any) -> None:
    """Let other greenlets run while psycopg2 waits. Raises psycopg2.OperationalError after a silence."""
    wait = {extensions.POLL_READ: wait_read, extensions.POLL_WRITE: wait_write}
    while (state := connection.poll()) != extensions.POLL_OK:
        seconds = CONNECT_SECONDS if connection.status == STATUS_CONNECTING else SILENCE_SECONDS
        try:
            wait[state](connection.fileno(), timeout=seconds)
        except TimeoutError:
            raise psycopg2.OperationalError(f"no answer from PostgreSQL for {seconds} s") from None
