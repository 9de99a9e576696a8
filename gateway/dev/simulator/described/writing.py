"""Answers and callbacks: a sample's text, with other values where its own stand."""

import base64
import hashlib
import hmac
import json
import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from string import Template
from xml.sax.saxutils import escape

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

from gateway.dev.simulator.described.reading import read, tree_at
from gateway.dev.simulator.described.sheet import Recipe, Reply, Sample, Sheet
from gateway.dev.simulator.server import Asked

#: Shorter texts of a sample's order are not looked for in its answer.
MIN_FOUND = 6


class BadSheet(ValueError):
    """A sheet does not fit its samples; the message says where."""


class Raw(str):
    """Text that is written as it is."""

    __slots__ = ()


class Values(dict[str, str]):
    """What templates may name. A value that has a recipe is made when it is named."""

    def __init__(self, values: Mapping[str, str], recipes: Mapping[str, Recipe]) -> None:
        super().__init__(values)
        self._recipes = recipes

    def __missing__(self, name: str) -> str:
        return made(self._recipes[name], self)

    def beside(self, **more: str) -> "Values":
        return Values({**self, **more}, self._recipes)


@dataclass(frozen=True, slots=True)
class Written:
    """An answer or a callback as a template."""

    status: int
    type: str
    body: str
    #: Of a callback: its query.
    fields: tuple[tuple[str, str], ...] = ()

    def text(self, values: Values) -> str:
        return fill(self.body, values, self.type)

    def query(self, values: Values) -> list[tuple[str, str]]:
        return [(name, fill(value, values)) for name, value in self.fields]


def fill(template: str, values: Values, kind: str = "") -> str:
    """The template with its values, written as the content type `kind` wants them. Raises KeyError."""
    write = next((write for part, write in ESCAPES.items() if part in kind), str)
    return Template(template).substitute(_Escaped(values, write))


class _Escaped(dict[str, str]):
    def __init__(self, values: Values, write: Callable[[str], str]) -> None:
        super().__init__()
        self._values, self._write = values, write

    def __missing__(self, name: str) -> str:
        value = self._values[name]
        return value if isinstance(value, Raw) else self._write(value)


#: How a value is written, by a part of the content type.
ESCAPES: dict[str, Callable[[str], str]] = {
    "json": lambda value: json.dumps(value, ensure_ascii=False)[1:-1],
    "xml": escape,
}


def moment() -> dict[str, str]:
    """What templates may name of the time, and a text that is used once."""
    now = datetime.now(UTC)
    seconds = int(now.timestamp())
    return {
        "unix": str(seconds),
        "unix_ms": f"{seconds}000",
        "iso": now.isoformat(),
        "nonce": str(uuid.uuid4()),
    }


def written(name: str, sheet: Sheet, samples: tuple[Sample, ...], reply: Reply) -> Written:
    """A reply of the sheet `name`. Raises BadSheet."""
    sample = next((each for each in samples if each.name == reply.sample), None)
    if sample is None and reply.sample:
        raise BadSheet(f"{name}: there is no sample {reply.sample!r}")
    said = (sample.request if sample.response is None else sample.response) if sample else {}
    body = (said.get("body") or "") if reply.body is None else reply.body
    if reply.at:
        body = json.dumps(tree_at(json.loads(body), reply.at), ensure_ascii=False, separators=(",", ":"))
    if missing := [
        old for old in reply.change if old not in body and old not in (said.get("query") or {}).values()
    ]:
        raise BadSheet(f"{name}: {reply.sample!r} does not contain {missing[0]!r}")
    known = sorted({**_found(sheet, samples), **sheet.stands}.items(), key=lambda each: -len(each[0]))
    places = {**reply.change, **{old: new for old, new in known if old not in reply.change}} if sample else {}
    query = reply.fields or {field: _put(value, places) for field, value in (said.get("query") or {}).items()}
    return Written(
        reply.status or said.get("status", 200),
        reply.type or (said.get("headers") or {}).get("Content-Type", "application/json"),
        body if reply.body is not None else _put(body, places),
        tuple(query.items()),
    )


def _found(sheet: Sheet, samples: tuple[Sample, ...]) -> dict[str, str]:
    """References, players and what is proven in the samples' requests, each with the template of it."""
    found: dict[str, str] = {}
    for sample in samples:
        known = read(sheet.calls, asked_of(sample)) if sample.op != "callback" else None
        if known is not None:
            call = known.call
            proves = sheet.proves if call.proves is None else call.proves
            places = {**proves, call.reference: "$reference", call.player: "$player"}
            found |= {known.at(place).strip("[]"): template for place, template in places.items()}
    return {value: template for value, template in found.items() if len(value) >= MIN_FOUND}


def asked_of(sample: Sample) -> Asked:
    """The request of a sample, as it would come."""
    said = sample.request
    headers = {name.lower(): value for name, value in (said.get("headers") or {}).items()}
    body = (said.get("body") or "").encode()
    return Asked(said["method"], said["path"], said.get("query") or {}, headers, body)


def _put(text: str, places: Mapping[str, str]) -> str:
    """`text` as a template: what is looked for is replaced in one pass, so that nothing is replaced twice."""
    pattern = "|".join(map(re.escape, places)) or r"(?!)"
    return re.sub(rf"{pattern}|\$", lambda found: places.get(found[0], "$$"), text)


def made(recipe: Recipe, values: Values) -> str:
    """What a recipe makes of the values."""
    if recipe.by == "json":
        return Raw(fill(recipe.of, values, recipe.by))
    text = fill(recipe.of, values).encode()
    if recipe.by == "aes_cbc":
        data = _encrypted(text, fill(recipe.key, values), fill(recipe.iv, values))
    elif recipe.by.startswith("hmac_"):
        secret = fill(recipe.key, values)
        key = base64.b64decode(secret.removeprefix("whsec_")) if recipe.whsec else secret.encode()
        data = hmac.digest(key, text, recipe.by.removeprefix("hmac_"))
    else:
        data = text if recipe.by == "base64" else hashlib.new(recipe.by, text, usedforsecurity=False).digest()
    return _encoded(data, "base64" if recipe.by == "base64" else recipe.to)[: recipe.first]


def _encoded(data: bytes, to: str) -> str:
    if to == "hex":
        return data.hex()
    if to == "base64url":
        return base64.urlsafe_b64encode(data).decode().rstrip("=")
    for _ in range(2 if to == "base64 twice" else 1):
        data = base64.b64encode(data)
    return data.decode()


def _encrypted(text: bytes, key: str, iv: str) -> bytes:
    padder = PKCS7(128).padder()
    encryptor = Cipher(algorithms.AES(key.encode()), modes.CBC(iv.encode())).encryptor()
    return encryptor.update(padder.update(text) + padder.finalize()) + encryptor.finalize()
