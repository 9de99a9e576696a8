"""What stands where in a request."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl
from xml.etree.ElementTree import Element

from defusedxml import ElementTree

from gateway.dev.simulator.described.sheet import Call
from gateway.dev.simulator.server import Asked

#: A request by parts: path, query, headers, and json or form or xml.
Document = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Read:
    """A call that was recognised."""

    call: Call
    document: Document

    def at(self, path: str) -> str:
        return at(self.document, path)

    def values(self) -> dict[str, str]:
        """The parts of the order in it."""
        call = self.call
        places = {
            "reference": call.reference,
            "own": call.own,
            "player": call.player,
            "package": call.package,
        }
        return {name: self.at(place) for name, place in places.items() if place}


def read(calls: Iterable[Call], asked: Asked) -> Read | None:
    """The first call that the request is; None if it is none of them."""
    document = {"query": asked.query, "headers": asked.headers, **_body(asked)}
    for call in calls:
        parts = _parts(call.path, asked.path)
        if call.method == asked.method and parts is not None:
            found = Read(call, {**document, "path": parts})
            if all(found.at(place) == wanted for place, wanted in call.when.items()):
                return found
    return None


def at(document: Any, path: str) -> str:
    """The text at a dotted path; empty where nothing stands."""
    value = tree_at(document, path)
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None or isinstance(value, Mapping | list) else str(value)


def tree_at(document: Any, path: str) -> Any:
    """What stands at a dotted path, or None."""
    for name in filter(None, path.split(".")):
        if isinstance(document, list):
            document = document[int(name)] if name.isdecimal() and int(name) < len(document) else None
        else:
            document = document.get(name) if isinstance(document, Mapping) else None
    return document


def _parts(pattern: str, path: str) -> dict[str, str] | None:
    """What stands in the places of a path; None if it is another path."""
    wanted, given = pattern.split("/"), path.split("/")
    if len(wanted) != len(given):
        return None
    pairs = list(zip(wanted, given, strict=True))
    if any(place != text for place, text in pairs if not place.startswith("{")):
        return None
    return {place.strip("{}"): text for place, text in pairs if place.startswith("{")}


def _body(asked: Asked) -> dict[str, Any]:
    kind, text = asked.headers.get("content-type", ""), asked.body.decode(errors="replace")
    try:
        if "json" in kind:
            return {"json": json.loads(text, parse_float=str)}
        form = dict(parse_qsl(text, keep_blank_values=True))
        trees = [_tree(ElementTree.fromstring(value)) for value in form.values() if value.startswith("<")]
    except (ValueError, ElementTree.ParseError):
        return {}
    return {"form": form, "xml": trees[0] if trees else None}


def _tree(element: Element) -> Any:
    return {child.tag: _tree(child) for child in element} if len(element) else (element.text or "")
