"""Sample exchanges, which prove a protocol file: what it makes of each, beside what is expected. Makes no call.

An exchange is an object of `name`, `op` (send, check, balance, catalogue, token or callback), `task` and `given` (the
order, and what is known beside it), `request` (what must be sent, or the callback that came), `response`, and `expect`
(what must be read). Only what `expect` names is compared. A check with `others` asks about those orders, too.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl
from xml.etree import ElementTree

from gateway.callbacks import contents
from gateway.callbacks.requests import CallbackRequest
from gateway.providers.base import About, AskNow, Balance, ProviderError, Task, UnreadableCallback
from gateway.providers.described import answers, callbacks
from gateway.providers.described.callbacks import Presented
from gateway.providers.described.protocol import Protocol
from gateway.providers.described.requests import Call, of_call
from gateway.providers.described.schema import Check, Means, Operation, Request, Step
from gateway.providers.described.speaker import NOT_BOOKED, among_several
from gateway.providers.described.templates import BadValue
from gateway.providers.described.values import Value
from gateway.signatures import BadSignature
from models import texts
from models.provider import Provider


class BadSample(ValueError):
    """An exchange cannot be run; the message says why."""


@dataclass(frozen=True, slots=True)
class Ran:
    """One exchange: what was expected, what was read, and where the two differ."""

    name: str
    op: str
    expected: Mapping[str, Any]
    read: Mapping[str, Any]
    #: What is not as the exchange has it, one line each.
    differences: Sequence[str] = field(default=())


def run(protocol: Protocol, exchanges: Sequence[Mapping[str, Any]]) -> list[Ran]:
    """Run each exchange. Raises BadSample."""
    return [_run(protocol, each) for each in exchanges]


def _run(protocol: Protocol, exchange: Mapping[str, Any]) -> Ran:
    try:
        name, op, expected = exchange["name"], exchange["op"], exchange["expect"]
        _check_keys(exchange)
        if "result" not in expected:
            raise BadSample(f"the exchange {name!r} expects no `result`, so that it proves nothing")
        if op == "callback":
            read, differences = _callback(protocol, exchange), list[str]()
        else:
            read, differences = _asked(protocol, exchange)
    except BadSample:
        raise
    except KeyError as error:
        raise BadSample(f"the exchange {exchange.get('name', '?')!r} lacks or misspells {error}") from None
    except (TypeError, AttributeError) as error:
        wrong = (
            f"has something of the wrong type, such as a number for a text or a list for an object ({error})"
        )
        raise BadSample(f"the exchange {exchange.get('name', '?')!r} {wrong}") from None
    except (ValueError, ArithmeticError, RecursionError, ElementTree.ParseError) as error:
        raise BadSample(f"the exchange {exchange.get('name', '?')!r} cannot be run: {error}") from None
    differences = [*differences, *_compared(expected, read)]
    return Ran(name, op, expected, read, differences)


def _check_keys(exchange: Mapping[str, Any]) -> None:
    """Raises BadSample for a key that nothing reads: what it says would not be proven."""
    for part, known in KNOWN.items():
        if unknown := sorted(set(exchange[part]) - set(known)):
            raise BadSample(
                f"the exchange {exchange['name']!r} has the unknown key `{part}.{unknown[0]}`;"
                f" `{part}` takes {', '.join(known)}"
            )


def task_of(exchange: Mapping[str, Any]) -> Task:
    """The order of an exchange."""
    said, given = exchange["task"], exchange["given"]
    return Task(
        said["referans"],
        said.get("user") or "",
        said.get("extra"),
        quantity=int(said.get("quantity", 1)),
        external_order_id=said.get("own"),
        params=given.get("params") or {},
        field_map=given.get("map") or {},
        created_at=datetime.fromisoformat(said["created_at"]) if said.get("created_at") else None,
        callback_url=_known(given, "callback_url"),
    )


def _known(given: Mapping[str, Any], name: str) -> str:
    """What stands beside the credentials, or among them."""
    return str(given.get(name) or given["credentials"].get(name) or "")


def provider_of(protocol: Protocol, exchange: Mapping[str, Any]) -> Provider:
    """The provider of an exchange."""
    return Provider(
        "sample", protocol.name, "http://sample.example", "protocol", dict(exchange["given"]["credentials"])
    )


def _asked(protocol: Protocol, exchange: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    provider, task = provider_of(protocol, exchange), task_of(exchange)
    others = [task_of({**exchange, "task": each}) for each in exchange.get("others") or ()]
    values = protocol.values(
        provider, task, *others, now=datetime.fromtimestamp(exchange["given"]["now"], UTC)
    )
    values["token"] = _known(exchange["given"], "token")
    operation, differences = _operation(protocol, exchange, values)
    response = exchange["response"]
    answer = answers.parse(
        operation.answer, response["status"], (response["body"] or "").encode(), columns=operation.columns
    )
    op = exchange["op"]
    if isinstance(operation, Check) and operation.many and others:
        whole = answers.first(operation, answer, answer.tree, protocol.values(provider))
        of_task = protocol.values(provider, task)
        meant = among_several(operation.many, whole, answer, of_task, task.expects)
    else:
        meant = protocol.read(operation, answer, values, task.expects)
    if op == "token":
        return _token(meant, answer), differences
    if op == "send" and meant and meant.means in NOT_BOOKED and not _may_refuse(operation):
        why = "only a step with `books = true` says that nothing is booked"
        return {"result": Means.NOTHING_LEARNED.value, "why": why}, differences
    try:
        if op == "balance":
            return _balance(protocol.balance(meant, answer, provider)), differences
        if op == "catalogue":
            packages = protocol.packages(protocol.file.catalogue, meant, answer, provider)  # type: ignore[arg-type]
            first = packages[0] if packages else None
            told = {"id": first.id, "name": first.name, "price": str(first.price)} if first else {}
            return {"result": "ok", "count": len(packages), **told}, differences
        said = (
            protocol.sent(meant, answer, task, provider)
            if op == "send"
            else protocol.checked(meant, answer, task, provider)
        )
    except ProviderError as error:
        said = error
    return _said(meant, said, op), differences


def _may_refuse(operation: Operation) -> bool:
    """Whether it is the call that orders, or the step that does."""
    return not isinstance(operation, Step) or operation.books


def _operation(
    protocol: Protocol, exchange: Mapping[str, Any], values: Mapping[str, Any]
) -> tuple[Operation, list[str]]:
    """The call that is made, and how it differs from the exchange: of a send or check the step that differs least."""
    file, op = protocol.file, exchange["op"]
    if exchange.get("others"):
        if op != "check" or file.check is None or file.check.many is None:
            raise BadSample(
                f"the exchange {exchange['name']!r} has `others`, and is no check with `check.many`"
            )
        return file.check, _difference(protocol, file.check.many, exchange["request"], values)
    named = {
        "send": file.send,
        "check": file.check or file.send,
        "balance": file.balance,
        "catalogue": file.catalogue,
        "token": file.token,
    }
    if op not in named:
        raise BadSample(
            f"the exchange {exchange['name']!r}: `op` must be one of {', '.join(named)} or callback, not {op!r}"
        )
    candidates = [
        each
        for each in (named[op], *(file.steps.values() if op in ("send", "check") else ()))
        if each is not None
    ]
    if not candidates:
        raise BadSample(f"the exchange {exchange['name']!r} is a {op}, and the file has no `[{op}]`")
    tried = [(each, _difference(protocol, each, exchange["request"], values)) for each in candidates]
    return min(tried, key=lambda one: (any(each.startswith(UNMADE) for each in one[1]), len(one[1])))


def _difference(
    protocol: Protocol, request: Request, wanted: Mapping[str, Any], values: Mapping[str, Any]
) -> list[str]:
    try:
        call = protocol.build(request, values)
    except BadValue as error:
        return [f"{UNMADE}: {error}"]
    made = (
        ("method", call.method, wanted["method"]),
        ("path", call.path, wanted["path"]),
        ("query", dict(call.query), dict(wanted.get("query") or {})),
        ("headers", _headers(call.headers), _headers(wanted.get("headers") or {})),
        ("body", _body(call), _body_of(wanted)),
    )
    lines = [line for each in made for line in _unlike(*each)]
    signed = [
        f"{name} is made from {text!r}"
        for name, text in _signed(request, of_call(call.method, call.path, call.body, values))
        if any(line.startswith(f"{name} is ") for line in lines)
    ]
    return [f"request: {line}" for line in (*lines, *signed)]


def _signed(request: Request, values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The fields that are digests, by the names that differences have, and the text that each is made from."""
    for part, table in (
        ("query", request.query),
        ("headers", request.headers),
        ("body", request.form or request.body),
    ):
        for name, each in (table or {}).items():
            if isinstance(each, Value) and each.filters.digests:
                called = name.text.fill(values)
                yield (
                    f"{part}: {called.lower() if part == 'headers' else called}",
                    each.text.fill(values),
                )


def _unlike(name: str, ours: Any, theirs: Any) -> Iterator[str]:
    """Where two values differ, one line each; of tables, the names whose values do."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for each in {**theirs, **ours}:
            yield from _unlike(f"{name}: {each}", ours.get(each, ABSENT), theirs.get(each, ABSENT))
    elif ours != theirs:
        yield f"{name} is {_quoted(ours)}, expected {_quoted(theirs)}"


def _quoted(value: Any) -> str:
    return "absent" if value is ABSENT else repr(value)


#: A name that stands in one of two tables alone.
ABSENT = object()
#: How the line begins for a request that cannot be made.
UNMADE = "the request cannot be made"


def _headers(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def _body(call: Call) -> Any:
    return _comparable(
        call.body.decode() if call.body else "", _headers(call.headers).get("content-type", "")
    )


def _body_of(wanted: Mapping[str, Any]) -> Any:
    return _comparable(
        wanted.get("body") or "", _headers(wanted.get("headers") or {}).get("content-type", "")
    )


def _comparable(body: str, kind: str) -> Any:
    """A body by what it says, and not by how it is written."""
    if "json" in kind:
        return json.loads(body, parse_float=Decimal)
    if "form-urlencoded" in kind:
        return {name: _canonical(value) for name, value in parse_qsl(body, keep_blank_values=True)}
    return _canonical(body)


def _canonical(text: str) -> str:
    return ElementTree.canonicalize(text) if text.startswith("<") else text


def _token(meant: answers.Meant | None, answer: answers.Answer) -> dict[str, Any]:
    """What comes of the answer to a login."""
    if meant and meant.means is Means.OK and meant.parts.get("token"):
        return {"result": "ok", **{name: meant.parts.get(name) for name in ("token", "expires_in")}}
    if meant and meant.means is Means.REFUSED:
        return {"result": "refused", "about": About.ACCOUNT.value, "note": meant.parts.get("message")}
    is_later = meant is not None and meant.means is Means.NOT_NOW
    return {"result": "not_now" if is_later else "no_answer", "why": f"HTTP {answer.http} without a token"}


def _balance(found: Balance) -> dict[str, Any]:
    return {"result": "ok", "amount": str(found.amount), "currency": found.currency or None}


def _said(meant: answers.Meant | None, said: Any, op: str) -> dict[str, Any]:
    """What was read, in the words of exchanges."""
    if isinstance(said, AskNow):
        result = Means.ASK.value
    elif isinstance(said, ProviderError):
        result = ERRORS[type(said).__name__]
        if op == "send" and (result == "nothing_learned" or (meant and meant.means is Means.IN_DOUBT)):
            result = Means.IN_DOUBT.value
    else:
        result = Means.PARTIAL.value if meant and meant.means is Means.PARTIAL else said.status.value
    read: dict[str, Any] = {"result": result}
    if about := getattr(said, "about", None):
        read["about"] = about.value
    if meant is None:
        return read | ({"why": str(said)} if isinstance(said, ProviderError) else {})
    parts = dict(meant.parts)
    read |= {
        "own": parts.get("own"),
        "note": parts.get("message"),
        "cost": None if (cost := texts.clean_money(parts.get("cost", ""))) is None else str(cost),
        **{name: parts.get(name) for name in ("currency", "receipt", "remains")},
    }
    if meant.codes:
        first = meant.codes[0]
        read |= {"pin": first.code, "serial": first.serial}
        read["cards"] = [each.as_dict() for each in meant.codes]
    return {name: value for name, value in read.items() if value is not None}


#: What each error is in the words of exchanges.
ERRORS = {
    "Refused": "refused",
    "NotNow": "not_now",
    "InDoubt": "in_doubt",
    "NoAnswer": "no_answer",
    "QuestionRefused": "nothing_learned",
    "UnknownReference": "unknown",
    "CannotAsk": "cannot_ask",
}


def _callback(protocol: Protocol, exchange: Mapping[str, Any]) -> dict[str, Any]:
    """What is read of a callback. The secret of one that cannot be signed is the last part of the path."""
    said, provider = exchange["request"], provider_of(protocol, exchange)
    query = {name: [value] for name, value in (said.get("query") or {}).items()}
    headers, body = _headers(said.get("headers") or {}), (said.get("body") or "").encode()
    fields = contents.read_fields(CallbackRequest(said["method"], None, query, headers, body))
    presented = Presented(said["method"], said["path"], headers, body, fields)
    described = protocol.file.callback
    now = datetime.fromtimestamp(exchange["given"]["now"], UTC)
    try:
        if described is not None and described.verify is not None and not described.verify.token:
            callbacks.verify(protocol, provider, presented, now)
        meant, outcome = protocol.callback(fields, body.decode())
    except BadSignature:
        return {"result": "bad_signature"}
    except UnreadableCallback as error:
        return {"result": "unreadable", "note": str(error)}
    if meant is None or outcome is None:
        return {"result": "ping"}
    read = _said(meant, outcome, "callback")
    return read | {"ref": outcome.referans}


def _compared(expected: Mapping[str, Any], read: Mapping[str, Any]) -> list[str]:
    why = f" ({read['why']})" if "why" in read else ""
    return [
        f"{name} is {read.get(name)!r}{why if name == 'result' else ''}, expected {value!r}"
        for name, value in expected.items()
        if not (_is_same_amount if name in AMOUNTS else _is_same)(value, read.get(name))
    ]


def _is_same_amount(expected: Any, read: Any) -> bool:
    """An amount is read whatever its decimal sign is, and may be expected so."""
    return (texts.clean_money(str(expected)) or expected) == (texts.clean_money(str(read)) or read)


def _is_same(expected: Any, read: Any) -> bool:
    if isinstance(expected, list) and isinstance(read, list):
        return len(expected) == len(read) and all(map(_is_same, expected, read))
    if isinstance(expected, Mapping) and isinstance(read, Mapping):
        return all(_is_same(value, read.get(name)) for name, value in expected.items() if name in CODE_PARTS)
    if expected is None or read is None:
        return expected is read
    return str(expected) == str(read)


#: The keys of the parts of an exchange. `phone` and `step` are of former versions.
KNOWN = {
    "task": ("referans", "user", "extra", "quantity", "own", "created_at", "phone", "step"),
    "given": ("credentials", "params", "map", "token", "callback_url", "now"),
}
#: What is read as an amount of money.
AMOUNTS = frozenset({"cost", "amount", "price"})
#: The parts of a code that are kept; what else an exchange has of it is not.
CODE_PARTS = frozenset({"code", "pin", "serial", "expires_at"})
