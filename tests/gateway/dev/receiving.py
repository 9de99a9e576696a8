"""A real HTTP server that keeps the callbacks it gets."""

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from standardwebhooks import Webhook

from tests.listening import listening
from tests.waiting import wait_until

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
DEADLINE_SECONDS = 15.0


class Call:
    """One request that the receiver got."""

    def __init__(self, handler: BaseHTTPRequestHandler) -> None:
        self.method = handler.command
        self.path = urlsplit(handler.path).path
        self.query = dict(parse_qsl(urlsplit(handler.path).query, keep_blank_values=True))
        self.headers = dict(handler.headers.items())
        self.body = handler.rfile.read(int(handler.headers.get("content-length") or 0))

    @property
    def verified(self) -> dict[str, Any]:
        document = Webhook(SECRET).verify(self.body, self.headers)
        assert isinstance(document, dict)
        return document

    @property
    def webhook_id(self) -> str:
        return {name.lower(): value for name, value in self.headers.items()}["webhook-id"]


class Receiver:
    """Keeps every call; answers with the statuses of `answers` one after the other, then 200."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.answers: list[int] = []
        #: The body of every answer.
        self.says = b""
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                receiver.calls.append(Call(self))
                self.send_response(receiver.answers.pop(0) if receiver.answers else 200)
                self.send_header("Content-Length", str(len(receiver.says)))
                self.end_headers()
                self.wfile.write(receiver.says)

            do_GET = do_POST

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/callbacks/sandbox"

    def wait_for(self, count: int) -> list[Call]:
        wait_until(lambda: len(self.calls) >= count, DEADLINE_SECONDS)
        return list(self.calls)


@contextmanager
def receiving() -> Iterator[Receiver]:
    """A receiver that runs."""
    receiver = Receiver()
    with listening(receiver.server):
        yield receiver
