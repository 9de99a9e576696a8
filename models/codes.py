"""What a customer bought: codes, as providers write them, and what providers write instead of a code. Pure."""

import json
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from gateway.inputs import is_storable
from models import texts

#: Characters of a code, of its pin and of its serial.
MAX_CODE = 4_000
#: Codes of one outcome.
MAX_CODES = 1_000
#: Bits of an integer that is taken for a code: about 4,000 digits, which Python still writes out.
MAX_BITS = 13_000

#: What providers write instead of a code, as `_says_nothing` compares it. Contract, section 5.
NO_CODE = frozenset(
    {"null", "none", "nil", "undefined", "nan", "n/a", "true", "false", "0", "yok", "boş", "لايوجد"}
)
#: Turkish capitals of `nil` and `undefined`, and Turkish small letters of `NIL`: NİL, UNDEFİNED, nıl.
TURKISH_I = str.maketrans("İı", "ii")
#: No-break spaces become plain ones.
NO_BREAK = str.maketrans("\u00a0\u2007\u202f", "   ")


@dataclass(frozen=True, slots=True)
class Code:
    """One code. Only `expires_at` may be shown to everyone."""

    code: str = field(repr=False)
    pin: str | None = field(default=None, repr=False)
    serial: str | None = field(default=None, repr=False)
    #: As the provider wrote it.
    expires_at: str | None = None

    def secrets(self) -> tuple[str, ...]:
        """Its texts that only those may see who may read codes."""
        return tuple(filter(None, (self.code, self.pin, self.serial)))

    def as_dict(self) -> dict[str, str]:
        """What there is of it, by name."""
        named = (("pin", self.pin), ("serial", self.serial), ("expires_at", self.expires_at))
        return {"code": self.code} | {name: value for name, value in named if value is not None}


@dataclass(frozen=True, slots=True)
class Codes:
    """The codes in a field, in order, each once."""

    codes: tuple[Code, ...] = ()
    #: Something was there that cannot be read or kept: the provider has to be asked.
    unreadable: bool = False


class _Text(NamedTuple):
    text: str | None = None
    unreadable: bool = False


_NOTHING, _UNREADABLE = _Text(), _Text(unreadable=True)


def clean(text: str) -> str | None:
    """The code in `text`, or None where the text says that the order has none (contract, section 5).

    Blanks at the ends and invisible characters go, no-break spaces become plain ones, and the rest stays as it is.
    None also for a text that cannot be kept (NUL, a lone surrogate, longer than MAX_CODE); `read` tells them apart.
    """
    return _text(text).text


def read(value: Any) -> Codes:
    """The codes in a value of JSON or of a form.

    Takes a string, an integer, an object of `code`, `pin`, `serial`, `expires_at` (or `expiresAt`), or a list of
    these. Without `code`, the pin is the code; without both, the serial. null and booleans mean that it has none.
    Anything else is unreadable: a float (its digits are not those that were sent), a nested list, an object of other
    names, more than MAX_CODES, the same code twice with two pins or serials.
    """
    found: dict[str, Code] = {}
    unreadable = False
    for entry in value if isinstance(value, list | tuple) else (value,):
        code, unreadable_entry = _entry(entry)
        unreadable |= unreadable_entry
        if code is None:
            continue
        known = found.get(code.code)
        if known is None and len(found) == MAX_CODES:
            return Codes(tuple(found.values()), unreadable=True)
        unreadable |= known is not None and _contradicts(known, code)
        found[code.code] = code if known is None else merged(known, code)
    return Codes(tuple(found.values()), unreadable)


def merged(known: Code, again: Code) -> Code:
    """`known`, with what it lacks taken from the same code told again."""
    return replace(
        known,
        pin=known.pin or again.pin,
        serial=known.serial or again.serial,
        expires_at=known.expires_at or again.expires_at,
    )


def as_json(code: Code) -> str:
    """A code as it is sealed; `from_json` reads it."""
    return json.dumps(code.as_dict(), ensure_ascii=False)


def from_json(text: str) -> Code:
    """The code that `as_json` wrote."""
    return Code(**json.loads(text))


def _entry(value: Any) -> tuple[Code | None, bool]:
    """The code in one entry, and whether something in it cannot be read."""
    if not isinstance(value, Mapping):
        text, unreadable = _text(value)
        return (Code(text) if text else None), unreadable
    code, pin, serial = (_text(value.get(name)) for name in ("code", "pin", "serial"))
    unreadable = any(part.unreadable for part in (code, pin, serial))
    if code == _NOTHING:
        code, pin = pin, _NOTHING
    if code == _NOTHING:
        code, serial = serial, _NOTHING
    if code.text is None:
        other_names = bool(value) and value.keys().isdisjoint({"code", "pin", "serial"})
        return None, unreadable or other_names
    # For people to read, so that an expiry of an unknown shape is left out and costs no question.
    at = value.get("expires_at") or value.get("expiresAt")
    expires_at = _text(str(at) if isinstance(at, float) else at).text
    return Code(code.text, pin.text, serial.text, expires_at), unreadable


def _text(value: Any) -> _Text:
    if value is None or isinstance(value, bool):
        return _NOTHING
    if isinstance(value, int) and value.bit_length() <= MAX_BITS:
        value = str(value)
    if not isinstance(value, str) or not is_storable(value):
        return _UNREADABLE
    text = texts.visible(value).translate(NO_BREAK).strip()
    if len(text) > MAX_CODE:
        return _UNREADABLE
    return _NOTHING if _says_nothing(text) else _Text(text)


def _says_nothing(text: str) -> bool:
    """True for one of NO_CODE, alone or in signs such as brackets and quotes, and for signs alone."""
    plain = unicodedata.normalize("NFKC", "".join(text.split())).translate(TURKISH_I).casefold()
    said = [place for place, character in enumerate(plain) if character.isalnum()]
    return not said or texts.fold_digits(plain[said[0] : said[-1] + 1]) in NO_CODE


def _contradicts(known: Code, again: Code) -> bool:
    pairs = ((known.pin, again.pin), (known.serial, again.serial))
    return any(one and other and one != other for one, other in pairs)
