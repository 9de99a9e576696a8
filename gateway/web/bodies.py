"""Reading bodies: bounded, and with a clear word for whatever is wrong with them."""

import json
from typing import Any

import falcon

from gateway.web.errors import Problem

#: Bytes of the largest body taken.
MAX_BYTES = 64 * 1024


def read(req: falcon.Request) -> bytes:
    """The raw body. Raises a 408 for one that stops on its way, a 413 for one that is too large."""
    if (req.content_length or 0) > MAX_BYTES:
        raise _too_large()
    try:
        body = req.bounded_stream.read(MAX_BYTES + 1) if req.content_length is not None else _chunked(req)
    except OSError:
        raise Problem(408, "the body did not arrive in time") from None
    if len(body) > MAX_BYTES:
        raise _too_large()
    return bytes(body)


def _chunked(req: falcon.Request) -> bytes:
    """A body without Content-Length, where the server takes the end of the chunks for the end of the stream."""
    if "chunked" not in (req.get_header("Transfer-Encoding") or "").lower():
        return b""
    return bytes(req.stream.read(MAX_BYTES + 1))


def _too_large() -> Problem:
    return Problem(413, f"the body is larger than {MAX_BYTES} bytes")


def read_json(req: falcon.Request) -> dict[str, Any]:
    """The body that was read, as a JSON object. Raises a 400 or 415."""
    if (req.content_type or "application/json").partition(";")[0].strip().lower() != "application/json":
        raise Problem(415, "send JSON: Content-Type: application/json")
    try:
        value = json.loads(req.context.body.decode(), parse_constant=_refuse_constant, object_pairs_hook=_unique)
    except UnicodeDecodeError:
        raise Problem(400, "the body is not UTF-8") from None
    except DuplicateName as error:
        raise Problem(400, f"the body has the name {str(error)!r} twice") from None
    except (ValueError, RecursionError):
        raise Problem(400, "the body is not JSON") from None
    if not isinstance(value, dict):
        raise Problem(400, "the body must be a JSON object")
    return value


class DuplicateName(ValueError):
    """A JSON object has a name twice; readers disagree on which value counts."""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise DuplicateName(name[:40])
        found[name] = value
    return found


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")
