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
from urllib.parse import urlencode, urlsplit, urlunsplit

from standardwebhooks import Webhook
from standardwebhooks.webhooks import EmptyWebhookSecretError

from gateway.dev.simulator.book import Order, State
from gateway.dev.simulator.pins import pin_for
from gateway.inputs import http_url

#: For signatures that must not verify.
WRONG_SECRET = "whsec_" + base64.b64encode(b"not a secret in use").decode()
WRONG_TOKEN = "wrong-token"
#: Placeholder for the token in a callback URL; without it the token is added to the path.
TOKEN_PLACE = "{token}"

_DURUM = {State.PROCESSING: "1", State.COMPLETED: "2", State.FAILED: "3"}


@dataclass(frozen=True, slots=True)
class Message:
    """One message. Its `webhook_id` is the same on every try."""

    referans: str
    state: State
    pin: str = ""
    description: str = ""
    forged: bool = False
    webhook_id: str = field(default_factory=lambda: f"msg_{uuid.uuid4().hex}")


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request."""

    method: str
    url: str
    headers: dict[str, str]
    body: bytes | None


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

    def request(self, message: Message, now: datetime | None = None) -> Request:
        """The request that carries `message`, signed with the time `now` (UTC)."""
        return STYLES[self.style](self, message, now or datetime.now(UTC))


def progress_message(order: Order) -> Message:
    """Says that the order is being processed."""
    return Message(order.referans, State.PROCESSING, description="İşleniyor", forged=order.behaviour.badsign)


def outcome_messages(order: Order) -> list[Message]:
    """The messages about an order's outcome, by its behaviour, in the order in which they must arrive."""
    behaviour = order.behaviour
    outcome = Message(order.referans, order.state, order.pin, order.description, behaviour.badsign)
    messages = [outcome, outcome] if behaviour.twice else [outcome]
    if behaviour.shuffle:
        messages.append(progress_message(order))
    if behaviour.otherpin and order.state is State.COMPLETED:
        other = Message(order.referans, order.state, pin_for(order.referans, "other"), order.description)
        messages.append(replace(other, forged=behaviour.badsign))
    if behaviour.contradict:
        messages.append(_opposite(outcome))
    return messages


def _opposite(outcome: Message) -> Message:
    completed = outcome.state is State.COMPLETED
    state, pin = (State.FAILED, "") if completed else (State.COMPLETED, pin_for(outcome.referans))
    return Message(outcome.referans, state, pin, outcome.description, outcome.forged)


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


def _neutral(message: Message) -> dict[str, str]:
    document = {"provider_referans": message.referans, "status": message.state.value}
    if message.state is State.COMPLETED:
        document["pin_code"] = message.pin
    return document | {"message": message.description}


def _znet_get(target: Target, message: Message, now: datetime) -> Request:
    parts = urlsplit(_with_token(target, message.forged))
    query = "&".join(filter(None, (parts.query, urlencode(_znet(message)))))
    return Request("GET", urlunsplit(parts._replace(query=query)), {}, None)


def _znet_post(target: Target, message: Message, now: datetime) -> Request:
    headers = {"content-type": "application/x-www-form-urlencoded"}
    return Request("POST", _with_token(target, message.forged), headers, urlencode(_znet(message)).encode())


def _znet(message: Message) -> dict[str, str]:
    return {
        "referans": message.referans,
        "durum": _DURUM[message.state],
        "pin": message.pin,
        "aciklama": message.description,
    }


def _with_token(target: Target, forged: bool) -> str:
    if target.secret is None:
        return _wrong_end(target.url) if forged else target.url
    token = WRONG_TOKEN if forged else target.secret
    if TOKEN_PLACE in target.url:
        return target.url.replace(TOKEN_PLACE, token)
    parts = urlsplit(target.url)
    return urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}/{token}"))


def _wrong_end(url: str) -> str:
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
