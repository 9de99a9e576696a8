"""Where alerts go: to a URL as signed notifications, to a chat by a Telegram bot, and by mail."""

import json
import smtplib
import socket
import ssl
import threading
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from email.message import EmailMessage
from typing import Any, Protocol
from urllib.parse import parse_qs, unquote, urlsplit

from gateway import shown
from gateway.fulfilment import messages
from gateway.names import LOOKUP_SECONDS
from gateway.outbound import NAMES, LocalFault, OutboundError
from gateway.posting import Answer, Poster
from gateway.settings import Settings
from models import outbox
from models.alert import Message

#: Where Telegram's bots are.
TELEGRAM = "https://api.telegram.org"
#: Seconds that the server of mails may be silent, and that it may take for one mail.
SMTP_SECONDS, MAIL_SECONDS = 15, 45
#: How this machine names itself to it, as where it has no name: looking that up has no time limit.
OWN_NAME = "[127.0.0.1]"


class NotSent(Exception):
    """The message did not arrive, for this reason; it is tried again."""


class Channel(Protocol):
    """A place to which alerts go."""

    def send(self, message: Message) -> None:
        """Raises NotSent."""


class Url:
    """ALERT_URL: a notification of type `alert`, signed with NOTIFY_SECRET."""

    def __init__(self, settings: Settings, url: str, poster: Poster) -> None:
        self._settings = settings
        self._url = url
        self._poster = poster
        self._secrets = [each.get_secret_value() for each in settings.notify_secret]

    def send(self, message: Message) -> None:
        now = datetime.now(UTC)
        data = {
            "id": message.incident_id,
            "rule": message.rule,
            "subject": message.subject or None,
            "state": "over" if message.is_end else "began",
            "text": message.text,
            "url": _page(self._settings, message),
            "beganAt": shown.plain(message.began_at),
            "endedAt": message.ended_at and shown.plain(message.ended_at),
        }
        body = json.dumps(
            {"type": "alert", "timestamp": shown.plain(now), "data": data}, ensure_ascii=False
        ).encode()
        headers = messages.headers(self._secrets, outbox.named(message.webhook_id), now, body)
        _accepted(_posted(self._poster, self._url, body, headers))


class Telegram:
    """A chat, by a bot."""

    def __init__(
        self, settings: Settings, token: str, chat: str, poster: Poster, base: str = TELEGRAM
    ) -> None:
        self._settings = settings
        self._url = f"{base}/bot{token}/sendMessage"
        self._chat = chat
        self._poster = poster

    def send(self, message: Message) -> None:
        said = {
            "chat_id": self._chat,
            "text": _text(self._settings, message),
            "disable_web_page_preview": True,
        }
        answer = _posted(
            self._poster, self._url, json.dumps(said).encode(), {"Content-Type": "application/json"}
        )
        _accepted(answer)


class Mail:
    """Mails by ALERT_SMTP_URL. By `smtp` they go encrypted where the server can (STARTTLS), by `smtps` always."""

    def __init__(
        self, settings: Settings, url: str, receivers: list[str], mail_seconds: float = MAIL_SECONDS
    ) -> None:
        self._settings = settings
        self._url = urlsplit(url)
        self._receivers = receivers
        self._mail_seconds = mail_seconds
        self._tls = ssl.create_default_context()

    def send(self, message: Message) -> None:
        mail = EmailMessage()
        mail["Subject"] = f"[Referans] {'Over: ' if message.is_end else ''}{' '.join(message.text.split())}"[
            :200
        ]
        mail["From"] = self._sender()
        mail["To"] = ", ".join(self._receivers)
        mail["Message-ID"] = f"<{message.webhook_id}@referans>"
        mail.set_content(_text(self._settings, message))
        try:
            self._hand_over(mail)
        except (OSError, smtplib.SMTPException) as error:
            # What a server says may quote our credentials.
            code = getattr(error, "smtp_code", None)
            raise NotSent(f"{type(error).__name__}{f' {code}' if code else ''}") from None

    def _hand_over(self, mail: EmailMessage) -> None:
        url, is_tls = self._url, self._url.scheme == "smtps"
        server = (
            smtplib.SMTP_SSL(local_hostname=OWN_NAME, timeout=SMTP_SECONDS, context=self._tls)
            if is_tls
            else smtplib.SMTP(local_hostname=OWN_NAME, timeout=SMTP_SECONDS)
        )
        host = url.hostname or "localhost"
        server._host = host  # type: ignore[attr-defined]  # whom its certificate must name; `connect` does not set it
        cut = threading.Timer(self._mail_seconds, _cut, [server])
        cut.daemon = True
        cut.start()
        try:
            with server:
                _connect(server, host, url.port or (465 if is_tls else 587))
                if not cut.is_alive():  # it found nothing to cut
                    raise TimeoutError
                server.ehlo()
                if not is_tls and server.has_extn("starttls"):
                    server.starttls(context=self._tls)
                if url.username is not None:
                    server.login(unquote(url.username), unquote(url.password or ""))
                server.send_message(mail)
        finally:
            cut.cancel()

    def _sender(self) -> str:
        given = parse_qs(self._url.query).get("from")
        user = unquote(self._url.username or "")
        return given[0] if given else user if "@" in user else self._receivers[0]


def _connect(server: smtplib.SMTP, host: str, port: int) -> None:
    """By the first of the host's addresses that can be reached; looking them up has a time limit, too."""
    addresses = NAMES.addresses(host, LOOKUP_SECONDS)
    for further in range(len(addresses) - 1, -1, -1):
        try:
            server.connect(addresses[-further - 1], port)
        except smtplib.SMTPException:  # an OSError, too; but it was reached
            raise
        except OSError:
            if not further:
                raise
        else:
            return


def _cut(server: smtplib.SMTP) -> None:
    """End a call that takes too long: what waits for the server sees the end of the connection."""
    with suppress(OSError):
        if server.sock is not None:
            server.sock.shutdown(socket.SHUT_RDWR)


def of(settings: Settings, poster: Poster, *, telegram: str = TELEGRAM) -> Mapping[str, Channel]:
    """The channels that are set, by name."""
    found: dict[str, Any] = {}
    if settings.alert_url:
        found["url"] = Url(settings, settings.alert_url, poster)
    if settings.alert_telegram_token and settings.alert_telegram_chat:
        token = settings.alert_telegram_token.get_secret_value()
        found["telegram"] = Telegram(settings, token, settings.alert_telegram_chat, poster, telegram)
    if settings.alert_smtp_url and settings.alert_email:
        url = settings.alert_smtp_url.get_secret_value()
        found["email"] = Mail(settings, url, [*settings.alert_email])
    return found


def _posted(poster: Poster, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
    try:
        return poster.post(url, body, headers, any_address=True)
    except (OutboundError, LocalFault) as error:
        raise NotSent(str(error)) from None


def _accepted(answer: Answer) -> None:
    if not 200 <= answer.status < 300:
        raise NotSent(f"HTTP {answer.status}")


def _text(settings: Settings, message: Message) -> str:
    beginning = "It is over: " if message.is_end else ""
    return f"{beginning}{message.text}\n{_page(settings, message)}"


def _page(settings: Settings, message: Message) -> str:
    return f"{settings.public_url}{message.path}"
