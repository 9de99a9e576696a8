"""HTTP requests as the simulator sends them, also those that no HTTP client would send."""

import socket
import ssl
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from urllib.parse import urlsplit

import requests
from urllib3.exceptions import HTTPError

#: Time limits to connect and to get the answer, in seconds.
CONNECT_SECONDS, ANSWER_SECONDS = 3.0, 15.0


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request."""

    method: str
    url: str
    headers: dict[str, str]
    body: bytes | None
    #: The request target byte by byte, in place of that of `url`: blanks and 8-bit bytes are not encoded.
    raw_target: bytes | None = None
    #: What the answer must say, besides a status of success.
    wanted: str = ""


#: In place of the status of a callback that was answered, but not with what its sender waits for.
NOT_ACKNOWLEDGED = "not acknowledged"


def send(session: requests.Session, request: Request) -> int | str:
    """Try once: the HTTP status of the answer, or the kind of error."""
    try:
        return _send_raw(request) if request.raw_target else _send(session, request)
    except (OSError, ValueError, HTTPError, HTTPException) as error:
        return type(error).__name__


def _send(session: requests.Session, request: Request) -> int | str:
    with session.request(
        request.method,
        request.url,
        data=request.body,
        headers=request.headers,
        timeout=(CONNECT_SECONDS, ANSWER_SECONDS),
        allow_redirects=False,
    ) as response:
        if response.ok and not _says(response.text, request.wanted):
            return NOT_ACKNOWLEDGED
        return response.status_code


def _says(text: str, wanted: str) -> bool:
    """Whether an answer says what is wanted, whatever blanks stand in it."""
    return not wanted or "".join(text.split()) == "".join(wanted.split())


def _send_raw(request: Request) -> int:
    parts = urlsplit(request.url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    with socket.create_connection((parts.hostname or "", port), CONNECT_SECONDS) as plain:
        plain.settimeout(ANSWER_SECONDS)
        with _secured(plain, parts.hostname) if parts.scheme == "https" else plain as connection:
            connection.sendall(_as_bytes(request, parts.netloc.rpartition("@")[2]))
            response = HTTPResponse(connection, method=request.method)
            response.begin()
            return response.status


def _secured(connection: socket.socket, host: str | None) -> socket.socket:
    return ssl.create_default_context().wrap_socket(connection, server_hostname=host)


def _as_bytes(request: Request, host: str) -> bytes:
    body = request.body or b""
    headers = {"Host": host, "Connection": "close", **request.headers}
    if body or request.method == "POST":
        headers["Content-Length"] = str(len(body))
    lines = [f"{name}: {value}".encode("latin-1") for name, value in headers.items()]
    first = b"%s %s HTTP/1.1" % (request.method.encode(), request.raw_target)
    return b"\r\n".join([first, *lines, b"", body])
