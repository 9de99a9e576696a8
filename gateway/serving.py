"""How gunicorn serves: gevent's worker with bounded requests, a short shutdown, and a psycopg2 that yields.

gunicorn loads this before it patches the process, so it imports nothing of the gateway but `clients`.
"""

import re
import resource
import socket
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from email.utils import formatdate
from functools import lru_cache
from typing import Any

import gevent
import psycopg2
from gevent.server import StreamServer
from gevent.socket import wait_read, wait_write
from gunicorn import http, util
from gunicorn.http.errors import InvalidHeader, NoMoreData, ParseException
from gunicorn.http.message import Request
from gunicorn.http.parser import RequestParser
from gunicorn.workers import ggevent
from psycopg2 import extensions

from gateway import clients
from gateway.clients import MAX_REQUEST_BYTES, Client, Crowd

#: Connections per process, idle ones included.
CONNECTIONS = 1000
#: Share of them that may wait for an order; the rest is for what is answered at once.
WAITING_SHARE = 0.6
#: Largest head that is read, in bytes; gunicorn's own limits allow half a megabyte.
MAX_HEAD_BYTES = 32 * 1024
#: Share of the connections of a process that may be idle or slow; the rest is for those that come meanwhile.
FULL_SHARE = 0.95
#: For every so many connections that a process has it accepts one more in one turn.
CONNECTIONS_PER_TURN = 50
#: Files of a process beside its connections, at most: databases, Redis, logs.
OTHER_FILES = 100
#: Bytes that the kernel may keep of a connection, in each direction; by itself it takes several megabytes.
KERNEL_BYTES = 128 * 1024
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


class Listener(StreamServer):  # type: ignore[misc]
    """Accepts connections in turns with the other processes.

    Without turns the process that wakes first accepts most of the connections that arrive together, and keeps them: of
    32 connections one process held 30, while the other was idle.
    """

    def do_read(self) -> Any:
        """The next connection, if any; then pause, longer the more connections this process has.

        The more it has, the more it accepts in one turn: with so many, more are likely to wait.
        """
        accepted = super().do_read()
        if accepted:
            self.max_accept = 1 + len(self.pool) // CONNECTIONS_PER_TURN
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
    """A request of a `Client`."""

    def parse(self, unreader: Any) -> Any:
        """What was read beyond the head. Raises StopIteration if the head does not come in time."""
        self.max_buffer_headers = MAX_HEAD_BYTES
        client: Client = unreader.sock
        try:
            client.next_request(has_begun=unreader.buf.tell() > 0)
            rest = super().parse(unreader)
        except TimeoutError:
            raise StopIteration from None
        client.head_is_complete()
        return rest

    def set_body_reader(self) -> None:
        """Raises InvalidHeader for any coding but `chunked`: two servers may understand the others differently.

        The connection ends after this request if its client says so, anywhere in a list, or if its body is too large to
        be read: nothing behind it can be read then.
        """
        for name, value in self.headers:
            if name == "TRANSFER-ENCODING" and value.lower() != "chunked":
                raise InvalidHeader(name, req=self)
            if name == "CONNECTION" and "close" in map(str.strip, value.lower().split(",")):
                self.force_close()
        super().set_body_reader()
        if getattr(self.body.reader, "length", 0) > MAX_REQUEST_BYTES:
            self.force_close()

    def should_close(self) -> bool:
        """Also if the body did not come as announced: nothing behind it can be read."""
        return bool(super().should_close() or (self.body and self.body.failed))

    def parse_request_line(self, line_bytes: bytes) -> None:
        """Raises gunicorn's errors. The line has an end, within `limit_request_line`."""
        if (
            line_bytes.count(b" ") > 2
            or b"#" in line_bytes
            or not line_bytes.isascii()
            or b"\t" in line_bytes
        ):
            line_bytes = encoded_line(line_bytes)
        super().parse_request_line(line_bytes)


class Requests(RequestParser):  # type: ignore[misc]
    """The requests of one connection."""

    mesg_class = LenientRequest

    def finish_body(self, *bounds: Any, **named: Any) -> bool:
        """Read what is left of a body that was answered already; False if it is malformed.

        gunicorn would answer once more, and a proxy in front would take that for the answer to its next request.
        """
        try:
            return bool(super().finish_body(*bounds, **named))
        except (ParseException, NoMoreData):
            return False


# gunicorn has no settings for these.
ggevent.StreamServer = Listener
util.http_date = http_date
http.RequestParser = Requests


class Worker(ggevent.GeventWorker):  # type: ignore[misc]
    """One greenlet for each connection."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._crowd = Crowd(int(self.worker_connections * FULL_SHARE))
        self._reported = 0

    def patch(self) -> None:
        """Patch the process, before it imports the application."""
        super().patch()
        extensions.set_wait_callback(wait_for_postgres)

    def handle_exit(self, sig: int, frame: Any) -> None:
        """SIGTERM: end what would keep the process. In a greenlet of its own, since a signal comes at any time."""
        super().handle_exit(sig, frame)
        for each in _AT_THE_END:
            gevent.spawn(each)

    def timeout_ctx(self) -> Any:
        """No timeout here: each wait for a client has its own."""
        return nullcontext()

    def handle(self, listener: Any, client: Any, addr: Any) -> None:
        """Serve one connection to its end."""
        if addr and isinstance(addr, tuple) and "." in addr[0] and addr[0].startswith(MAPPED):
            addr = (addr[0].removeprefix(MAPPED), addr[1])
        known = Client(client, self.cfg.keepalive, self._crowd)
        self._crowd.add(known)
        try:
            super().handle(listener, known, addr)
        finally:
            self._crowd.remove(known)

    def handle_request(self, listener_name: Any, req: Any, sock: Client, addr: Any) -> None:
        """Answer one request."""
        try:
            super().handle_request(listener_name, req, sock, addr)
        finally:
            sock.flush()

    def notify(self) -> None:
        """The heartbeat, once a second; it reports how many were let go, and after SIGTERM ends idle connections."""
        super().notify()
        self._crowd.make_room()
        if count := self._crowd.let_go - self._reported:
            self._reported = self._crowd.let_go
            self.log.warning("%d slow or idle connections were closed to make room for others.", count)
        if not self.alive:
            for client in self._crowd:
                client.end_if_idle()


#: What is done as soon as a process is told to end.
_AT_THE_END: list[Callable[[], object]] = []


def at_the_end(do: Callable[[], object]) -> None:
    """Have this done as soon as the process is told to end; requests under way are answered after it."""
    _AT_THE_END.append(do)


#: What is done once every request is answered.
_BEFORE_EXIT: list[Callable[[], object]] = []


def before_exit(do: Callable[[], object]) -> None:
    """Have this done before the process exits, once every request is answered."""
    _BEFORE_EXIT.append(do)


def leave() -> None:
    """Do what is to be done before the process exits."""
    for each in _BEFORE_EXIT:
        each()


def hung_up(environments: Sequence[Mapping[str, Any]]) -> list[int]:
    """The positions of the requests, given by their WSGI environments, whose clients have hung up."""
    sockets = {position: env.get("gunicorn.socket") for position, env in enumerate(environments)}
    return clients.hung_up({at: each for at, each in sockets.items() if isinstance(each, Client)})


def is_ours() -> bool:
    """Whether this process is served by `Worker`, as gunicorn.conf.py says; gunicorn reads that where it is started."""
    return bool(extensions.get_wait_callback() is wait_for_postgres)


def connections(wanted: int = CONNECTIONS) -> int:
    """How many connections a process may have, `wanted` if it may open as many files; raises that limit if it can."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = wanted + OTHER_FILES
    if soft != resource.RLIM_INFINITY and soft < needed:
        soft = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return wanted if soft == resource.RLIM_INFINITY else max(1, min(wanted, soft - OTHER_FILES))


def bound_buffers(listeners: Iterable[Any]) -> None:
    """Let the kernel keep no more than KERNEL_BYTES of what a connection sends or does not read."""
    for listener in listeners:
        for buffer in (socket.SO_RCVBUF, socket.SO_SNDBUF):
            listener.sock.setsockopt(socket.SOL_SOCKET, buffer, KERNEL_BYTES)


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
