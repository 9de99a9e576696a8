"""The one way out over HTTP: pooled, bounded in time and size, and silent about credentials."""

import errno
import http.client
import io
import math
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3 import exceptions as failures
from urllib3.util import connection

from gateway import log
from gateway.names import LOOKUP_SECONDS, Names, NotAnswered, OwnTrouble

#: Seconds that a whole call may take, connecting and reading included; past them nothing is sent any more.
DEADLINE_SECONDS = 30
#: Seconds that connecting may take, however many addresses the name of the host has; its name was looked up before.
CONNECT_SECONDS = 5
#: Seconds of silence after which a call is given up.
READ_SECONDS = 20
#: Bytes of the largest answer taken where the caller names no other bound.
MAX_BYTES = 64 * 1024
#: Bytes beyond the bound of an answer that are read of a connection: its head, and what frames its body.
MAX_FRAME_BYTES = 64 * 1024
CHUNK_BYTES = 16 * 1024
#: Errors of the system that are this machine's own: out of files, ports, memory or disk, or its firewall forbids it.
LOCAL_ERRORS = frozenset(
    {
        *(errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS, errno.EADDRNOTAVAIL),
        *(errno.ENOSPC, errno.EDQUOT, errno.EPERM, errno.ENETDOWN),
    }
)
#: Keep-alive connections per thread: as many as there are hosts to talk to.
POOL_SIZE = 16
#: Looks up the names that are configured; those that others choose have lookups of their own.
NAMES = Names()


class OutboundError(Exception):
    """A call brought no whole answer. The message names the host, never the query."""


class Unreachable(OutboundError):
    """Not a byte of the call was sent: the other side cannot have acted on it."""


class NoAnswer(OutboundError):
    """The call went out and no whole answer came back: the other side may have acted on it."""


class LocalFault(Exception):
    """This machine could not make the call, which says nothing about the other side; so it is no OutboundError."""


@dataclass(frozen=True, slots=True)
class Response:
    """A whole answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Client:
    """Safe to share: every thread has a session of its own, kept alive between calls."""

    def __init__(
        self,
        *,
        connect_timeout_seconds: float = CONNECT_SECONDS,
        read_timeout_seconds: float = READ_SECONDS,
        deadline_seconds: float = DEADLINE_SECONDS,
        max_bytes: int = MAX_BYTES,
        pool_size: int = POOL_SIZE,
    ) -> None:
        self._timeouts = (connect_timeout_seconds, read_timeout_seconds)
        #: Seconds that a whole call may take.
        self.deadline_seconds = deadline_seconds
        self._max_bytes = max_bytes
        self._pool_size = pool_size
        self._local = threading.local()

    def get(
        self, url: str, params: Mapping[str, str] | None = None, *, max_bytes: int | None = None
    ) -> Response:
        """Of an answer larger than `max_bytes` nothing is known. Raises Unreachable, NoAnswer, LocalFault."""
        return self._call("GET", url, max_bytes or self._max_bytes, params=params)

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Response:
        """Raises Unreachable, NoAnswer, LocalFault."""
        return self._call("POST", url, self._max_bytes, data=body, headers=headers)

    def request(
        self,
        method: str,
        url: str,
        *,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        max_bytes: int | None = None,
        timeout_seconds: float | None = None,
    ) -> Response:
        """Any call; `timeout_seconds` replaces the deadline of all calls. Raises Unreachable, NoAnswer, LocalFault."""
        return self._call(
            method,
            url,
            max_bytes or self._max_bytes,
            timeout_seconds,
            params=params,
            headers=headers,
            data=body,
        )

    def _call(
        self, method: str, url: str, max_bytes: int, timeout_seconds: float | None = None, **arguments: Any
    ) -> Response:
        connect, read = self._timeouts
        call.begin(timeout_seconds or self.deadline_seconds, max_bytes + MAX_FRAME_BYTES)
        if not hasattr(self._local, "session"):
            self._local.session = _new_session(self._pool_size)
        try:
            with self._local.session.request(
                method,
                url,
                timeout=(connect, max(read, timeout_seconds or 0)),
                allow_redirects=False,
                stream=True,
                **arguments,
            ) as answer:
                return Response(answer.status_code, answer.headers, _read(answer, max_bytes))
        except (OSError, failures.HTTPError, http.client.HTTPException) as error:
            kind = LocalFault if is_local(error) else NoAnswer if call.sent else Unreachable
            raise kind(f"{_shown(url)}: {described(error)}") from None


#: What may come of the network. Any other error of the system, such as certificates that are missing, is ours.
NETWORK_ERRORS = (
    *(requests.RequestException, failures.HTTPError, http.client.HTTPException),
    *(TimeoutError, ConnectionError, ssl.SSLError, socket.gaierror),
)
#: The first that fits is said.
WORDS: tuple[tuple[type[Exception], str], ...] = (
    (failures.NameResolutionError, "the name of the host is not known"),
    (failures.NewConnectionError, "no connection could be made"),
    (failures.ConnectTimeoutError, "no connection in time"),
    (failures.ReadTimeoutError, "no answer in time"),
    (failures.SSLError, "no TLS connection (is its certificate right?)"),
    (ssl.SSLError, "no TLS connection (is its certificate right?)"),
    (failures.ProtocolError, "the connection was cut"),
    (requests.exceptions.InvalidURL, "the URL is not valid"),
    (requests.exceptions.MissingSchema, "the URL is not valid"),
    (requests.exceptions.InvalidSchema, "the URL begins with neither http:// nor https://"),
)


def described(error: Exception) -> str:
    """What went wrong with the thread's own call, in our words: the library's messages quote the whole URL."""
    if call.remaining_bytes < 0:
        return "the answer has no end within its bound"
    if call.remaining_seconds() <= 0:
        return (
            f"no whole answer within {round(call.seconds, 2):.15g} s"
            if call.sent
            else "no connection in time"
        )
    if not_looked_up := next(
        (one for one in _causes(error) if isinstance(one, NotAnswered | OwnTrouble)), None
    ):
        return str(not_looked_up)
    cause = error.args[0] if error.args and isinstance(error.args[0], Exception) else error
    reason = getattr(cause, "reason", None)
    cause = reason if isinstance(reason, Exception) else cause
    return next((words for kind, words in WORDS if isinstance(cause, kind)), type(cause).__name__)


def is_local(error: BaseException) -> bool:
    """Whether the cause is on this machine: its resources, its certificates, or a header of ours that is not valid."""
    if isinstance(error, requests.exceptions.InvalidHeader) or not isinstance(error, NETWORK_ERRORS):
        return True
    return any(
        isinstance(cause, OwnTrouble)
        or (
            isinstance(cause, OSError) and not isinstance(cause, ssl.SSLError) and cause.errno in LOCAL_ERRORS
        )
        for cause in _causes(error)
    )


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and whatever it was made of; the libraries hide the system's own error in several places."""
    found, waiting = [], [error]
    while waiting:
        found.append(one := waiting.pop())
        hidden = (*one.args, getattr(one, "reason", None), one.__cause__, one.__context__)
        waiting += [each for each in hidden if isinstance(each, BaseException) and each not in found]
    yield from found


def _read(answer: requests.Response, max_bytes: int) -> bytes:
    body = bytearray()
    for chunk in answer.iter_content(min(CHUNK_BYTES, max_bytes + 1)):
        body += chunk
        if len(body) > max_bytes:
            said = f"HTTP {answer.status_code}, and the answer is larger than {max_bytes} bytes"
            raise NoAnswer(f"{_shown(answer.url)}: {said}")
    return bytes(body)


def _shown(url: str) -> str:
    return log.mask(url.partition("?")[0].partition("#")[0])


class _Call(threading.local):
    """What the thread's own call has come to, as its connection sees it."""

    deadline: float = math.inf
    #: How long it may take, in seconds.
    seconds: float = math.inf
    #: Bytes that may still come, the head and what frames the body included.
    remaining_bytes: float = math.inf
    #: Whether anything was handed to the network.
    sent: bool = False
    #: Calls of this thread of which anything was.
    calls_sent: int = 0
    #: Whether a connection was made for it, and whether anything came back.
    connected: bool = False
    received: bool = False
    #: Where the caller has resolved the name: when connecting ends, and the addresses that are tried after this one.
    connect_until: float = math.inf
    further_addresses: int = 0

    def begin(self, deadline_seconds: float, max_bytes: int) -> None:
        self.seconds = deadline_seconds
        self.deadline = time.monotonic() + deadline_seconds
        self.remaining_bytes = max_bytes
        self.sent = self.connected = self.received = False
        self.connect_until, self.further_addresses = math.inf, 0

    def remaining_seconds(self) -> float:
        return self.deadline - time.monotonic()

    def seconds_until(self, at: float) -> float:
        """Seconds until then, or until the call must end; never 0, which sockets take for no limit."""
        return max(0.001, min(at, self.deadline) - time.monotonic())

    def seconds_for_lookup(self) -> float:
        """Seconds that looking up the name of the host may take."""
        return self.seconds_until(time.monotonic() + LOOKUP_SECONDS)

    def check(self) -> None:
        if self.remaining_seconds() <= 0:
            raise TimeoutError("past the deadline")


call = _Call()


def calls_sent() -> int:
    """How many calls of this thread, so far, have handed anything to the network."""
    return call.calls_sent


class _Bounded(io.RawIOBase):
    """Reads a socket until the deadline and the bound of the call.

    A timeout alone begins anew with every byte that drips in, and heads and chunks have no bound of their own.
    """

    def __init__(self, raw: io.RawIOBase, sock: socket.socket) -> None:
        self._raw = raw
        self._socket = sock
        self._silence_seconds = sock.gettimeout() or READ_SECONDS
        #: Whether the other side has closed the connection.
        self.ended = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        call.check()
        self._socket.settimeout(min(self._silence_seconds, max(call.remaining_seconds(), 0.001)))
        count: int | None = self._raw.readinto(buffer)
        self.ended = count == 0
        call.remaining_bytes -= count or 0
        call.received |= bool(count)
        if call.remaining_bytes < 0:
            raise ConnectionError("past the bound")
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


class _BoundedResponse(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self._bounded = _Bounded(self.fp.detach(), sock)
        self.fp = io.BufferedReader(self._bounded)

    def begin(self) -> None:
        """The library takes headers that were cut off for all there are, and so for an empty answer."""
        super().begin()
        if self._bounded.ended:
            raise http.client.RemoteDisconnected("cut off within the headers")


class _Watched(urllib3.connection.HTTPConnection):
    """Knows whether anything was sent, and sends nothing past the deadline."""

    response_class = _BoundedResponse

    def connect(self) -> None:
        super().connect()
        call.connected = True

    def _new_conn(self) -> socket.socket:
        """The addresses of the host share the time for connecting; the library gives each of them all of it."""
        try:
            addresses = NAMES.addresses(self._dns_host, call.seconds_for_lookup())
        except (socket.gaierror, UnicodeError) as error:
            raise failures.NameResolutionError(self.host, self, socket.gaierror(str(error))) from error
        except (NotAnswered, OwnTrouble) as error:
            raise failures.NewConnectionError(self, str(error)) from error
        until = min(time.monotonic() + (self.timeout or CONNECT_SECONDS), call.connect_until)
        failed: OSError = OSError("no address")
        for tried, address in enumerate(addresses):
            seconds = call.seconds_until(until) / (len(addresses) - tried + call.further_addresses)
            try:
                made = connection.create_connection(
                    (address, self.port), seconds, socket_options=self.socket_options
                )
            except OSError as error:
                failed = error
                continue
            made.settimeout(call.seconds_until(until))
            return made
        kind = (
            failures.ConnectTimeoutError if isinstance(failed, TimeoutError) else failures.NewConnectionError
        )
        raise kind(self, f"no connection to {self.host}") from failed

    def send(self, data: Any) -> None:
        if self.sock is None:
            self.connect()
        call.check()
        if not call.sent:
            call.sent, call.calls_sent = True, call.calls_sent + 1
        super().send(data)


class _WatchedTls(_Watched, urllib3.connection.HTTPSConnection):
    pass


class Pool(urllib3.HTTPConnectionPool):
    ConnectionCls = _Watched


class TlsPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _WatchedTls


class _Adapter(HTTPAdapter):
    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": Pool, "https": TlsPool}


class _Session(requests.Session):
    def get_redirect_target(self, resp: requests.Response) -> None:
        """None: requests would read the whole body of a redirect, however large, even to not follow it."""


def _new_session(pool_size: int) -> requests.Session:
    """No retries, cookies, proxies, .netrc or CA bundle from outside: what is called is what is configured."""
    session = _Session()
    session.trust_env = False
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=()))
    for scheme in ("http://", "https://"):
        session.mount(scheme, _Adapter(pool_connections=pool_size, pool_maxsize=pool_size, max_retries=0))
    session.headers["User-Agent"] = "referans"
    return session
