"""Finding a protocol by its name: those that are code, and those that files describe.

A file is read when its protocol is asked for, once in each process. One that cannot be used breaks no other.
"""

import re
from functools import lru_cache
from importlib import resources

from gateway import log
from gateway.providers.base import Kind
from gateway.providers.described import schema
from gateway.providers.described.kind import Described
from gateway.providers.manual import Manual
from gateway.providers.stock import Stock
from gateway.providers.znet import Znet

logger = log.get(__name__)

#: Those that are code.
ADAPTERS: dict[str, Kind] = {"znet": Znet, "stock": Stock, "manual": Manual}
#: What a protocol may be called.
NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
#: Where those that ship are described.
SHIPPED = resources.files("gateway.providers").joinpath("protocols")


class Unusable(Exception):
    """There is no protocol of this name, or it cannot be used; the message says why."""


def names() -> list[str]:
    """Every protocol, those that are code first."""
    files = (each.name for each in SHIPPED.iterdir() if each.name.endswith(".toml"))
    return [*ADAPTERS, *sorted(name.removesuffix(".toml") for name in files)]


def find(name: str) -> Kind | None:
    """The protocol of this name; None if there is none that can be used."""
    try:
        return get(name)
    except Unusable:
        return None


def get(name: str) -> Kind:
    """The protocol of this name. Raises Unusable."""
    if kind := ADAPTERS.get(name):
        return kind
    found = _shipped(name)
    if isinstance(found, str):
        raise Unusable(found)
    return found


def forget() -> None:
    """Read the files anew when they are asked for."""
    _shipped.cache_clear()


@lru_cache(maxsize=200)
def _shipped(name: str) -> Described | str:
    """The protocol that a shipped file describes, or why it cannot be used."""
    unknown = f"the protocol {name!r} is not known to this version"
    if not NAME.fullmatch(name):
        return unknown
    try:
        text = SHIPPED.joinpath(f"{name}.toml").read_text(encoding="utf-8")
    except OSError:
        return unknown
    try:
        return Described(name, schema.load(text, f"{name}.toml"))
    except (ValueError, RecursionError) as error:
        logger.error(
            "A protocol file cannot be used.", action="bad_protocol", protocol=name, error=str(error)
        )
        return f"the file of the protocol {name} cannot be used: {error}"
