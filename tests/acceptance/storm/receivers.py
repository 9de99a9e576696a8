"""The storefront's receivers of notifications: what each has heard, and how one fails for a while."""

import json
import threading
import time
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from standardwebhooks import Webhook
from standardwebhooks.webhooks import WebhookVerificationError

from tests.listening import listening

SECRET = "whsec_c2VjcmV0LW9mLXRoZS1zdG9ybSEh"
#: The first is at NOTIFY_URL, the others are named by orders.
COUNT = 4
#: Seconds that a call is held at most where a receiver hangs: longer than a try.
HELD_SECONDS = 20.0
#: How a receiver answers while it fails; None closes the connection, and does not answer.
WAYS: dict[str, tuple[int, dict[str, str]] | None] = {
    "error": (500, {}),
    "redirect": (307, {"Location": "http://127.0.0.1:1/"}),
    "too many": (429, {"Retry-After": "1"}),
    "away": (503, {"Retry-After": "nonsense"}),
    "cut": None,
}
HANGING = "hangs"


@dataclass(frozen=True, slots=True)
class Heard:
    """One call that came, and whether it was answered with a 2xx."""

    webhook_id: str
    kind: str
    order_id: str
    status: str
    came_at: float
    answered_at: float
    accepted: bool


class Receivers:
    """Servers for as long as a `with` block runs."""

    def __init__(self) -> None:
        self.heard: list[Heard] = []
        self.complaints: list[str] = []
        self.urls: list[str] = []
        #: How each that fails now does it, by its number.
        self._failing: dict[int, str] = {}
        self._mended = threading.Event()
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        for number in range(COUNT):
            server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler(number))
            server.daemon_threads = True
            self._stack.enter_context(listening(server))
            self.urls.append(f"http://127.0.0.1:{server.server_port}/hook/{number}")
        return self

    def __exit__(self, *_: Any) -> None:
        self._mended.set()
        self._stack.close()

    def url_of(self, number: int) -> str | None:
        """Where the order of this number wants to be told of; None: at NOTIFY_URL."""
        return self.urls[number % COUNT] if number % COUNT else None

    def fail(self, number: int, way: str) -> None:
        """Let a receiver fail in one of WAYS, or hang."""
        self._mended.clear()
        self._failing[number] = way

    def mend(self, number: int) -> None:
        """Let it answer again, what it holds included."""
        self._failing.pop(number, None)
        self._mended.set()

    def of_orders(self) -> dict[str, list[Heard]]:
        """By order, in the order in which they came."""
        found: dict[str, list[Heard]] = {}
        for each in sorted(self.heard, key=lambda one: one.came_at):
            found.setdefault(each.order_id, []).append(each)
        return found

    def _answer(self, number: int) -> tuple[int, dict[str, str]] | None:
        way = self._failing.get(number)
        if way == HANGING:
            self._mended.wait(HELD_SECONDS)
            return 204, {}
        return WAYS[way] if way else (204, {})

    def _take(
        self, number: int, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, dict[str, str]] | None:
        came_at = time.monotonic()
        try:
            Webhook(SECRET).verify(body, dict(headers))
        except WebhookVerificationError as error:
            self.complaints.append(f"a notification with a wrong signature: {error}")
        answer = self._answer(number)
        document = json.loads(body)
        data = document["data"]
        accepted = answer is not None and 200 <= answer[0] < 300
        self.heard.append(
            Heard(
                headers["webhook-id"],
                document["type"],
                data["id"],
                data["externalStatus"],
                came_at,
                time.monotonic(),
                accepted,
            )
        )
        return answer

    def _handler(self, number: int) -> type[BaseHTTPRequestHandler]:
        receivers = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                body = self.rfile.read(length)
                if len(body) < length:  # its sender was killed in the middle of it
                    self.close_connection = True
                    return
                headers = {name.lower(): value for name, value in self.headers.items()}
                answer = receivers._take(number, headers, body)
                if answer is None:
                    self.close_connection = True
                    return
                with suppress(OSError):  # the caller may be gone
                    self.send_response(answer[0])
                    for name, value in ({"Content-Length": "0"} | answer[1]).items():
                        self.send_header(name, value)
                    self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        return Handler
