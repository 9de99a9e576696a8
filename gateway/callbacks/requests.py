"""A callback as it came over HTTP."""

from collections.abc import Mapping
from dataclasses import dataclass

from gateway.callbacks.forms import Form


@dataclass(frozen=True, slots=True)
class CallbackRequest:
    """A callback as it came over HTTP."""

    method: str
    #: The part of the path behind the provider's id, if there was one.
    token: str | None
    query: Form
    #: Names in lower case.
    headers: Mapping[str, str]
    body: bytes
    #: The path, without the query.
    path: str = ""
