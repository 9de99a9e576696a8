"""The whole simulator, and its blocking form for the command line."""

import queue
import signal
from collections.abc import Mapping
from datetime import tzinfo
from decimal import Decimal
from types import FrameType, TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from gateway.dev.simulator.answers import Answer
from gateway.dev.simulator.behaviours import DESCRIBED_WORDS, parse
from gateway.dev.simulator.book import Book
from gateway.dev.simulator.callbacks import Target
from gateway.dev.simulator.control import Control, Face
from gateway.dev.simulator.courier import Courier
from gateway.dev.simulator.courier import Target as Receiving
from gateway.dev.simulator.described.accounts import account
from gateway.dev.simulator.described.calling import Receiver
from gateway.dev.simulator.described.sheet import load
from gateway.dev.simulator.described.store import Store
from gateway.dev.simulator.echo import Echo, Printer
from gateway.dev.simulator.fulfilment import Fulfilment
from gateway.dev.simulator.panel import Panel
from gateway.dev.simulator.server import Asked, Server
from gateway.dev.simulator.timers import Timers

#: Default dealer code and password.
KOD, SIFRE = "sandbox", "sandbox"
#: Enough for any test, in TRY and in orders.
MANY = Decimal(100_000)
#: The protocol that is code.
ZNET = "znet"
#: Default port on the command line.
PORT = 8900


class Simulator:
    """A provider that answers, settles and calls back: a znet dealer panel, or with `protocol` any that has a sheet.

    Of a sheet's protocol the account is that of its sample exchanges, with `credentials` in the place of some; its
    callbacks have no style, and `callback_secret` is what they are signed with, or the token in their address.

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
        protocol: str = ZNET,
        credentials: Mapping[str, str] | None = None,
        kod: str = KOD,
        sifre: str = SIFRE,
        callback_url: str | None = None,
        callback_secret: str | None = None,
        callback_style: str = "standard-webhooks",
        settle_after_seconds: float = 2.0,
        answer_delay_seconds: float = 0.0,
        default_behaviour: str = "callback",
        balance: Decimal | None = None,
        echo: Printer | None = print,
        zone: tzinfo | None = None,
    ) -> None:
        self._address = (host, port)
        self._echo = Echo(echo, zone)
        self._answer_delay_seconds = answer_delay_seconds
        self._server: Server | None = None
        self._timers = Timers()
        is_described = protocol != ZNET
        self.book = Book(_opening(protocol) if balance is None else balance)
        self._courier = Courier(self.book, self._timers, self._echo)
        self._protocol = protocol
        if is_described and load(protocol).at_once:
            settle_after_seconds = 0.0
        fulfilment = Fulfilment(
            self.book, self._timers, self._courier, settle_after_seconds, self._echo, in_full=is_described
        )
        #: What the next orders of a player do, where its id cannot say it.
        self.words: dict[str, str] = {}
        shared: dict[str, Any] = {
            "base": parse(default_behaviour, known=DESCRIBED_WORDS if is_described else None),
            "words": self.words,
            "booked": fulfilment.booked,
            "refused": fulfilment.refused,
            "echo": self._echo,
        }
        self.face: Face
        if is_described:
            known = {**account(protocol), **(credentials or {})}
            self.face = Store(protocol, self.book, credentials=known, **shared)
        else:
            self.face = Panel(self.book, kod=kod, sifre=sifre, **shared)
        self.control = Control(
            self.book, self.face, self.words, fulfilment, self._timers, self._courier, self._echo
        )
        self.call_back_to(callback_url, callback_secret, callback_style)

    @property
    def url(self) -> str:
        """The panel's base URL, as a provider is configured with it; known once it has started."""
        host, port = self._address
        return f"http://{f'[{host}]' if ':' in host else host}:{port}"

    def call_back_to(
        self, url: str | None, secret: str | None = None, style: str = "standard-webhooks"
    ) -> None:
        """Send callbacks to this URL from now on; None sends none, but to the addresses that orders themselves name."""
        if isinstance(self.face, Store):
            self._courier.target = Receiver(self.face, url or "", secret or "")
        else:
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
        self._echo(
            "ready", f"{self._protocol} provider on {self.url}, callbacks to {_shown(self._courier.target)}"
        )
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

    def _answer(self, asked: Asked) -> Answer:
        if asked.path.startswith("/sim/"):
            return self.control.answer(asked)
        return self.face.answer(asked).delayed(self._answer_delay_seconds)


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


def _opening(protocol: str) -> Decimal:
    """The balance to begin with, if none is given; of a sheet's protocol it is enough for as many orders."""
    return MANY if protocol == ZNET else MANY * load(protocol).price


def _shown(target: Receiving | None) -> str:
    """The receiver of callbacks, without the part of its URL that may be a token."""
    if target is None or not target.url:
        return "no receiver"
    parts = urlsplit(target.url)
    return f"{parts.scheme}://{parts.hostname}{f':{parts.port}' if parts.port else ''} ({target.style})"
