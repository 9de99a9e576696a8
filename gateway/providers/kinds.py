"""Finding a protocol by its name: those that are code, and those that files describe.

A file that ships is read when its protocol is asked for, once in each process. Other files are in the database, where
every process finds them; a process looks there again after STORED_SECONDS. One that cannot be used breaks no other.

A later version may ship a protocol under the name of one that was added. The one that was added stays in use, until a
person removes it: providers speak it, and orders are under way that are known by it.
"""

import re
import time
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cache, lru_cache
from importlib import resources

from gateway import log
from gateway.providers.base import Kind
from gateway.providers.described import schema
from gateway.providers.described.kind import Described
from gateway.providers.manual import Manual
from gateway.providers.stock import Stock
from gateway.providers.znet import Znet
from models import protocols
from models.db import database

logger = log.get(__name__)

#: Those that are code.
ADAPTERS: dict[str, Kind] = {"znet": Znet, "stock": Stock, "manual": Manual}
#: What a protocol may be called.
NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
#: Where those that ship are described.
SHIPPED = resources.files("gateway.providers").joinpath("protocols")
#: Seconds for which a process uses a protocol of the database without looking whether it was changed.
STORED_SECONDS = 2.0


class Origin(StrEnum):
    """Where a protocol comes from."""

    CODE = "code"
    FILE = "file"
    ADDED = "added"


class Unusable(Exception):
    """There is no protocol of this name, or it cannot be used; the message says why."""


def shipped() -> list[str]:
    """The protocols that come with the gateway, those that are code first."""
    files = (each.name for each in SHIPPED.iterdir() if each.name.endswith(".toml"))
    return [*ADAPTERS, *sorted(name.removesuffix(".toml") for name in files)]


def names() -> list[str]:
    """Every protocol: those that come with the gateway, then those of the database. Needs an open session."""
    found = shipped()
    return [*found, *(name for name in protocols.names() if name not in found)]


def replaced() -> frozenset[str]:
    """The protocols that come with the gateway and are not used, since one of the same name was added before.

    Read once in each process: no name that ships is added any more. Raises what the database raises.
    """
    return _read_replaced() if database.is_bound() else frozenset()


@cache
def _read_replaced() -> frozenset[str]:
    with database.session():
        found = frozenset(protocols.names()).intersection(shipped())
    if found:
        logger.warning(
            "Protocols that were added are used in place of those that come with the gateway.",
            action="protocols_replaced",
            protocols=sorted(found),
        )
    return found


def origin(name: str) -> Origin:
    """Where the protocol of this name comes from, if there is one."""
    if name in ADAPTERS and name not in replaced():
        return Origin.CODE
    return Origin.FILE if name in shipped() and name not in replaced() else Origin.ADDED


def find(name: str) -> Kind | None:
    """The protocol of this name; None if there is none that can be used."""
    try:
        return get(name)
    except Unusable:
        return None


def get(name: str) -> Kind:
    """The protocol of this name. Raises Unusable, and what the database raises if only it can know the protocol."""
    added = _stored(name) if name in replaced() else None
    found = added or ADAPTERS.get(name) or _shipped(name) or _stored(name) or _unknown(name)
    if isinstance(found, str):
        raise Unusable(found)
    return found


def that_ships(name: str) -> Kind | None:
    """The protocol of this name that comes with the gateway, also where an added one is used; None if there is none
    that can be used."""
    found: Kind | str | None = ADAPTERS.get(name) or _shipped(name)
    return None if isinstance(found, str) else found


@lru_cache(maxsize=200)
def _shipped(name: str) -> Described | str | None:
    """The protocol that a shipped file describes, or why it cannot be used; None if there is no such file."""
    if not NAME.fullmatch(name):
        return _unknown(name)
    try:
        text = SHIPPED.joinpath(f"{name}.toml").read_text(encoding="utf-8")
    except OSError:
        return None
    return _read(name, text)


@dataclass(frozen=True, slots=True)
class _Stored:
    """What a process knows of a name in the database."""

    #: None: there is no protocol of this name.
    text: str | None
    kind: Described | str | None
    #: By the monotonic clock.
    read_at: float


#: By name; names come from configured providers and from people.
_known: dict[str, _Stored] = {}


def _stored(name: str) -> Described | str | None:
    """The protocol that a file of the database describes, or why it cannot be used; None if there is no such file.

    While the database does not answer, what is known stays in use.
    """
    known, now = _known.get(name), time.monotonic()
    if known and now < known.read_at + STORED_SECONDS:
        return known.kind
    try:
        with database.session():
            text = protocols.file(name)
    except database.UNAVAILABLE:
        if known is None or known.text is None:
            raise
        return known.kind
    if known is None or known.text != text:
        known = _Stored(text, None if text is None else _read(name, text), now)
    _known[name] = replace(known, read_at=now)
    return known.kind


def forget() -> None:
    """Read the files anew when they are asked for, and those of the database, as tests that change them must."""
    _shipped.cache_clear()
    _known.clear()


def _unknown(name: str) -> str:
    return f"the protocol {name!r} is not known to this version, and was not added"


def _read(name: str, text: str) -> Described | str:
    try:
        return Described(name, schema.load(text, f"{name}.toml"))
    except (ValueError, RecursionError) as error:
        logger.error(
            "A protocol file cannot be used.", action="bad_protocol", protocol=name, error=str(error)
        )
        return f"the file of the protocol {name} cannot be used: {error}"
