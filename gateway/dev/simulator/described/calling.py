"""How a described provider calls back."""

from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import urlencode, urlsplit

from gateway.dev.simulator.book import Code
from gateway.dev.simulator.callbacks import WRONG_SECRET, WRONG_TOKEN, Message, with_token, wrong_end
from gateway.dev.simulator.described.sheet import Callback
from gateway.dev.simulator.described.store import Store, parts
from gateway.dev.simulator.described.writing import Values, fill
from gateway.dev.simulator.php import with_query
from gateway.dev.simulator.wire import Request
from gateway.inputs import http_url


@dataclass(frozen=True, slots=True)
class Receiver:
    """Where callbacks go: a URL and the secret that goes with it. Without a URL only where an order says so itself.

    Raises ValueError for a URL that is not http(s).
    """

    store: Store
    url: str = ""
    secret: str = field(default="", repr=False)
    style: str = "protocol"

    def __post_init__(self) -> None:
        try:
            http_url(self.url or "http://localhost")
        except ValueError as error:
            raise ValueError(f"callback_url {error}") from None

    @property
    def tries(self) -> int:
        """How often a callback is sent that is not answered well."""
        return self._described.tries

    def tells(self, message: Message) -> bool:
        """Whether the protocol has a callback that says this, and an address to send it to."""
        return message.state.value in self.store.kinds("callback") and bool(self._address(message))

    def request(self, message: Message, now: datetime | None = None) -> Request:
        """The request that carries `message`."""
        described, said = self._described, self.store.reply("callback", message.state.value)
        url, values = self._address(message), self._values(message)
        values["codes"] = self.store.codes(_codes(message), values, said.type)
        body = said.text(values)
        values |= {"method": described.method, "path": urlsplit(url).path, "body": body}
        headers = {name: fill(value, values) for name, value in described.headers.items()}
        if described.method == "GET":
            url = with_query(url, urlencode(said.query(values)))
            return Request("GET", url, headers, None, wanted=described.reply)
        headers["content-type"] = said.type
        return Request("POST", url, headers, body.encode(), wanted=described.reply)

    @property
    def _described(self) -> Callback:
        return self.store.sheet.callback or Callback()

    def _values(self, message: Message) -> Values:
        """What the order says, with the codes that this message brings; a forged one is signed with other secrets."""
        values = self.store.values(self.store.book.get(message.referans), event=message.webhook_id)
        codes = _codes(message)
        values |= parts(codes[0]) if codes else {"code": message.pin, "serial": "", "pin": ""}
        values |= self.store.said(message.state, message.description)
        values |= {"sn": message.pin or values["receipt"]}
        if self.secret:
            values["callback_secret"] = self.secret
        if message.forged:
            values |= dict.fromkeys(self.store.credentials, WRONG_SECRET) | {"callback_secret": WRONG_SECRET}
        return values

    def _address(self, message: Message) -> str:
        """The URL that the order names, or the one of all."""
        order = self.store.book.get(message.referans)
        if order is not None and order.callback_url:
            return wrong_end(order.callback_url) if message.forged else order.callback_url
        if not self._described.token or not self.url:
            return self.url
        return with_token(self.url, WRONG_TOKEN if message.forged else self.secret)


def _codes(message: Message) -> tuple[Code, ...]:
    return message.codes or ((Code(message.pin),) if message.brings else ())
