"""Small described protocols, and the shop at their other end: real HTTP, and a book that counts purchases."""

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from gateway.providers import kinds
from gateway.providers.described import schema
from gateway.providers.described.kind import Described
from models import provider, route
from models.db import database
from models.provider import CallbackFormat
from tests import factories
from tests.listening import listening

SECRET = "a-secret-of-the-shop"
CREDENTIALS = {"key": "k-1", "callback_secret": SECRET}
#: What all of them have in common.
_COMMON = """
title = "A shop"
source = "made up for tests"
currency = "USD"
credentials = ["key", "callback_secret"]
"""
_RULES = """
[[{table}.rules]]
where = {{ state = "done" }}
means = "completed"
[[{table}.rules]]
where = {{ state = "part" }}
means = "partial"
[[{table}.rules]]
where = {{ state = "open" }}
means = "{taken}"
[[{table}.rules]]
where = {{ state = "failed" }}
means = "failed"
[[{table}.rules]]
where = {{ state = "unknown" }}
means = "unknown"
"""
_REFUSALS = """
[[{table}.rules]]
where = {{ state = "later" }}
means = "not_now"
[[{table}.rules]]
where = {{ state = ["no", "no_order"] }}
means = "refused"
[[{table}.rules]]
where = {{ state = "no_stock" }}
means = "refused"
about = "product"
[[{table}.rules]]
where = {{ state = "no_player" }}
means = "refused"
about = "customer"
[[{table}.rules]]
where = {{ state = "no_money" }}
means = "refused"
about = "account"
lacks_balance = true
"""
_READ = """read = { own = "number", cost = "cost", message = "message", retry_after = "retry_after" }
codes = { each = "codes", code = "@" }
"""
_SEND = f"""
[send]
method = "POST"
path = "/buy"
json = {{ ref = "{{reference}}", player = "{{user}}", pieces = "{{quantity}}", back = "{{callback_url}}" }}
{_READ}
{(_RULES + _REFUSALS).format(table="send", taken="sent")}
"""
_CHECK = f"""
[check]
path = "/ask"
query = {{ ref = "{{reference}}", "number?" = "{{own}}" }}
{_READ}
{(_RULES + _REFUSALS).format(table="check", taken="processing")}
"""
#: Asked by our reference.
PLAIN = f"""{_COMMON}
[traits]
traces = "reference"
max_quantity = 5
{_SEND}{_CHECK}"""
#: The same, many at once by our references.
BULK = f"""{_COMMON}
[traits]
traces = "reference"
max_check = 100
{_SEND}{_CHECK.replace("read = { own", 'read = { reference = "ref", own')}
[check.many]
by = "reference"
query = {{ "ref?" = "", refs = "{{references}}" }}
lines = {{ each = "lines" }}
"""
#: Asked by the shop's own number only, many at once.
NUMBERED = f"""{_COMMON}
[traits]
traces = "own_number"
max_check = 100
{_SEND}{_CHECK}
[check.many]
by = "own"
query = {{ "ref?" = "", "number?" = "", numbers = "{{owns}}" }}
lines = {{ keys = "own" }}
"""
#: Never asked: only callbacks tell.
SILENT = f"""{_COMMON}
[traits]
traces = "nothing"
{_SEND}"""
#: Asking is sending again, within an hour.
BUYING = f"""{_COMMON}
[traits]
traces = "reference"
ask_buys = true
ask_within = "1h"
{_SEND}"""
#: A call may take 90 seconds.
SLOW = PLAIN.replace("max_quantity = 5", 'timeout = "90s"')
#: Callbacks signed with an HMAC of the body, by our reference or by the shop's own number.
SIGNED = f"""
[callback]
event_header = "X-Event"
read = {{ reference = "ref", own = "number", message = "message" }}
codes = {{ each = "codes", code = "@" }}
{_RULES.format(table="callback", taken="processing")}
[[callback.rules]]
where = {{ state = "news" }}
means = "ask"
[[callback.rules]]
where = {{ state = "hello" }}
means = "ping"
[callback.verify]
header = "X-Sign"
prefix = "v1="
equals = {{ text = "{{body}}", as = ["hmac_sha256:credentials.callback_secret", "hex"] }}
[callback.reply]
status = 201
body = '{{"seen": true}}'
type = "application/json"
"""

#: An answer that is lost on its way, after the shop has acted.
LOST = object()
#: The shop cuts the connection before it acts.
CUT = object()


@dataclass
class Shop:
    """Books each reference once; asked for one that it does not have, it says so, or buys where asking is sending."""

    #: What /buy makes of a new reference: a state, LOST (booked as open) or CUT. The last one repeats.
    sends: list[Any] = field(default_factory=lambda: ["open"])
    #: Answers to further calls by path, before anything else.
    says: dict[str, list[Any]] = field(default_factory=dict)
    #: By reference: the state, codes and number of what was bought.
    book: dict[str, dict[str, Any]] = field(default_factory=dict)
    bought: Counter[str] = field(default_factory=Counter)
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    #: Leaves these references out of lists, and names these twice.
    left_out: set[str] = field(default_factory=set)
    twice: set[str] = field(default_factory=set)
    #: What happens while a path is called, once.
    during: dict[str, Callable[[], object]] = field(default_factory=dict)
    delay_seconds: float = 0.0
    url: str = ""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def count(self, path: str) -> int:
        """How often a path was called."""
        return sum(called == path for called, _ in self.calls)

    def decide(self, state: str, *codes: str) -> None:
        """Everything in the book is so now."""
        for entry in self.book.values():
            entry |= {"state": state, "codes": list(codes)}

    def answer(self, path: str, fields: dict[str, Any]) -> Any:
        """JSON, LOST or CUT."""
        time.sleep(self.delay_seconds)
        with self._lock:
            self.calls.append((path, fields))
            happens = self.during.pop(path, None)
        if happens:
            with database.session():
                happens()
        with self._lock:
            if scripted := self.says.get(path):
                return scripted.pop(0) if len(scripted) > 1 else scripted[0]
            return self._buy(fields) if path == "/buy" else self._ask(fields)

    def _buy(self, fields: dict[str, Any]) -> Any:
        ref = fields["ref"]
        if ref in self.book:
            return self.book[ref]
        made = self.sends.pop(0) if len(self.sends) > 1 else self.sends[0]
        if made is CUT or (isinstance(made, str) and made not in ("open", "done", "part", "failed")):
            return CUT if made is CUT else {"state": made, "message": made}
        self.bought[ref] += 1
        state = "open" if made is LOST else made
        entry = {"ref": ref, "number": f"N{len(self.book) + 1}", "state": state, "codes": [], "cost": "1.50"}
        self.book[ref] = entry
        return LOST if made is LOST else entry

    def _ask(self, fields: dict[str, Any]) -> Any:
        by_number = {entry["number"]: entry for entry in self.book.values()}
        if "refs" in fields:
            named = [self.book[ref] for ref in fields["refs"].split(",") if ref in self.book]
            lines = [entry for entry in named if entry["ref"] not in self.left_out]
            return {"lines": lines + [entry for entry in lines if entry["ref"] in self.twice]}
        if "numbers" in fields:
            named = [by_number[number] for number in fields["numbers"].split(",") if number in by_number]
            return {entry["number"]: entry for entry in named if entry["ref"] not in self.left_out}
        found = by_number.get(fields.get("number", "")) or self.book.get(fields.get("ref", ""))
        return found or {"state": "unknown"}


class _Server(ThreadingHTTPServer):
    def __init__(self, shop: Shop) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.shop = shop


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        self._answer(parts.path, dict(parse_qsl(parts.query, keep_blank_values=True)))

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self._answer(self.path, json.loads(body))

    def _answer(self, path: str, fields: dict[str, Any]) -> None:
        said = self.server.shop.answer(path, fields)
        if said in (LOST, CUT):
            self.close_connection = True
            return
        status, said = said if isinstance(said, tuple) else (200, said)
        content = said if isinstance(said, bytes) else json.dumps(said).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""


#: Opens a shop that speaks the protocol of a text, as the provider of this id.
Opens = Callable[..., Shop]


@contextmanager
def opened(
    text: str, shop: Shop | None = None, provider_id: str = factories.SANDBOX, **fields: Any
) -> Iterator[Shop]:
    """A shop that speaks the protocol that `text` describes, as the provider of this id, with a route for anything."""
    shop, name = shop or Shop(), f"tried_{provider_id}"
    kinds.ADAPTERS[name] = Described(name, schema.load(text, f"{name}.toml"))
    try:
        with listening(_Server(shop)) as server:
            shop.url = f"http://127.0.0.1:{server.server_port}"
            given = {
                "callback": "none",
                "credentials": CREDENTIALS,
                "callback_format": CallbackFormat.PROTOCOL,
            } | fields
            provider.save(provider.Provider(provider_id, name, shop.url, **given))
            route.add("*", "*", provider_id, {})
            yield shop
    finally:
        del kinds.ADAPTERS[name]
