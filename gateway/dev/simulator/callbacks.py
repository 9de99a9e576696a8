"""The panel's callbacks: what they say, and their form on the wire. Pure: nothing is sent here.

The styles: `standard-webhooks` (the neutral JSON, signed), `znet-get` and `znet-post` (query or form with
`referans`, `durum`, `pin`, `aciklama`, and a token in the URL).
"""

import base64
import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode, urlsplit, urlunsplit

from standardwebhooks import Webhook
from standardwebhooks.webhooks import EmptyWebhookSecretError

from gateway.dev.simulator import php
from gateway.dev.simulator.book import DELIVERED, Code, Order, State
from gateway.dev.simulator.pins import pin_for
from gateway.dev.simulator.wire import Request
from gateway.inputs import http_url

#: For signatures that must not verify.
WRONG_SECRET = "whsec_" + base64.b64encode(b"not a secret in use").decode()
WRONG_TOKEN = "wrong-token"
#: How often a callback is sent that is not answered well.
TRIES = 10
#: Placeholder for the token in a callback URL; without it the token is added to the path.
TOKEN_PLACE = "{token}"

#: znet has no word for a reversal: panels write 3, as for a cancellation.
_DURUM = {State.PROCESSING: "1", State.COMPLETED: "2", State.FAILED: "3", State.REVERSED: "3"}


@dataclass(frozen=True, slots=True)
class Message:
    """One message. Its `webhook_id` is the same on every try."""

    referans: str
    state: State
    pin: str = ""
    description: str = ""
    forged: bool = False
    #: Several codes, or codes with serials; `pin` is then the first one's code.
    codes: tuple[Code, ...] = ()
    #: JSON writes the PIN as a number with a fraction.
    as_float: bool = False
    #: How PHP would send it; "" for the style's own form.
    way: str = ""
    #: Only a HEAD of the address.
    is_head: bool = False
    #: The codes in it, for the book; text that stands in place of a PIN is none.
    brings: tuple[str, ...] = ()
    webhook_id: str = field(default_factory=lambda: f"msg_{uuid.uuid4().hex}")


@dataclass(frozen=True, slots=True)
class Target:
    """The receiver of callbacks: a full URL, a style, and the `whsec_…` secret or the token.

    Raises ValueError for an unknown style, an invalid secret or a URL that is not http(s).
    """

    url: str
    style: str = "standard-webhooks"
    secret: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if self.style not in STYLES:
            raise ValueError(f"callback_style takes one of {', '.join(STYLES)}, not {self.style!r}")
        try:
            http_url(self.url)
        except ValueError as error:
            raise ValueError(f"callback_url {error}") from None
        if self.style == "standard-webhooks":
            _check_secret(self.secret)

    @property
    def tries(self) -> int:
        """How often a callback is sent that is not answered well."""
        return TRIES

    def tells(self, message: Message) -> bool:
        """Whether there is a callback that says this."""
        return True

    def request(self, message: Message, now: datetime | None = None) -> Request:
        """The request that carries `message`, signed with the time `now` (UTC)."""
        if message.is_head:
            return Request("HEAD", _address(self, message.forged), {}, None)
        return STYLES[self.style](self, message, now or datetime.now(UTC))


def progress_message(order: Order) -> Message:
    """Says that the order is being processed."""
    return _message(order, State.PROCESSING, description="İşleniyor")


def code_message(order: Order) -> Message:
    """Says once more that the order is completed, now with its PIN and all serials."""
    return _message(order, order.state, order.pin, order.description, order.codes)


def outcome_messages(order: Order) -> list[Message]:
    """The messages about an order's outcome, by its behaviour, in the order in which they must arrive."""
    behaviour = order.behaviour
    outcome = _outcome(order)
    if order.state is State.REVERSED:
        return [outcome]
    messages = [outcome, outcome] if behaviour.twice else [outcome]
    if behaviour.php == "head":
        messages.insert(0, Message(order.referans, order.state, forged=behaviour.badsign, is_head=True))
    if behaviour.shuffle:
        messages.append(progress_message(order))
    if behaviour.otherpin and order.state is State.COMPLETED:
        messages.append(_message(order, order.state, pin_for(order.referans, "other"), order.description))
    if behaviour.contradict:
        completed = order.state is State.COMPLETED
        state, pin = (State.FAILED, "") if completed else (State.COMPLETED, pin_for(order.referans))
        messages.append(_message(order, state, pin, order.description))
    return messages


def _outcome(order: Order) -> Message:
    """The outcome, without the PIN and the serials that follow later or can only be asked for."""
    behaviour, state = order.behaviour, order.state
    if state not in DELIVERED:
        return _message(order, state, description=order.description)
    if not order.pin or behaviour.pin_after_seconds is not None:
        return _message(order, state, behaviour.blank, order.description)
    codes = tuple(Code(code.code) for code in order.codes)
    return _message(order, state, order.pin, order.description, codes)


def _message(
    order: Order, state: State, pin: str = "", description: str = "", codes: tuple[Code, ...] = ()
) -> Message:
    behaviour = order.behaviour
    message = Message(
        order.referans,
        state,
        pin,
        description,
        behaviour.badsign,
        codes,
        as_float=behaviour.as_float and pin == order.pin != "",
        way=behaviour.php,
        brings=tuple(code.code for code in codes) or ((pin,) if pin != behaviour.blank else ()),
    )
    return replace(message, webhook_id=order.referans) if behaviour.same_id else message


def _check_secret(secret: str | None) -> None:
    if not secret or not secret.startswith("whsec_"):
        raise ValueError("callback_secret takes the whsec_… secret that signs the callbacks")
    try:
        Webhook(secret)
    except (ValueError, EmptyWebhookSecretError):
        raise ValueError("callback_secret is not base64 after whsec_") from None


def _standard_webhooks(target: Target, message: Message, now: datetime) -> Request:
    body = json.dumps(_neutral(message), ensure_ascii=False)
    secret = WRONG_SECRET if message.forged else target.secret or ""
    headers = {
        "content-type": "application/json",
        "webhook-id": message.webhook_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(secret).sign(message.webhook_id, now, body),
    }
    return Request("POST", target.url, headers, body.encode())


def _neutral(message: Message) -> dict[str, Any]:
    document: dict[str, Any] = {"provider_referans": message.referans, "status": message.state.value}
    if message.codes:
        document["codes"] = [
            {"code": code.code, "serial": code.serial} if code.serial else {"code": code.code}
            for code in message.codes
        ]
    elif message.state is State.COMPLETED:
        document["pin_code"] = float(message.pin) if message.as_float else message.pin
    return document | {"message": message.description}


def _znet_get(target: Target, message: Message, now: datetime) -> Request:
    return _znet(target, message, is_get=True)


def _znet_post(target: Target, message: Message, now: datetime) -> Request:
    return _znet(target, message, is_get=False)


def _znet(target: Target, message: Message, *, is_get: bool) -> Request:
    url, fields = _address(target, message.forged), _znet_fields(message)
    if message.way in php.BUILDERS:
        return php.BUILDERS[message.way](url, is_get, fields)
    if is_get:
        return Request("GET", php.with_query(url, urlencode(fields)), {}, None)
    return Request("POST", url, php.FORM, urlencode(fields).encode())


def _znet_fields(message: Message) -> list[tuple[str, str]]:
    """Several codes are `pin[]`, as PHP writes a list; there is no field for serials."""
    pins = [("pin", message.pin)]
    if len(message.codes) > 1:
        pins = [("pin[]", code.code) for code in message.codes]
    return [
        ("referans", message.referans),
        ("durum", _DURUM[message.state]),
        *pins,
        ("aciklama", message.description),
    ]


def _address(target: Target, forged: bool) -> str:
    """The URL, with its token in a znet style."""
    if target.style == "standard-webhooks":
        return target.url
    if target.secret is None:
        return wrong_end(target.url) if forged else target.url
    return with_token(target.url, WRONG_TOKEN if forged else target.secret)


def with_token(url: str, token: str) -> str:
    """The URL with the token in its place, or at the end of its path."""
    if TOKEN_PLACE in url:
        return url.replace(TOKEN_PLACE, token)
    parts = urlsplit(url)
    return urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}/{token}"))


def wrong_end(url: str) -> str:
    """The URL with a wrong token in place of its own: in the query if there is one, else at the end of the path."""
    parts = urlsplit(url)
    if parts.query:
        return urlunsplit(parts._replace(query=f"token={WRONG_TOKEN}"))
    return urlunsplit(parts._replace(path=f"{parts.path.rpartition('/')[0]}/{WRONG_TOKEN}"))


STYLES: dict[str, Callable[[Target, Message, datetime], Request]] = {
    "standard-webhooks": _standard_webhooks,
    "znet-get": _znet_get,
    "znet-post": _znet_post,
}
