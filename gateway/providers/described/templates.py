"""Texts with places that are filled in: `{credentials.api_key}`, `{created_at|date:%Y%m%d:Africa/Lagos}`. Pure.

A place names a value and, behind bars, filters that change it, from left to right. There are no expressions and no
loops. What a template makes is put into a query, a form, JSON or XML as a value, and encoded there.
"""

import base64
import hashlib
import hmac
import re
import uuid
from collections.abc import Callable, Mapping
from datetime import datetime
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

from gateway.providers import players

#: A place in a template: a name, then filters with their arguments.
PLACE = re.compile(r"\{([a-z_][\w.]*)((?:\|[a-z0-9_]+(?::[^{}|]*)?)*)\}")
#: Characters of a template.
MAX_TEMPLATE = 2_000
#: Filters behind one value, and characters of what one makes; a callback, which some sign whole, has up to 64 Ki.
MAX_FILTERS, MAX_VALUE = 12, 256 * 1024
#: The high half of a UUID that is made of a reference of ours: version 4 by its form.
UUID_HIGH = int.from_bytes(hashlib.sha256(b"referans").digest()[:8], "big") & ~0xF000 | 0x4000
#: Bits of a reference in a UUID.
UUID_BITS = 62


class BadTemplate(ValueError):
    """A template cannot work; the message says why."""


class BadValue(ValueError):
    """A value does not go through a filter; the message names the filter and repeats nothing of the value."""


#: The values that templates may name, by their whole names.
Values = Mapping[str, Any]


class Made(dict[str, Any]):
    """Values that are made when they are named first: by the part before the point, of the part behind it."""

    def __init__(self, makers: Mapping[str, Callable[[str], object]]) -> None:
        self._makers = makers

    def __missing__(self, name: str) -> str:
        group, _, key = name.partition(".")
        found = self._makers[group](key) if group in self._makers else None
        self[name] = made = "" if found is None else str(found)
        return made


def to_uuid(referans: str) -> str:
    """A UUID of the form of version 4 that has our reference in it; `from_uuid` reads it back."""
    if not referans.isdecimal() or int(referans) >= 1 << UUID_BITS:
        raise BadValue("uuid: only a reference of ours fits into one")
    return str(uuid.UUID(int=UUID_HIGH << 64 | 0b10 << UUID_BITS | int(referans)))


def from_uuid(text: str) -> str | None:
    """The reference that `to_uuid` has put in; None for any other text."""
    try:
        given = uuid.UUID(text)
        referans = str(given.int & (1 << UUID_BITS) - 1)
        return referans if to_uuid(referans) == str(given) else None
    except ValueError:
        return None


def _bytes(value: str | bytes) -> bytes:
    return value if isinstance(value, bytes) else value.encode(errors="surrogateescape")


def _text(value: str | bytes) -> str:
    if isinstance(value, bytes):
        raise BadValue("a digest must be encoded, as by `|hex`")
    return value


def _moment(value: str | bytes) -> datetime:
    return datetime.fromisoformat(_text(value))


def _date(value: str | bytes, argument: str) -> str:
    pattern, _, zone = argument.rpartition(":")
    return _moment(value).astimezone(ZoneInfo(zone)).strftime(pattern)


def _phone(value: str | bytes, argument: str) -> str:
    number = players.phone(_text(value))
    if number is None and value:
        raise BadValue("phone: the value is not a phone number")
    return number or ""


def _ending(value: str | bytes, argument: str) -> str:
    text = _text(value).rstrip("/")
    return text if text.endswith(argument) else text + argument


#: Takes and makes text, or bytes between a digest and its encoding.
Filter = Callable[[str | bytes, str], str | bytes]


def _hash(name: str) -> Filter:
    return lambda value, argument: hashlib.new(name, _bytes(value), usedforsecurity=False).digest()


def _hmac(name: str) -> Filter:
    return lambda value, secret: hmac.digest(secret.encode(), _bytes(value), name)


FILTERS: dict[str, Filter] = {
    **{name: _hash(name) for name in ("md5", "sha1", "sha256", "sha512")},
    **{f"hmac_{name}": _hmac(name) for name in ("sha1", "sha256", "sha512")},
    "hex": lambda value, argument: _bytes(value).hex(),
    "base64": lambda value, argument: base64.b64encode(_bytes(value)).decode(),
    "base64url": lambda value, argument: base64.urlsafe_b64encode(_bytes(value)).decode().rstrip("="),
    "date": _date,
    "unix": lambda value, argument: str(int(_moment(value).timestamp())),
    "uuid": lambda value, argument: to_uuid(_text(value)),
    "digits": lambda value, argument: re.sub(r"[^0-9]", "", _text(value)),
    "phone": _phone,
    "lower": lambda value, argument: _text(value).lower(),
    "upper": lambda value, argument: _text(value).upper(),
    "first": lambda value, argument: _text(value)[: int(argument)],
    "without": lambda value, argument: _text(value).removeprefix(argument),
    "after": lambda value, argument: f"{argument}{_text(value)}" if value else "",
    "ending": _ending,
    "comma": lambda value, argument: _text(value).replace(".", ","),
}
#: Filters whose argument names a value, the secret; and all that need an argument, with an example of each.
SIGNING = frozenset(name for name in FILTERS if name.startswith("hmac_"))
ARGUMENTS = dict.fromkeys(SIGNING, "credentials.secret") | {
    "date": "%Y%m%d:UTC",
    "first": "12",
    "without": "90",
    "after": "Basic ",
    "ending": "/oauth/token",
}
#: Filters that make bytes, and those that make text of bytes.
DIGESTS = frozenset({"md5", "sha1", "sha256", "sha512", *SIGNING})
ENCODINGS = frozenset({"hex", "base64", "base64url"})
#: What each filter with an argument takes.
TAKEN = "2026-03-14T09:26:53+00:00"


class Filters:
    """Filters, `name` or `name:argument`, from left to right. `names` are the values that they name."""

    def __init__(self, given: object = ()) -> None:
        if not isinstance(given, list | tuple) or not all(isinstance(each, str) for each in given):
            raise BadTemplate('must be a list of filters such as ["md5", "hex"]')
        if len(given) > MAX_FILTERS:
            raise BadTemplate(f"has more than {MAX_FILTERS} filters")
        self._steps = [(name, argument) for name, _, argument in (each.partition(":") for each in given)]
        for name, argument in self._steps:
            if name not in FILTERS:
                raise BadTemplate(f"has the unknown filter `{name}`; known filters: {', '.join(FILTERS)}")
            if not _is_right(name, argument):
                takes = f"such as `{name}:{ARGUMENTS[name]}`" if name in ARGUMENTS else "none"
                raise BadTemplate(f"has the filter `{name}` with a wrong argument; it takes {takes}")
        self.digests = [name for name, _ in self._steps if name in DIGESTS]
        self._check_encoded()
        self.names = frozenset(argument for name, argument in self._steps if name in SIGNING)

    def _check_encoded(self) -> None:
        """A digest is bytes: another digest may be made of it, or it is encoded. Raises BadTemplate."""
        for name, following in pairwise([*(name for name, _ in self._steps), ""]):
            if name in DIGESTS and following not in DIGESTS | ENCODINGS:
                raise BadTemplate(f"has the filter `{name}` without `hex`, `base64` or `base64url` behind it")

    def apply(self, text: str, values: Values) -> str:
        """`text` after the filters. Raises BadValue."""
        value: str | bytes = text
        for name, argument in self._steps:
            try:
                value = FILTERS[name](value, values[argument] if name in SIGNING else argument)
            except BadValue:
                raise
            except (ValueError, OverflowError):
                raise BadValue(f"{name}: the value does not have the form that it takes") from None
            if len(value) > MAX_VALUE:
                raise BadValue(f"{name}: the value becomes too long")
        return _text(value)


def _is_right(name: str, argument: str) -> bool:
    try:
        return bool(argument and FILTERS[name](TAKEN, argument)) if name in ARGUMENTS else not argument
    except (ValueError, KeyError, OSError):
        return False


class Template:
    """A text whose places are filled in by `fill`. `names` are the values that it names."""

    def __init__(self, text: object) -> None:
        if not isinstance(text, str):
            raise BadTemplate("must be a template in quotes")
        if len(text) > MAX_TEMPLATE:
            raise BadTemplate(f"is longer than {MAX_TEMPLATE} characters")
        #: Texts, and in every third place from the second a name with its filters behind it.
        plain, names, filters = ((parts := PLACE.split(text))[start::3] for start in range(3))
        if brace := re.search(r"[{}]", "".join(plain)):
            raise BadTemplate(f"has a `{brace[0]}` outside of a place such as {{credentials.api_key}}")
        self.text = text
        self._first = parts[0]
        self._rest = [
            (name, Filters(given.split("|")[1:]), after)
            for name, given, after in zip(names, filters, plain[1:], strict=True)
        ]
        self.names = frozenset(names).union(*(each.names for _, each, _ in self._rest))

    def fill(self, values: Values, encode: Callable[[str], str] = str) -> str:
        """The text; what is put into its places is encoded. Raises BadValue."""
        text = self._first
        for name, filters, after in self._rest:
            text += encode(filters.apply(values[name], values)) + after
        return text
