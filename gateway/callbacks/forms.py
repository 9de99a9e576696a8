"""Fields of queries and forms as PHP senders write them: any encoding, nested names, escaped ampersands. Pure."""

import io
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import unquote_to_bytes

from falcon.errors import HTTPError
from falcon.media.multipart import MultipartFormHandler, MultipartParseOptions

from gateway.providers.base import UnreadableCallback

#: Fields that are read of one query or form; PHP reads as many.
MAX_FIELDS = 1000
#: Brackets behind one name that are read.
MAX_DEPTH = 4
#: Bytes of the headers of one part of a multipart form.
MAX_PART_HEADERS = 2000
#: Fields of which every value counts where they are repeated without brackets. Of any other the last counts, as in PHP.
MANY = frozenset({"codes", "pin", "pin_code"})

#: A name with brackets behind it: `pin[]`, `pin[0]`, `codes[0][serial]`.
NESTED = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])+)")

#: Fields by their names as they were written; one that was repeated has all its values, in order.
Form = Mapping[str, "str | Sequence[str]"]


def parse(text: bytes) -> Form:
    """The fields of a query or of a form, percent-encoded or raw. Raises UnreadableCallback.

    Also takes `&amp;` between fields. Values are UTF-8, or else windows-1254.
    """
    pieces = text.removeprefix(b"\xef\xbb\xbf").strip().replace(b"&amp;", b"&").split(b"&")
    if len(pieces) > MAX_FIELDS:
        raise UnreadableCallback(f"the form has more than {MAX_FIELDS} fields")
    pairs = (piece.replace(b"+", b" ").partition(b"=") for piece in pieces if piece)
    return _collect((_decoded(name), _decoded(value)) for name, _, value in pairs)


def parse_multipart(body: bytes, content_type: str) -> Form:
    """The fields of a multipart form (RFC 7578). Raises UnreadableCallback."""
    options = MultipartParseOptions()
    options.max_body_part_count = MAX_FIELDS
    options.max_body_part_headers_size = MAX_PART_HEADERS
    try:
        parts = MultipartFormHandler(options).deserialize(io.BytesIO(body), content_type, len(body))
        return _collect([(part.name or "", decoded(part.get_data())) for part in parts])
    except (HTTPError, ValueError, OSError):
        raise UnreadableCallback("the multipart form cannot be read") from None


def nested(form: Form) -> dict[str, Any]:
    """The fields as PHP gives them to a script: `pin[]` and `pin[0]` become lists, `pin[serial]` an object.

    `pin[][code]` does not say to which entry a value belongs; it becomes an object that no reader takes.
    """
    found: dict[str, Any] = {}
    for name, value in form.items():
        match = NESTED.fullmatch(name)
        keys = match[2][1:-1].split("][") if match else []
        if not match or len(keys) > MAX_DEPTH:
            repeated = (name in MANY and not isinstance(value, str)) or isinstance(found.get(name), dict)
            _put(found, [name, ""] if repeated else [name], value)
        else:
            _put(found, [match[1], *keys], value)
    return {name: _lists(value) for name, value in found.items()}


def last(value: str | Sequence[str]) -> str:
    """The value that counts of a field with one value."""
    return value if isinstance(value, str) else value[-1]


def decoded(value: bytes) -> str:
    """UTF-8, or windows-1254 as older panels send it; bytes that are neither become lone surrogates."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("windows-1254", errors="surrogateescape")


def _decoded(value: bytes) -> str:
    return decoded(unquote_to_bytes(value))


def _collect(pairs: Iterable[tuple[str, str]]) -> Form:
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        found.setdefault(name.strip().removeprefix("\ufeff"), []).append(value)
    return {name: values if len(values) > 1 else values[0] for name, values in found.items()}


def _put(node: dict[str, Any], path: Sequence[str], value: str | Sequence[str]) -> None:
    """Put a value where the path leads; an empty last key takes the next free place, once for each value."""
    for key in path[:-1]:
        below = node.get(key)
        if not isinstance(below, dict):
            below = node[key] = {} if below is None else {"0": below}
        node = below
    if path[-1]:
        node[path[-1]] = last(value)
        return
    for each in [value] if isinstance(value, str) else value:
        place = len(node)
        while str(place) in node:
            place += 1
        node[str(place)] = each


def _lists(value: Any) -> Any:
    """Objects whose names are all numbers as lists."""
    if not isinstance(value, dict):
        return value
    below = {name: _lists(each) for name, each in value.items()}
    return list(below.values()) if below and all(map(str.isdecimal, below)) else below
