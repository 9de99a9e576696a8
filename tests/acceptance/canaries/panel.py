"""A dealer panel that repeats codes and credentials wherever it can, by accident as real ones do."""

import re
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, quote, quote_plus, urlsplit

from tests import provider_texts
from tests.acceptance.canaries import secret

ACCEPTED, UNKNOWN, PROCESSING = "OK|10.12|980.88", "3|İşlem bulunamadı", "OK|1||Hazırlanıyor"
#: Seconds that a call hangs; more than CALL_TIMEOUT.
HANG_SECONDS = 4.0
_TRACEBACK = """<pre>Traceback (most recent call last):
  File "/srv/panel/servis.py", line 77, in handle
    deliver(kod=<kod>, sifre='<sifre>', pin='<code>')
  GET /servis/pin_ekle.php?<query>
ValueError: {'sifre': '<sifre>', 'pin': '<plain>'}
</pre>"""


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer; `<code>`, `<kod>`, `<sifre>` and so on in it are filled in."""

    text: str
    status: int = 200
    #: The connection is cut after so much of it.
    arrives: float = 1.0
    hang_seconds: float = 0
    #: A redirect to an address with everything in it.
    location: str = ""


@dataclass(frozen=True, slots=True)
class Account:
    """What one account of the panel answers, by its name in the path, and what it was asked."""

    send: Answer = Answer(ACCEPTED)
    check: Answer = Answer(UNKNOWN)
    balance: Answer = Answer("OK|100.00")
    asked: dict[str, int] = field(default_factory=dict)


def accounts() -> dict[str, Account]:
    """One for each way in which a panel repeats what it should not."""
    faults = {
        "traceback": Answer(_TRACEBACK, status=500),
        "cut": Answer("OK|2|<code>|<sifre> <query>", arrives=0.7),
        "hang": Answer("8|<code> <sifre>", hang_seconds=HANG_SECONDS),
        "redirect": Answer("<code>", status=302, location="/servis/x.php?<query>&pin=<code>"),
        "forbidden": Answer("Forbidden: <query> <code>", status=403),
        "latin": Answer("8|\x80\xff <code> <sifre>"),
    }
    balances = dict(enumerate(map(Answer, provider_texts.BALANCES))) | faults
    made = {f"send-{number}": Account(send=Answer(text)) for number, text in enumerate(provider_texts.SENDS)}
    made |= {
        f"check-{number}": Account(check=Answer(text)) for number, text in enumerate(provider_texts.CHECKS)
    }
    made |= {f"send-{name}": Account(send=answer) for name, answer in faults.items()}
    made |= {f"check-{name}": Account(check=answer) for name, answer in faults.items()}
    made |= {f"balance-{number}": Account(balance=answer) for number, answer in balances.items()}
    return made


class Panel(ThreadingHTTPServer):
    """Every account of `accounts`, and `plain`, which takes every order and says of it that it goes on."""

    daemon_threads = True

    def __init__(self, kod: str, sifre: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.accounts = {**accounts(), "plain": Account(check=Answer(PROCESSING))}
        self.lock = threading.Lock()
        self._kod, self._sifre = kod, sifre

    def url(self, account: str) -> str:
        return f"http://127.0.0.1:{self.server_port}/{account}"

    def misbehaving(self, *kinds: str) -> list[str]:
        """The accounts that misbehave when they are asked for one of these: `send`, `check`, `balance`."""
        return [name for name in self.accounts if name.partition("-")[0] in kinds]

    def answer(self, account: str, script: str) -> Answer:
        """The answer to a script, counted."""
        found = self.accounts[account]
        kind = {"pin_ekle.php": "send", "pin_kontrol.php": "check"}.get(script, "balance")
        with self.lock:
            found.asked[kind] = found.asked.get(kind, 0) + 1
        answer: Answer = getattr(found, kind)
        return answer

    def filled(self, template: str, query: Mapping[str, str]) -> str:
        """With a code of this answer's own, and the credentials as they were given."""
        code = secret.card()
        fill = {
            "code": code,
            "plain": code.replace("-", ""),
            "spaced": code.replace("-", " "),
            "kod": query.get("kod", self._kod),
            "sifre": query.get("sifre", self._sifre),
            "query": f"kod={quote_plus(self._kod)}&sifre={quote(self._sifre)}",
        }
        filled = re.sub(r"<(\w+)>", lambda found: fill.get(found[1], found[0]), template)
        # In the templates the password also stands escaped.
        return filled.replace(r"Hunter\"two +&ü", fill["sifre"].replace('"', r"\""))


class _Handler(BaseHTTPRequestHandler):
    server: Panel

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        _, account, _, script = parts.path.split("/")
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        answer = self.server.answer(account, script)
        body = self.server.filled(answer.text, query).encode("latin-1" if "\x80" in answer.text else "utf-8")
        time.sleep(answer.hang_seconds)
        self.send_response(answer.status)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        if answer.location:
            self.send_header("Location", self.server.filled(answer.location, query))
        self.close_connection = True
        with suppress(BrokenPipeError):
            self.end_headers()
            self.wfile.write(body[: int(len(body) * answer.arrives)])

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""
