"""Every parser of what comes from outside, with real samples of it."""

import base64
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

import falcon
import gevent
import typer
from falcon.testing import create_req
from gevent import socket
from gunicorn.config import Config
from gunicorn.http.errors import NoMoreData, ParseException

from gateway import inputs, log, outbound, serving, strict_json
from gateway import settings as gateway_settings
from gateway.callbacks import allow_list, forms, reading
from gateway.callbacks.reading import Unreadable
from gateway.callbacks.requests import CallbackRequest
from gateway.callbacks.verifiers import VERIFIERS
from gateway.clients import Client, Crowd
from gateway.commands import durations, options, printing, stock
from gateway.providers import adapter_for, players
from gateway.providers.base import ProviderError, Task, UnreadableCallback, known
from gateway.providers.znet import BALANCE_BYTES, CATALOGUE_BYTES, CHECK_BYTES, SEND_BYTES
from gateway.settings import SettingsError
from gateway.signatures import BadSignature
from gateway.web import addresses, orders, schemas
from gateway.web.errors import Problem
from models import code_lines, codes, masking, texts
from models.code_lines import InvalidLine
from models.outcome import Outcome
from models.provider import CallbackFormat, Provider
from tests import factories
from tests.acceptance.fuzz.running import Parser
from tests.acceptance.fuzz.samples import (
    ANSWERS,
    CALLBACKS,
    CATALOGUES,
    ENVIRONMENTS,
    FORMS,
    HEADS,
    LINES,
    MULTIPART,
    NEUTRAL,
    ORDERS,
    QUERIES,
    TEXTS,
)

NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)
TOKEN = "token-of-the-panel"
CREDENTIALS = factories.CREDENTIALS | {"callback_secret": TOKEN, "callback_user": "panel"}
PANEL = Provider(
    "panel", "znet", "http://127.0.0.1:1", "token", CREDENTIALS, callback_format=CallbackFormat.PROTOCOL
)
NEUTRAL_PANEL = Provider(
    "panel", "znet", "http://x", "token", CREDENTIALS, callback_format=CallbackFormat.NEUTRAL
)
OLD_PANEL = Provider("panel", "znet", "http://x", "token", CREDENTIALS)
TASK = Task(
    "123456789012345", "5123456789", "05321234567", params={"oyun": "1", "kupur": "60"}, codes=("ABCD-1234",)
)
TIMEZONE = ZoneInfo("Asia/Damascus")


def parsers() -> Iterator[Parser]:
    """All of them."""
    yield from _of_providers()
    yield from _of_callbacks()
    yield from _of_verifiers()
    yield from _of_the_api()
    yield from _of_requests()
    yield from _of_commands()
    yield from _of_texts()


class _Answering(outbound.Client):
    """Answers every call with the same bytes, bounded as over the wire."""

    answer = b""

    def get(self, url: str, params: Any = None, *, max_bytes: int | None = None) -> outbound.Response:
        if len(self.answer) > (max_bytes or 0):
            raise outbound.NoAnswer("the answer is too large")
        return outbound.Response(200, {}, self.answer)


def _check(panel: Any) -> Outcome:
    learned: Outcome | ProviderError
    [learned] = panel.check([TASK])
    if isinstance(learned, ProviderError):
        raise learned
    return learned


def _of_providers() -> Iterator[Parser]:
    calls: dict[str, tuple[Callable[[Any], Any], Sequence[bytes], int]] = {
        "send": (lambda panel: panel.send(TASK), ANSWERS, SEND_BYTES),
        "check": (_check, ANSWERS, CHECK_BYTES),
        "balance": (lambda panel: panel.balance(), ANSWERS, BALANCE_BYTES),
        "catalogue": (lambda panel: panel.catalogue(), CATALOGUES, CATALOGUE_BYTES),
    }
    for name, (call, samples, most_bytes) in calls.items():
        yield Parser(f"znet: {name}", samples, partial(_answered, call), (ProviderError,), most_bytes + 10)


def _answered(call: Callable[[Any], Any], data: bytes) -> Any:
    client = _Answering()
    client.answer = data
    with masking.knowing(known(PANEL, TASK)):
        return call(adapter_for(PANEL, client))


def _of_callbacks() -> Iterator[Parser]:
    errors = (Unreadable, UnreadableCallback)
    yield Parser("callbacks: znet", CALLBACKS, partial(_received, PANEL), errors)
    yield Parser("callbacks: neutral", NEUTRAL, partial(_received, NEUTRAL_PANEL), errors)
    yield Parser("callbacks: either", [*CALLBACKS, *NEUTRAL], partial(_received, OLD_PANEL), errors)
    yield Parser("forms", FORMS, lambda data: forms.nested(forms.parse(data)), (UnreadableCallback,))
    yield Parser("forms: multipart", MULTIPART, _multipart, (UnreadableCallback,))
    yield Parser("JSON", [*NEUTRAL, *ORDERS], strict_json.loads, (strict_json.NotJson,))


def _received(provider: Provider, data: bytes) -> Any:
    """The method, the content type and the query stand on lines in front of the body."""
    method, content_type, query, body = (data.split(b"\n", 3) + [b""] * 4)[:4]
    headers = {"x-callback-token": TOKEN, "content-type": content_type.decode("latin-1")}
    verb = {b"GET": "GET", b"HEAD": "HEAD"}.get(method.strip(), "POST")
    request = CallbackRequest(verb, None, forms.parse(query) if query else {}, headers, body)
    try:
        return reading.receive(provider, request, trust_seconds=600, now=NOW)
    except Unreadable as error:
        _read_again(provider, error)
        raise


def _read_again(provider: Provider, error: Unreadable) -> None:
    """As `gateway callbacks replay` does."""
    try:
        reading.read_again(provider, error.raw, error.dedupe_key)
    except UnreadableCallback:
        return


def _multipart(data: bytes) -> Any:
    content_type, _, body = data.partition(b"\n")
    return forms.nested(forms.parse_multipart(body, content_type.decode("latin-1")))


def _of_verifiers() -> Iterator[Parser]:
    body = b'{"provider_referans": "123456789012345", "status": "completed"}'
    settings: dict[str, Mapping[str, str]] = {
        "hmac": {"header": "X-Signature", "template": "{header:X-Timestamp}.{body}", "encoding": "base64"},
        "token": {},
        "basic": {},
        "standard-webhooks": {},
    }
    for name, given in settings.items():
        kind = VERIFIERS[name]
        secret = factories.CREDENTIALS["callback_secret"] if name == "standard-webhooks" else TOKEN
        made = CREDENTIALS | {"callback_secret": f"{secret} {secret[:-4]}"}
        provider = Provider(
            "panel", "znet", "http://x", name, made, callback_options=kind.read_options(given)
        )
        headers = kind.sign(provider, {"content-type": "application/json"}, body, NOW)
        plain = "\n".join(f"{header}: {value}" for header, value in headers.items()).encode()
        samples = [
            plain + b"\n\n" + body,
            b"token=" + TOKEN.encode() + b"\n" + plain + b"\n\n" + body,
            plain + b"\n\n",
        ]
        yield Parser(
            f"verifiers: {name}", samples, partial(_verified, provider), (BadSignature, UnreadableCallback)
        )
    yield Parser(
        "verifiers: options",
        [b"header=X-Signature\ntemplate={header:A}.{body}\nencoding=hex"],
        _options,
        (ValueError,),
    )
    yield Parser(
        "addresses that may call",
        [b"192.0.2.0/24", b"::ffff:192.0.2.0/120", b"2001:db8::/32"],
        _network,
        (ValueError,),
    )


def _verified(provider: Provider, data: bytes) -> Any:
    head, _, body = data.partition(b"\n\n")
    query, headers = {}, {}
    for line in head.split(b"\n"):
        name, colon, value = line.decode("latin-1").partition(":")
        if colon:
            headers[name.strip().lower()] = value.strip()
        else:
            query |= forms.parse(line)
    request = CallbackRequest("POST", query.get("path") and str(query["path"]), query, headers, body)
    return VERIFIERS[provider.callback].verify(provider, request, NOW)


def _options(data: bytes) -> Any:
    given = dict(_pairs(data))
    return VERIFIERS["hmac"].read_options({name: value for name, value in given.items() if name in _HMAC})


_HMAC = ("header", "algorithm", "encoding", "template")


def _network(data: bytes) -> Any:
    return allow_list.allows((allow_list.read(_text(data)),), "192.0.2.1")


def _pairs(data: bytes) -> Iterator[tuple[str, str]]:
    for line in data.split(b"\n"):
        name, _, value = _text(line).partition("=")
        yield name, value


def _text(data: bytes) -> str:
    """As Python gives a program what is not UTF-8."""
    return data.decode(errors="surrogateescape")


def _of_the_api() -> Iterator[Parser]:
    refused = (Problem, strict_json.NotJson, falcon.HTTPError)
    kinds = {
        "orders": partial(schemas.read_order, rules=schemas.NotifyRules(is_signed=True)),
        "decisions": schemas.read_resolution,
        "resends": schemas.read_resend,
    }
    for name, read in kinds.items():
        yield Parser(f"API: {name}", ORDERS, partial(_body, read), refused)
    for name, kind in {"lists": schemas.ListOrders, "events": schemas.ListEvents}.items():
        yield Parser(f"API: {name}", QUERIES, partial(_query, kind), refused, 4_000)
    yield Parser(
        "API: cursors",
        [_cursor(b'["2026-07-01T12:00:00+00:00","00000000-0000-4000-8000-000000000000"]'), _cursor(b"17")],
        _cursors,
        (ValueError,),
        4_000,
    )
    yield Parser(
        "API: cursors, unpacked",
        [b'["2026-07-01T12:00:00+00:00","00000000-0000-4000-8000-000000000000"]', b"17"],
        lambda data: _cursors(_cursor(data)),
        (ValueError,),
        3_000,
    )
    yield Parser("Idempotency-Key", [b"key-1", b"a" * 255], _idempotency_key, refused, 8_000)
    yield Parser(
        "X-Forwarded-For",
        [b"203.0.113.9, 198.51.100.7", b"[2001:db8::1]:443", b"::ffff:192.0.2.1"],
        _forwarded,
        (),
        8_000,
    )


def _body(read: Callable[[Any], Any], data: bytes) -> Any:
    body = strict_json.loads(data)
    return read(body) if isinstance(body, dict) else None


def _query(kind: Any, data: bytes) -> Any:
    return schemas.read_query(kind, _request(QUERY_STRING=data.decode("latin-1")).params)


def _cursor(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def _cursors(data: bytes) -> Any:
    text = data.decode("latin-1")
    try:
        return schemas.read_event_cursor(text)
    except ValueError:
        return schemas.read_cursor(text)


_ENVIRONMENT = create_req().env


def _request(**environ: str) -> falcon.Request:
    return falcon.Request({**_ENVIRONMENT, **environ})


def _idempotency_key(data: bytes) -> Any:
    return orders._idempotency_key(_request(HTTP_IDEMPOTENCY_KEY=data.decode("latin-1")))


def _forwarded(data: bytes) -> None:
    req = _request(HTTP_X_FORWARDED_FOR=data.decode("latin-1"))
    for proxies in range(3):
        allow_list.allows(("192.0.2.0/24",), addresses.client_address(req, proxies))
        addresses.client_network(req, proxies).encode()


def _of_requests() -> Iterator[Parser]:
    yield Parser("heads of requests", HEADS, _requests, (ParseException, NoMoreData))
    yield Parser(
        "request lines of callbacks",
        HEADS,
        lambda data: serving.encoded_line(data.partition(b"\r\n")[0]),
        (),
        4_000,
    )


_config = Config()
for _name, _value in {
    "http_parser": "python",
    "limit_request_line": 4094,
    "limit_request_fields": 64,
    "forwarded_allow_ips": "",
}.items():
    _config.set(_name, _value)


def _requests(data: bytes) -> None:
    """Every request in these bytes, with its body, as a worker reads them from a connection."""
    ours, theirs = socket.socketpair()
    with theirs:
        sending = gevent.spawn(_send, theirs, data)
        client = Client(ours, 95, Crowd(10))
        try:
            for request in serving.Requests(_config, client, ("127.0.0.1", 1)):
                request.body.read(64 * 1024 + 1)
        finally:
            sending.kill()
            ours.close()


def _send(theirs: Any, data: bytes) -> None:
    try:
        theirs.sendall(data)
        theirs.shutdown(socket.SHUT_WR)
    except OSError:
        return


def _of_commands() -> Iterator[Parser]:
    yield Parser(
        "stock: lines",
        LINES,
        lambda data: stock._read(data.decode("utf-8-sig"), TIMEZONE),
        (UnicodeDecodeError,),
    )
    yield Parser("codes: lines", LINES, _codes, (InvalidLine,))
    given = [b"15m", b"2.5h", b"90d", b"2026-07-01T03:00", b"12.50", b"TRY", b"none", b"17"]
    yield Parser("options", given, _option_values, (), 4_000)
    yield Parser(
        "templates",
        [b"{userIdentifier} {extraField}", b"0{extraField}", b"a{zone}b"],
        _template,
        (ValueError,),
        4_000,
    )
    yield Parser(
        "URLs",
        [b"https://panel.example:8443/x", b"http://169.254.1.1", b"http://[::ffff:a9fe:101]/"],
        _url,
        (ValueError,),
        4_000,
    )
    yield Parser(
        "settings", ENVIRONMENTS, lambda data: gateway_settings.notes(_loaded(data)), (SettingsError,), 8_000
    )


def _codes(data: bytes) -> None:
    for line in _text(data).split("\n"):
        if line.strip():
            code_lines.code_in(line.strip())


def _option_values(data: bytes) -> None:
    text = _text(data)
    read: list[Callable[[str], Any]] = [
        *(options.amount, options.currency, options.number(0), options.or_none(options.number(1))),
        *(
            lambda value: durations.since(value, "Asia/Damascus"),
            lambda value: durations.lasting(value, "--expires"),
        ),
        *(stock._name, stock._cost, stock._currency),
    ]
    for each in read:
        try:
            each(text)
        except typer.BadParameter as error:
            printing.texts.one_line(error.message)


def _template(data: bytes) -> Any:
    text = _text(data)
    fields = {"userIdentifier": text, "extraField": text[:300], "zone": "1"}
    players.mapped_fields({"oyuncu_bilgi": text, "musteri_tel": text}, fields)
    players.default_fields(text, text)
    return players.check_template(text, ["zone"])


def _url(data: bytes) -> Any:
    return inputs.host_address(inputs.http_url(_text(data)).hostname or "")


def _loaded(data: bytes) -> Mapping[str, str]:
    environ = dict(_pairs(data))
    gateway_settings.load(environ)
    return environ


def _of_texts() -> Iterator[Parser]:
    yield Parser("texts of providers", TEXTS, _masked, ())
    yield Parser(
        "lines of the log",
        TEXTS,
        lambda data: log.mask_event(
            None, "", {"event": _text(data), "password": data, "of": {"pin": _text(data)}}
        ),
        (),
    )
    yield Parser(
        "amounts and codes", TEXTS, lambda data: (texts.clean_money(_text(data)), codes.read(_text(data))), ()
    )
    yield Parser(
        "what is printed",
        TEXTS,
        lambda data: json.loads(printing.UNSAFE_IN_JSON.sub("", json.dumps(texts.one_line(_text(data))))),
        (),
    )


def _masked(data: bytes) -> None:
    text = _text(data)
    with masking.knowing(known(PANEL, TASK)):
        shown = masking.mask(text, codes=("ABCD-1234", "12"), own=(text[:20],))
        masking.unreadable("cannot be read", text)
        masking.mask_lines(text)
    for credential in PANEL.credentials.values():
        assert credential not in shown
