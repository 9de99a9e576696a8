"""Posting to addresses that others choose: to public ones only, without redirects, within a time, for a short answer.

A name is resolved at every call, each of its addresses is checked, and the connection goes to one that was: what the
name leads to a moment later does not matter. TLS and the header Host keep the name. (requests-hardened pins addresses
as well, but looks at the first one only, and knows nothing of our bounds.)
"""

import http.client
import socket
import ssl
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import SplitResult, quote, unquote, urlsplit

import requests
import urllib3
from urllib3 import exceptions as failures

from gateway import outbound
from gateway.names import NotAnswered, OwnTrouble
from gateway.outbound import LocalFault, NoAnswer, OutboundError, Unreachable
from gateway.public_addresses import NotPublic, ascii_host, resolve
from gateway.signatures import sign_basic

#: Seconds that a call may take, its answer included.
TRY_SECONDS = 15.0
#: Seconds of it that connecting may take, TLS included, however many addresses the name of the host has; looking that
#: up has seconds of its own.
CONNECT_SECONDS = 5.0
#: Bytes of an answer that are read.
KEPT_BYTES = 4_000
#: Idle connections that are kept for each address.
IDLE_CONNECTIONS = 32
#: Addresses to which connections are kept; those that were not used for longest are given up.
MAX_POOLS = 256
#: What stays as it is in a path and a query; what is percent-encoded already is among it.
SAFE = "/?:@!$&'()*+,;=-._~%[]|"


class NotAllowed(OutboundError):
    """The name leads to an address that is not public. Nothing was sent."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The head of an answer, and the beginning of its body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Poster:
    """Safe to share between threads, which share its connections, too."""

    def __init__(
        self,
        *,
        try_seconds: float = TRY_SECONDS,
        resolve: Callable[[str, float], list[str]] = resolve,
        authorities: str = requests.utils.DEFAULT_CA_BUNDLE_PATH,
    ) -> None:
        self._resolve = resolve
        self._try_seconds = try_seconds
        self._tls = ssl.create_default_context(cafile=authorities)
        self._lock = threading.Lock()
        self._pools: OrderedDict[tuple[str, str, int, str], urllib3.HTTPConnectionPool] = OrderedDict()

    def post(self, url: str, body: bytes, headers: Mapping[str, str], *, any_address: bool = False) -> Answer:
        """The answer, whatever its status is. Raises NotAllowed, Unreachable, NoAnswer, LocalFault.

        Whether the body of an answer comes whole does not matter.
        """
        parts = urlsplit(url)
        host = ascii_host(parts.hostname or "")
        port = parts.port or (443 if parts.scheme == "https" else 80)
        outbound.call.begin(self._try_seconds, KEPT_BYTES + outbound.MAX_FRAME_BYTES)
        try:
            addresses = [host] if any_address else self._resolve(host, outbound.call.seconds_for_lookup())
        except NotPublic as error:
            raise NotAllowed(str(error)) from None
        except (socket.gaierror, UnicodeError):
            raise Unreachable("the name of the host is not known") from None
        except (NotAnswered, OwnTrouble) as error:
            kind = LocalFault if isinstance(error, OwnTrouble) else Unreachable
            raise kind(str(error)) from None
        if not any_address:
            outbound.call.connect_until = time.monotonic() + CONNECT_SECONDS
        for further in range(len(addresses) - 1, 0, -1):
            outbound.call.further_addresses = further
            with suppress(Unreachable):
                return self._post_to(addresses[-further - 1], host, port, parts, body, headers)
            if time.monotonic() >= min(outbound.call.deadline, outbound.call.connect_until):
                raise Unreachable("no connection in time")
        outbound.call.further_addresses = 0
        return self._post_to(addresses[-1], host, port, parts, body, headers)

    def _post_to(
        self, address: str, host: str, port: int, parts: SplitResult, body: bytes, headers: Mapping[str, str]
    ) -> Answer:
        pool = self._pool(parts.scheme, host, port, address)
        target = quote(f"{parts.path or '/'}{f'?{parts.query}' if parts.query else ''}", safe=SAFE)
        named = {"Host": _authority(parts, host), "User-Agent": "referans", **_credentials(parts), **headers}
        try:
            return self._call(pool, target, body, named)
        except (OSError, failures.HTTPError, http.client.HTTPException) as error:
            kind = LocalFault if outbound.is_local(error) else NoAnswer if outbound.call.sent else Unreachable
            raise kind(outbound.described(error)) from None

    def _call(
        self, pool: urllib3.HTTPConnectionPool, target: str, body: bytes, headers: Mapping[str, str]
    ) -> Answer:
        try:
            return self._exchange(pool, target, body, headers)
        except failures.ProtocolError:
            # The other side had just closed a connection that was kept, and may not have seen anything.
            if outbound.call.connected or outbound.call.received:
                raise
            return self._exchange(pool, target, body, headers)

    def _exchange(
        self, pool: urllib3.HTTPConnectionPool, target: str, body: bytes, headers: Mapping[str, str]
    ) -> Answer:
        answer = pool.urlopen(
            "POST",
            target,
            body,
            headers,
            retries=False,
            redirect=False,
            assert_same_host=False,
            timeout=self._timeout(),
            preload_content=False,
            decode_content=False,
        )
        beginning = b""
        with suppress(OSError, failures.HTTPError, http.client.HTTPException):
            beginning = answer.read(KEPT_BYTES)
            if not answer.read(1):
                answer.release_conn()
        answer.close()
        return Answer(answer.status, answer.headers, beginning)

    def _timeout(self) -> urllib3.Timeout:
        left = max(outbound.call.remaining_seconds(), 0.001)
        return urllib3.Timeout(connect=min(CONNECT_SECONDS, left), read=left)

    def _pool(self, scheme: str, host: str, port: int, address: str) -> urllib3.HTTPConnectionPool:
        """The connections to this address under this name."""
        key = (scheme, host, port, address)
        with self._lock:
            pool = self._pools.get(key) or self._new_pool(*key)
            self._pools[key] = pool
            self._pools.move_to_end(key)
            given_up = self._pools.popitem(last=False)[1] if len(self._pools) > MAX_POOLS else None
        if given_up:
            given_up.close()
        return pool

    def _new_pool(self, scheme: str, host: str, port: int, address: str) -> urllib3.HTTPConnectionPool:
        if scheme == "http":
            return outbound.Pool(address, port, maxsize=IDLE_CONNECTIONS)
        return outbound.TlsPool(
            address,
            port,
            maxsize=IDLE_CONNECTIONS,
            ssl_context=self._tls,
            server_hostname=host,
        )


def _credentials(parts: SplitResult) -> dict[str, str]:
    """Those in a URL, as curl sends them; only the operator's own URL may have some."""
    if parts.username is None:
        return {}
    return {"Authorization": sign_basic(unquote(parts.username), unquote(parts.password or ""))}


def _authority(parts: SplitResult, host: str) -> str:
    """What the header Host says."""
    named = f"[{host}]" if ":" in host else host
    return f"{named}:{parts.port}" if parts.port else named
