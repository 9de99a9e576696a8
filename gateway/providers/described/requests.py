"""Building calls from a protocol file. Pure.

Query, form, JSON and XML are made of structure, and each value is encoded where it is put: what a customer has written
can never become another field, or another element.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode
from xml.etree import ElementTree

from gateway.providers.described.schema import Request, Value
from gateway.providers.described.templates import BadValue, Template, Values


@dataclass(frozen=True, slots=True)
class Call:
    """A call as it goes out."""

    method: str
    #: Of the base URL; a whole URL for a service elsewhere.
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes | None


class _InPath(Mapping[str, Any]):
    """Values as they stand in a path: what is put between two slashes has none of its own."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = values

    def __getitem__(self, name: str) -> Any:
        value = self._values[name]
        return (
            _InPath(value)
            if isinstance(value, Mapping)
            else value
            if value is None
            else quote(str(value), safe="")
        )

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


def build(request: Request, values: Values) -> Call:
    """The call that the file describes. Raises BadValue."""
    if request.url is not None:
        path = request.url.fill(values)
    elif request.path is not None:
        path = request.path.fill(_InPath(values))
    else:
        raise BadValue("the file says no path")
    headers = _flat(request.headers, values)
    if any("\r" in value or "\n" in value for value in headers.values()):
        raise BadValue("a header would have a line end")
    body, kind = _body(request, values)
    if kind and not any(name.lower() == "content-type" for name in headers):
        headers["Content-Type"] = kind
    return Call(request.method, path, _flat(request.query, values), headers, body)


def _body(request: Request, values: Values) -> tuple[bytes | None, str | None]:
    if request.body is not None:
        made = json.dumps(_plain(request.body, values), ensure_ascii=False, separators=(",", ":"))
        return made.encode(), "application/json"
    form = dict(_flat(request.form, values)) if request.form is not None else {}
    if request.xml is not None:
        document = _xml(request.xml, values)
        if request.xml_field is None:
            return document.encode(), "application/xml"
        form[request.xml_field] = document
    if request.form is None and not form:
        return None, None
    return urlencode(form).encode(), "application/x-www-form-urlencoded"


def _flat(pairs: Mapping[Any, Any], values: Values) -> dict[str, str]:
    """Names and texts; without those that may be left out and are empty."""
    found = {}
    for (name, may_be_left_out), value in pairs.items():
        text = value.fill(values) if isinstance(value, Value) else _word(value)
        if text or not may_be_left_out:
            found[name.fill(values)] = text
    return found


def _word(value: Any) -> str:
    return json.dumps(value) if isinstance(value, bool | dict | list) else str(value)


def _plain(tree: Any, values: Values) -> Any:
    """The tree with its values filled in, as JSON has them."""
    if isinstance(tree, Value):
        return tree.plain(values)
    if isinstance(tree, list):
        return [_plain(each, values) for each in tree]
    if not isinstance(tree, Mapping):
        return tree
    return {
        name.fill(values): _plain(each, values)
        for (name, may_be_left_out), each in tree.items()
        if not (may_be_left_out and isinstance(each, Value) and not each.fill(values))
    }


def _xml(tree: Mapping[tuple[Template, bool], Any], values: Values) -> str:
    [((name, _), content)] = tree.items()
    root = ElementTree.Element(name.fill(values))
    _fill_element(root, content, values)
    return ElementTree.tostring(root, encoding="unicode", short_empty_elements=False)


def _fill_element(element: Any, content: Any, values: Values) -> None:
    if not isinstance(content, Mapping):
        element.text = content.fill(values) if isinstance(content, Value) else _word(content)
        return
    for (name, may_be_left_out), each in content.items():
        if may_be_left_out and isinstance(each, Value) and not each.fill(values):
            continue
        _fill_element(ElementTree.SubElement(element, name.fill(values)), each, values)
