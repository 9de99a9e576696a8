"""Building calls from a protocol file. Pure.

Query, form, JSON and XML are made of structure, and each value is encoded where it is put: what a customer has written
can never become another field, or another element.
"""

import json
from collections import ChainMap
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode
from xml.etree import ElementTree

from gateway.providers.described.schema import Request
from gateway.providers.described.templates import BadValue, Values
from gateway.providers.described.values import FieldName, Value
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
    """The call that the file describes; its query and headers may name the rest of it. Raises BadValue."""
    address, encode = (request.url, str) if request.url else (request.path, _in_path)
    path = address.fill(values, encode) if address else ""
    body, kind = _body(request, values)
    whole = of_call(request.method, path, body, values)
    headers = _texts(request.headers, whole)
    if not all(each.isprintable() and each.isascii() for each in (*headers, *headers.values())):
        raise BadValue("a header would have characters that headers cannot have")
    if kind and not any(name.lower() == "content-type" for name in headers):
        headers["Content-Type"] = kind
    return Call(request.method, path, _texts(request.query, whole), headers, body)


def of_call(method: str, path: str, body: bytes | None, values: Values) -> Values:
    """What the query and the headers of a call may name: the values, and the rest of the call."""
    made = {"method": method, "path": path, "body": (body or b"").decode()}
    return ChainMap(made, values)  # type: ignore[arg-type]  # it writes into `made` alone


def _in_path(value: str) -> str:
    """What stands between two slashes has none of its own, and does not lead out."""
    if value in ("", ".", ".."):
        raise BadValue("a part of the path would be empty, or dots alone")
    return quote(value, safe="")


def _body(request: Request, values: Values) -> tuple[bytes | None, str | None]:
    if request.body is not None:
        made = json.dumps(_filled(request.body, values), ensure_ascii=False, separators=(",", ":"))
        return made.encode(), "application/json"
    if request.form is None and request.xml is None:
        return None, None
    form = _texts(request.form or {}, values)
    if request.xml is not None:
        [(name, content)] = _filled(request.xml, values).items()
        document = ElementTree.tostring(_element(name, content), "unicode", short_empty_elements=False)
        if request.xml_field is None:
            return document.encode(), "application/xml"
        form[request.xml_field] = document
    return urlencode(form).encode(), "application/x-www-form-urlencoded"


def _filled(tree: Any, values: Values) -> Any:
    """The tree with its values filled in, without the fields that may be left out and are empty."""
    if isinstance(tree, Value):
        return _number(tree.fill(values)) if tree.number else tree.fill(values)
    if isinstance(tree, list):
        return [_filled(each, values) for each in tree]
    if not isinstance(tree, Mapping):
        return tree
    filled = [
        (name.text.fill(values), _filled(each, values))
        for name, each in tree.items()
        if not (name.may_be_left_out and _is_empty(each, values))
    ]
    if len(found := dict(filled)) < len(filled):
        raise BadValue("a field would be there twice")
    return found


def _number(text: str) -> int | float:
    """Only what is an amount, so that no number takes long to write out, and none is infinite."""
    if texts.NUMBER.fullmatch(text) is None or len(text) > texts.MAX_NUMBER:
        raise BadValue("number: the value is not one")
    return int(text) if text.lstrip("+-").isdecimal() else float(text)


def _is_empty(each: Any, values: Values) -> bool:
    """Whether nothing is put into it; a table is empty if all that it holds is."""
    if isinstance(each, Mapping):
        return all(_is_empty(within, values) for within in each.values())
    return isinstance(each, Value) and not each.fill(values)


def _texts(table: Mapping[FieldName, Any], values: Values) -> dict[str, str]:
    """A table of texts alone, as queries, headers and forms are."""
    return {name: _as_text(each) for name, each in _filled(table, values).items()}


def _as_text(each: Any) -> str:
    return each if isinstance(each, str) else json.dumps(each)


def _element(name: str, content: Any) -> ElementTree.Element:
    element = ElementTree.Element(name)
    if isinstance(content, Mapping):
        element.extend(_element(*each) for each in content.items())
    else:
        element.text = texts.visible(_as_text(content))
    return element
