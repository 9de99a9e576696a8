"""The whole simulator, and its blocking form for the command line."""

import queue
import signal
from collections.abc import Mapping
from datetime import tzinfo
from decimal import Decimal
from types import FrameType, TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from gateway.dev.simulator.answers import WRONG_ADDRESS, Answer
from gateway.dev.simulator.behaviours import parse
from gateway.dev.simulator.book import Book
from gateway.dev.simulator.callbacks import Target
from gateway.dev.simulator.control import Control
from gateway.dev.simulator.courier import Courier
from gateway.dev.simulator.echo import Echo, Printer
from gateway.dev.simulator.fulfilment import Fulfilment
from gateway.dev.simulator.panel import Panel
from gateway.dev.simulator.server import Server
from gateway.dev.simulator.timers import Timers

#: Default dealer code and password.
KOD, SIFRE = "sandbox", "sandbox"
#: Default port on the command line.
PORT = 8900


class Simulator:
    """A znet dealer panel that answers, settles and calls back.

    `callback_secret` is the `whsec_…` secret of `standard-webhooks`, or the token of the znet styles: it replaces
    `{token}` in `callback_url` or is added to its path. `default_behaviour` takes words of the table; the words of a
    player id are added to them. `echo` prints one line of text, with times in `zone`; None prints nothing.
    Raises ValueError for an invalid word, style, address or secret.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        kod: str = KOD,
        sifre: str = SIFRE,
        callback_url: str | None = None,
        callback_secret: str | None = None,
        callback_style: str = "standard-webhooks",
        settle_after_seconds: float = 2.0,
        answer_delay_seconds: float = 0.0,
        default_behaviour: str = "callback",
        balance: Decimal = Decimal(100000),
        echo: Printer | None = print,
        zone: tzinfo | None = None,
    ) -> None:
        self._address = (host, port)
        self._echo = Echo(echo, zone)
        self._answer_delay_seconds = answer_delay_seconds
        self._server: Server | None = None
        self._timers = Timers()
        self.book = Book(balance)
        self._courier = Courier(self.book, self._timers, self._echo)
        fulfilment = Fulfilment(self.book, self._timers, self._courier, settle_after_seconds, self._echo)
        self._panel = Panel(
            self.book,
            kod=kod,
            sifre=sifre,
            base=parse(default_behaviour),
            booked=fulfilment.booked,
            refused=fulfilment.refused,
            echo=self._echo,
        )
        self.control = Control(self.book, self._panel, fulfilment, self._timers, self._courier, self._echo)
        self.call_back_to(callback_url, callback_secret, callback_style)

    @property
    def url(self) -> str:
        """The panel's base URL, as a provider is configured with it; known once it has started."""
        host, port = self._address
        return f"http://{f'[{host}]' if ':' in host else host}:{port}"

    def call_back_to(
        self, url: str | None, secret: str | None = None, style: str = "standard-webhooks"
    ) -> None:
        """Send callbacks to this URL from now on; None sends none."""
        self._courier.target = Target(url, style, secret) if url else None

    def is_quiet(self) -> bool:
        """Whether nothing is planned, and no callback waits or is under way."""
        return not len(self._timers) and not self._courier.waiting()

    def start(self) -> Self:
        """Listen, and go on with what was waiting when it was stopped. Raises OSError if the port cannot be used."""
        self._server = Server(self._address, self._answer)
        self._address = (self._address[0], self._server.server_port)
        self._timers.start()
        self._courier.start()
        self._server.start()
        self._echo("ready", f"znet panel on {self.url}, callbacks to {_shown(self._courier.target)}")
        return self

    def stop(self) -> None:
        """End every connection and thread. Orders are kept, and `start` opens the same port again."""
        if self._server is not None:
            self._server.close()
            self._server = None
            self._timers.stop()
            self._courier.stop()
            self._echo("stopped", self.url)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _answer(self, method: str, path: str, query: Mapping[str, str], body: bytes) -> Answer:
        if path.startswith("/sim/"):
            return self.control.answer(method, path.removeprefix("/sim/"), query, body)
        if method == "GET" and path.startswith("/servis/"):
            return self._panel.answer(path.removeprefix("/servis/"), query).delayed(
                self._answer_delay_seconds
            )
        return WRONG_ADDRESS


def serve(host: str = "127.0.0.1", port: int = PORT, **options: Any) -> None:
    """Run a Simulator with these options until SIGTERM or SIGINT. Call it on the main thread."""
    signals: queue.SimpleQueue[int] = queue.SimpleQueue()

    def note(number: int, frame: FrameType | None) -> None:
        signals.put(number)

    before = {number: signal.signal(number, note) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        with Simulator(host, port, **options):
            signals.get()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _shown(target: Target | None) -> str:
    """The receiver of callbacks, without the part of its URL that may be a token."""
    if target is None:
        return "no receiver"
    parts = urlsplit(target.url)
    return f"{parts.scheme}://{parts.hostname}{f':{parts.port}' if parts.port else ''} ({target.style})"
