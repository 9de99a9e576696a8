"""Texts with places that are filled in: `{credentials.api_key}`, `{created_at|date:%Y%m%d:Africa/Lagos}`. Pure.

A place names a value and, behind bars, filters that change it, from left to right. There are no expressions and no
loops. What a template makes is put into a query, a form, JSON or XML as a value, and encoded there.
"""

import base64
import hashlib
import hmac
import re
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from gateway.providers import players

#: A place in a template: a name, then filters with their arguments.
PLACE = re.compile(r"\{([a-z_][\w.]*)((?:\|[a-z0-9_]+(?::[^{}|]*)?)*)\}")
#: Characters of a template.
MAX_TEMPLATE = 2_000
#: The high half of a UUID that is made of a reference of ours: version 4 by its form.
UUID_HIGH = int.from_bytes(hashlib.sha256(b"referans").digest()[:8], "big") & ~0xF000 | 0x4000
#: Bits of a reference in a UUID.
UUID_BITS = 62

#: What a filter takes and makes: text, or bytes between a digest and its encoding.
Value = str | bytes
#: The values that a template may name; one that is not there is empty.
Values = Mapping[str, Any]


class BadTemplate(ValueError):
    """A template cannot work; the message says why."""


class BadValue(ValueError):
    """A value does not go through a filter; the message names the filter and repeats nothing of the value."""


def to_uuid(referans: str) -> str:
    """A UUID of the form of version 4 that has our reference in it; `from_uuid` reads it back."""
    if not referans.isdecimal() or int(referans) >= 1 << UUID_BITS:
        raise BadValue("uuid: only a reference of ours fits into one")
    return str(uuid.UUID(int=UUID_HIGH << 64 | 0b10 << UUID_BITS | int(referans)))


def from_uuid(text: str) -> str | None:
    """The reference that `to_uuid` has put in; None for any other text."""
    try:
        number = uuid.UUID(text).int
    except ValueError:
        return None
    referans = str(number & (1 << UUID_BITS) - 1)
    return referans if to_uuid(referans) == str(uuid.UUID(text)) else None


def _bytes(value: Value) -> bytes:
    return value if isinstance(value, bytes) else value.encode(errors="surrogateescape")


def _text(value: Value) -> str:
    if isinstance(value, bytes):
        raise BadValue("a digest must be encoded, as by `|hex`")
    return value


def _date(value: Value, argument: str) -> str:
    pattern, _, zone = argument.rpartition(":")
    return datetime.fromisoformat(_text(value)).astimezone(ZoneInfo(zone)).strftime(pattern)


def _base64url(value: Value, argument: str) -> str:
    return base64.urlsafe_b64encode(_bytes(value)).decode().rstrip("=")


def _phone(value: Value, argument: str) -> str:
    number = players.phone(_text(value))
    if number is None and value:
        raise BadValue("phone: the value is not a phone number")
    return number or ""


def _ending(value: Value, argument: str) -> str:
    text = _text(value).rstrip("/")
    return text if text.endswith(argument) else text + argument


def _hashed(name: str) -> Callable[[Value, str], bytes]:
    return lambda value, argument: hashlib.new(name, _bytes(value), usedforsecurity=False).digest()


def _signed(name: str) -> Callable[[Value, str], bytes]:
    return lambda value, secret: hmac.digest(secret.encode(), _bytes(value), name)


#: By name. One that signs is given the value that its argument names.
FILTERS: dict[str, Callable[[Value, str], Value]] = {
    "md5": _hashed("md5"),
    "sha1": _hashed("sha1"),
    "sha256": _hashed("sha256"),
    "sha512": _hashed("sha512"),
    "hmac_sha1": _signed("sha1"),
    "hmac_sha256": _signed("sha256"),
    "hmac_sha512": _signed("sha512"),
    "hex": lambda value, argument: _bytes(value).hex(),
    "base64": lambda value, argument: base64.b64encode(_bytes(value)).decode(),
    "base64url": _base64url,
    "date": _date,
    "unix": lambda value, argument: str(int(datetime.fromisoformat(_text(value)).timestamp())),
    "uuid": lambda value, argument: to_uuid(_text(value)),
    "digits": lambda value, argument: re.sub(r"[^0-9]", "", _text(value)),
    "phone": _phone,
    "lower": lambda value, argument: _text(value).lower(),
    "upper": lambda value, argument: _text(value).upper(),
    "first": lambda value, argument: _text(value)[: int(argument)],
    "without": lambda value, argument: _text(value).removeprefix(argument),
    "after": lambda value, argument: argument + _text(value),
    "ending": _ending,
}
#: Filters whose argument names a value.
SIGNING = frozenset({"hmac_sha1", "hmac_sha256", "hmac_sha512"})
#: Filters that need an argument, with an example of each.
ARGUMENTS = {
    **dict.fromkeys(SIGNING, "credentials.secret"),
    "date": "%Y%m%d:UTC",
    "first": "12",
    "without": "90",
    "after": "Basic ",
    "ending": "/oauth/token",
}


@dataclass(frozen=True, slots=True)
class _Place:
    name: str
    filters: tuple[tuple[str, str], ...]

    def fill(self, values: Values) -> str:
        return _text(_filtered(_look_up(values, self.name), self.filters, values))


class Template:
    """A text whose places are filled in by `fill`. `names` are the values that it names."""

    def __init__(self, text: str) -> None:
        if len(text) > MAX_TEMPLATE:
            raise BadTemplate(f"is longer than {MAX_TEMPLATE} characters")
        self.text = text
        self._parts: list[str | _Place] = []
        end = 0
        for found in PLACE.finditer(text):
            self._add(text[end : found.start()])
            self._parts.append(_Place(found[1], parse_filters(found[2].split("|")[1:])))
            end = found.end()
        self._add(text[end:])
        self.names = frozenset(
            name
            for part in self._parts
            if isinstance(part, _Place)
            for name in (part.name, *(argument for each, argument in part.filters if each in SIGNING))
        )

    def _add(self, text: str) -> None:
        if brace := re.search(r"[{}]", text):
            raise BadTemplate(f"has a `{brace[0]}` outside of a place such as {{credentials.api_key}}")
        if text:
            self._parts.append(text)

    def fill(self, values: Values, encode: Callable[[str], str] = str) -> str:
        """The text; what is put into its places is encoded. Raises BadValue."""
        return "".join(part if isinstance(part, str) else encode(part.fill(values)) for part in self._parts)


def parse_filters(given: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """`name` or `name:argument`, in order. Raises BadTemplate."""
    found = []
    for each in given:
        name, _, argument = each.partition(":")
        if name not in FILTERS:
            raise BadTemplate(f"has the unknown filter `{name}`; known filters: {', '.join(FILTERS)}")
        if bool(argument) != (name in ARGUMENTS) or not _is_right(name, argument):
            takes = f"such as `{name}:{ARGUMENTS[name]}`" if name in ARGUMENTS else "none"
            raise BadTemplate(f"has the filter `{name}` with a wrong argument; it takes {takes}")
        found.append((name, argument))
    return tuple(found)


def _is_right(name: str, argument: str) -> bool:
    if name == "first":
        return argument.isdecimal() and len(argument) < 5
    if name == "date":
        pattern, _, zone = argument.rpartition(":")
        try:
            return bool(ZoneInfo(zone) and pattern)
        except (KeyError, ValueError, OSError):
            return False
    return True


def apply(filters: Sequence[tuple[str, str]], text: str, values: Values) -> str:
    """`text` after the filters. Raises BadValue."""
    return _text(_filtered(text, filters, values))


def _filtered(value: Value, filters: Sequence[tuple[str, str]], values: Values) -> Value:
    for name, argument in filters:
        given = _look_up(values, argument) if name in SIGNING else argument
        try:
            value = FILTERS[name](value, given)
        except BadValue:
            raise
        except (ValueError, OverflowError):
            raise BadValue(f"{name}: the value does not have the form that it takes") from None
    return value


def _look_up(values: Values, name: str) -> str:
    found: Any = values
    for part in name.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return "" if found is None else str(found)
