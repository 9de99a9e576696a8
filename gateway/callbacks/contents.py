"""The fields of a callback, whatever it is written in: JSON, a form, or its query alone. Pure."""

from collections.abc import Mapping
from typing import Any

from gateway import strict_json
from gateway.callbacks import forms
from gateway.callbacks.forms import Form
from gateway.callbacks.requests import CallbackRequest
from gateway.providers.base import UnreadableCallback

#: The field of a query that has a token: it is a secret, and says nothing of an order.
TOKEN_FIELD = "token"  # noqa: S105  (its name, not itself)
#: Beginnings of a body that is JSON whatever its content type says: PHP sends JSON as a form unless it is told.
JSON_BEGINS = (b"{", b"[", b"\xef\xbb\xbf{", b"\xef\xbb\xbf[")


def read_fields(request: CallbackRequest) -> Mapping[str, Any]:
    """The fields of the body, then those of the query that the body does not have. Raises UnreadableCallback."""
    query = without_token(request.query) if request.query else {}
    body = request.body.strip()
    content_type = request.headers.get("content-type", "").lower()
    if not body and query:
        return forms.nested(query)
    if not body:
        raise UnreadableCallback("the callback is empty")
    if "multipart/form-data" in content_type:
        form = forms.parse_multipart(request.body, request.headers["content-type"])
        return forms.nested({**query, **form})
    if not body.startswith(JSON_BEGINS) and _may_be_form(content_type, body):
        return forms.nested({**query, **forms.parse(body)})
    return {**forms.nested(query), **_json(body)} if query else _json(body)


def _may_be_form(content_type: str, body: bytes) -> bool:
    return "form-urlencoded" in content_type or ("json" not in content_type and b"=" in body)


def _json(body: bytes) -> dict[str, Any]:
    try:
        fields = strict_json.loads(body)
    except strict_json.NotJson as error:
        raise UnreadableCallback(f"the body {error}") from None
    if not isinstance(fields, dict):
        raise UnreadableCallback("the body must be a JSON object")
    return fields


def without_token(query: Form) -> Form:
    """The query without the token."""
    return {name: value for name, value in query.items() if name != TOKEN_FIELD}
