"""How PHP scripts in front of panels call back: the same fields, in forms that no HTTP client would choose.

Source: callbacks as public shop systems receive them, and what PHP itself makes of `$_POST`, `$_GET` and `curl`. Pure.
"""

import json
from collections.abc import Callable, Sequence
from urllib.parse import quote, urlencode, urlsplit, urlunsplit

from gateway.dev.simulator.wire import Request

FORM = {"content-type": "application/x-www-form-urlencoded"}
#: The bytes of older panels.
LATIN5 = "windows-1254"
BOUNDARY = "----PHPFormBoundary7MA4YWxkTrZu0gW"

#: Names and values in their order; a name may come more than once.
Fields = Sequence[tuple[str, str]]
#: The URL with its token, whether the style is a GET, the fields -> the request.
Way = Callable[[str, bool, Fields], Request]


def _json(url: str, is_get: bool, fields: Fields) -> Request:
    return Request("POST", url, FORM, json.dumps(_grouped(fields)).encode())


def _grouped(fields: Fields) -> dict[str, str | list[str]]:
    """As `json_encode` writes it: `pin[]` is a list."""
    lists = {name for name, _ in fields if name.endswith("[]")}
    found: dict[str, str | list[str]] = {
        name.removesuffix("[]"): [value for other, value in fields if other == name] for name in lists
    }
    return found | {name: value for name, value in fields if name not in lists}


def _multipart(url: str, is_get: bool, fields: Fields) -> Request:
    parts = [
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields
    ]
    headers = {"content-type": f"multipart/form-data; boundary={BOUNDARY}"}
    return Request("POST", url, headers, "".join([*parts, f"--{BOUNDARY}--\r\n"]).encode())


def _query(url: str, is_get: bool, fields: Fields) -> Request:
    return Request("POST", with_query(url, urlencode(fields)), {"content-length": "0"}, None)


def _untyped(url: str, is_get: bool, fields: Fields) -> Request:
    return Request("POST", url, {}, urlencode(fields).encode())


def _latin5(url: str, is_get: bool, fields: Fields) -> Request:
    return _form(url, is_get, urlencode(fields, encoding=LATIN5, errors="replace"))


def _latin5_raw(url: str, is_get: bool, fields: Fields) -> Request:
    said = "&".join(f"{name}={_escaped(value).replace(' ', '+')}" for name, value in fields)
    text = said.encode(LATIN5, errors="replace")
    return _raw_get(url, text) if is_get else Request("POST", url, FORM, text)


def _spaces(url: str, is_get: bool, fields: Fields) -> Request:
    said = "&".join(f"{name}={quote(value, safe=' ')}" for name, value in fields)
    return _raw_get(url, said.encode())


def _amp(url: str, is_get: bool, fields: Fields) -> Request:
    return _form(url, is_get, urlencode(fields).replace("&", "&amp;"))


def _form(url: str, is_get: bool, said: str) -> Request:
    if is_get:
        return Request("GET", with_query(url, said), {}, None)
    return Request("POST", url, FORM, said.encode())


def _raw_get(url: str, said: bytes) -> Request:
    parts = urlsplit(url)
    query = b"&".join(filter(None, (parts.query.encode(), said)))
    return Request("GET", url, {}, None, raw_target=parts.path.encode() + b"?" + query)


def _escaped(value: str) -> str:
    """What would be taken for the form's own signs."""
    return "".join(quote(sign, safe="") if sign in "%&=+#" else sign for sign in value)


def with_query(url: str, said: str) -> str:
    """`url` with these fields after its own."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(query="&".join(filter(None, (parts.query, said)))))


#: Each way by its word; a HEAD before the callback is a message of its own.
BUILDERS: dict[str, Way] = {
    "json": _json,
    "multipart": _multipart,
    "query": _query,
    "untyped": _untyped,
    "latin5": _latin5,
    "latin5-raw": _latin5_raw,
    "spaces": _spaces,
    "amp": _amp,
}
