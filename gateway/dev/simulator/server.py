"""HTTP for the simulator, with the standard library's server, because it must be able to cut connections."""

import contextlib
import socket
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from gateway.dev.simulator.answers import Answer, Arrives

#: Largest request body, in bytes.
MAX_BODY_BYTES = 1 << 20

#: Longest wait of `close` for the listening thread, in seconds.
POLL_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that came. Names of headers are in lower case."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes


Application = Callable[[Asked], Answer]


class Server(ThreadingHTTPServer):
    """Serves `application` on a thread per connection. `close` also ends connections that are kept alive."""

    daemon_threads = True
    request_queue_size = 1024

    def __init__(self, address: tuple[str, int], application: Application) -> None:
        self.application = application
        self.stopping = threading.Event()
        self._open: set[socket.socket] = set()
        super().__init__(address, Handler)
        self._thread = threading.Thread(
            target=self.serve_forever,
            kwargs={"poll_interval": POLL_SECONDS},
            name="simulator-http",
            daemon=True,
        )

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """Stop listening, end every connection and free the port."""
        self.stopping.set()
        self.shutdown()
        self._thread.join()
        self.server_close()
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def server_bind(self) -> None:
        """Bind without a DNS lookup of the own name."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore clients that have closed their connection."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class Handler(BaseHTTPRequestHandler):
    """Reads a request, calls the application, writes the part of the answer that is to arrive."""

    server: Server
    protocol_version = "HTTP/1.1"
    server_version = "Apache"
    sys_version = ""
    disable_nagle_algorithm = True
    wbufsize = -1

    def do_GET(self) -> None:
        self._answer(b"")

    def do_POST(self) -> None:
        length = self.headers.get("content-length", "0")
        if not length.isdigit() or int(length) > MAX_BODY_BYTES:
            self.close_connection = True
            return self._write(Answer("", status=413))
        self._answer(self.rfile.read(int(length)))

    def _answer(self, body: bytes) -> None:
        parts = urlsplit(self.path)
        query = dict(parse_qsl(parts.query, keep_blank_values=True, errors="replace"))
        headers = {name.lower(): value for name, value in self.headers.items()}
        answer = self.server.application(Asked(self.command, parts.path, query, headers, body))
        if answer.delay_seconds:
            self.server.stopping.wait(answer.delay_seconds)
        if answer.arrives is Arrives.NOTHING or self.server.stopping.is_set():
            self.close_connection = True
        else:
            self._write(answer)

    def _write(self, answer: Answer) -> None:
        body = answer.body()
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if answer.arrives is Arrives.HALF:
            self.close_connection = True
            body = body[: len(body) // 2]
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Print nothing: request lines contain the password, and the panel prints what happened."""
