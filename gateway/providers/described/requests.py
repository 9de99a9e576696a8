"""Building calls from a protocol file. Pure.

Query, form, JSON and XML are made of structure, and each value is encoded where it is put: what a customer has written
can never become another field, or another element.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from urllib.parse import quote, urlencode
from xml.etree import ElementTree

from gateway.providers.described.schema import FieldName, Request, Value
from gateway.providers.described.templates import BadValue, Values
from models import texts


@dataclass(frozen=True, slots=True)
class Call:
    """A call as it goes out."""

    method: str
    #: Of the base URL; a whole URL for a service elsewhere.
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes | None


def build(request: Request, values: Values) -> Call:
    """The call that the file describes. Raises BadValue."""
    path = (
        request.path.fill(values, _in_path)
        if request.path
        else request.url.fill(values)
        if request.url
        else ""
    )
    headers = dict(_flat(request.headers, values))
    if not all(each.isprintable() and each.isascii() for each in headers.values()):
        raise BadValue("a header would have characters that headers cannot have")
    body, kind = _body(request, values)
    if kind and not any(name.lower() == "content-type" for name in headers):
        headers["Content-Type"] = kind
    return Call(request.method, path, dict(_flat(request.query, values)), headers, body)


def _in_path(value: str) -> str:
    """What stands between two slashes has none of its own, and does not lead out."""
    if value in ("", ".", ".."):
        raise BadValue("a part of the path would be empty, or dots alone")
    return quote(value, safe="")


def _body(request: Request, values: Values) -> tuple[bytes | None, str | None]:
    if request.body is not None:
        made = json.dumps(_plain(request.body, values), ensure_ascii=False, separators=(",", ":"))
        return made.encode(), "application/json"
    form = dict(_flat(request.form or {}, values))
    if request.xml is not None:
        document = _xml(request.xml, values)
        if request.xml_field is None:
            return document.encode(), "application/xml"
        form[request.xml_field] = document
    if request.form is None and request.xml is None:
        return None, None
    return urlencode(form).encode(), "application/x-www-form-urlencoded"


def _present(table: Mapping[FieldName, Any], values: Values) -> Iterator[tuple[str, Any]]:
    """Names and what stands under them, without those that may be left out and are empty."""
    for name, each in table.items():
        if not (name.may_be_left_out and _is_empty(each, values)):
            yield name.name.fill(values), each


def _is_empty(each: Any, values: Values) -> bool:
    """Whether nothing is put into it; a table is empty if all that it holds is."""
    if isinstance(each, Mapping):
        return all(_is_empty(within, values) for within in each.values())
    return isinstance(each, Value) and not each.fill(values)


def _flat(table: Mapping[FieldName, Any], values: Values) -> Iterator[tuple[str, str]]:
    return ((name, _text(each, values)) for name, each in _present(table, values))


def _text(each: Any, values: Values) -> str:
    """A value where only texts stand."""
    if isinstance(each, Value):
        return each.fill(values)
    return each if isinstance(each, str) else json.dumps(each)


def _plain(tree: Any, values: Values) -> Any:
    """The tree with its values filled in, as JSON has them."""
    if isinstance(tree, Value):
        return _number(tree.fill(values)) if tree.number else tree.fill(values)
    if isinstance(tree, Mapping):
        return {name: _plain(each, values) for name, each in _present(tree, values)}
    return [_plain(each, values) for each in tree] if isinstance(tree, list) else tree


def _number(text: str) -> int | float:
    """Only what is an amount, so that no number takes long to write out, and none is infinite."""
    if texts.NUMBER.fullmatch(text) is None or len(text) > texts.MAX_NUMBER:
        raise BadValue("number: the value is not one")
    return int(text) if text.lstrip("+-").isdecimal() else float(Decimal(text))


def _xml(tree: Mapping[FieldName, Any], values: Values) -> str:
    [(name, content)] = _present(tree, values)
    root = ElementTree.Element(name)
    _fill_element(root, content, values)
    return ElementTree.tostring(root, encoding="unicode", short_empty_elements=False)


def _fill_element(element: ElementTree.Element, content: Any, values: Values) -> None:
    if not isinstance(content, Mapping):
        element.text = texts.visible(_text(content, values))
        return
    for name, each in _present(content, values):
        _fill_element(ElementTree.SubElement(element, name), each, values)
