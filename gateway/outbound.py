"""The one way out over HTTP: pooled, bounded in time and size, and silent about credentials."""

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import requests
from requests.adapters import HTTPAdapter

from gateway import log

#: Seconds that a whole call may take, connecting and reading included.
DEADLINE_SECONDS = 30
CONNECT_SECONDS = 5
#: Seconds of silence after which a call is given up.
READ_SECONDS = 20
#: Bytes of the largest answer taken; a catalogue may have some thousand lines.
MAX_BYTES = 4 * 1024 * 1024
CHUNK_BYTES = 64 * 1024
#: Keep-alive connections per thread: as many as there are hosts to talk to.
POOL_SIZE = 16


class OutboundError(Exception):
    """A call brought no whole answer. The message names the host, never the query."""


class Unreachable(OutboundError):
    """No connection was made: the other side cannot have acted on the call."""


class NoAnswer(OutboundError):
    """The call went out and no whole answer came back: the other side may have acted on it."""


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
    ) -> None:
        self._timeouts = (connect_timeout_seconds, read_timeout_seconds)
        self._deadline_seconds = deadline_seconds
        self._max_bytes = max_bytes
        self._local = threading.local()

    def get(self, url: str, params: Mapping[str, str] | None = None) -> Response:
        """Raises Unreachable, NoAnswer."""
        return self._call("GET", url, params=params)

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Response:
        """Raises Unreachable, NoAnswer."""
        return self._call("POST", url, data=body, headers=headers)

    def _call(self, method: str, url: str, **arguments: Any) -> Response:
        deadline = time.monotonic() + self._deadline_seconds
        try:
            with self._session().request(
                method, url, timeout=self._timeouts, allow_redirects=False, stream=True, **arguments
            ) as answer:
                return Response(answer.status_code, answer.headers, self._read(answer, deadline))
        except (
            requests.ConnectTimeout,
            requests.exceptions.InvalidURL,
            requests.exceptions.InvalidSchema,
        ) as error:
            raise Unreachable(_described(error, url)) from None
        except requests.ConnectionError as error:
            kind = Unreachable if _never_connected(error) else NoAnswer
            raise kind(_described(error, url)) from None
        except requests.RequestException as error:
            raise NoAnswer(_described(error, url)) from None

    def _read(self, answer: requests.Response, deadline: float) -> bytes:
        body = bytearray()
        for chunk in answer.iter_content(CHUNK_BYTES if "content-length" in answer.headers else 1024):
            body += chunk
            if len(body) > self._max_bytes:
                raise NoAnswer(f"{_host(answer.url)}: the answer is larger than {self._max_bytes} bytes")
            if time.monotonic() > deadline:
                raise NoAnswer(f"{_host(answer.url)}: no whole answer within {self._deadline_seconds:g} s")
        return bytes(body)

    def _session(self) -> requests.Session:
        if not hasattr(self._local, "session"):
            self._local.session = _new_session()
        session: requests.Session = self._local.session
        return session


def _new_session() -> requests.Session:
    """No retries, proxies, .netrc or CA bundle from the environment: what is called is what is configured."""
    session = requests.Session()
    session.trust_env = False
    for scheme in ("http://", "https://"):
        session.mount(scheme, HTTPAdapter(pool_connections=POOL_SIZE, pool_maxsize=POOL_SIZE, max_retries=0))
    session.headers["User-Agent"] = "referans"
    return session


def _never_connected(error: requests.ConnectionError) -> bool:
    reason = getattr(error.args[0] if error.args else None, "reason", None)
    return "NewConnectionError" in type(reason).__name__ or "NameResolutionError" in type(reason).__name__


def _described(error: Exception, url: str) -> str:
    """What went wrong, in words of ours: the library's quote the whole address."""
    kinds = {
        requests.ConnectTimeout: "no connection in time",
        requests.ReadTimeout: "no answer in time",
        requests.exceptions.SSLError: "the TLS certificate is not accepted",
        requests.exceptions.ChunkedEncodingError: "the answer was cut off",
        requests.ConnectionError: "the connection failed or was cut",
    }
    words = next((words for kind, words in kinds.items() if isinstance(error, kind)), type(error).__name__)
    return f"{_host(url)}: {words}"


def _host(url: str) -> str:
    return log.mask(url.partition("?")[0])
