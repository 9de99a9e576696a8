"""Reading request bodies, bounded in size and time."""

from typing import Any

import falcon

from gateway import strict_json
from gateway.said import Said
from gateway.web import problems
from gateway.web.errors import Problem

#: Bytes of the largest body accepted.
MAX_BYTES = 64 * 1024


def read(req: falcon.Request) -> bytes:
    """The raw body. Raises a 400 or 408 for one that is not complete, a 413 for one that is too large."""
    if (req.content_length or 0) > MAX_BYTES:
        raise _too_large()
    try:
        body = req.bounded_stream.read(MAX_BYTES + 1) if req.content_length is not None else _chunked(req)
    except TimeoutError:
        raise Problem(problems.BODY_TIMEOUT, Said("the body did not arrive in time")) from None
    except OSError:
        raise Problem(problems.INCOMPLETE_BODY, Said("the body did not arrive whole")) from None
    if len(body) > MAX_BYTES:
        raise _too_large()
    if len(body) < (req.content_length or 0):
        raise Problem(problems.INCOMPLETE_BODY, Said("the body ended before its Content-Length"))
    return bytes(body)


def _chunked(req: falcon.Request) -> bytes:
    """A body without Content-Length. The stream ends with the last chunk."""
    if "chunked" not in (req.get_header("Transfer-Encoding") or "").lower():
        return b""
    try:
        return bytes(req.stream.read(MAX_BYTES + 1))
    except OSError:
        raise
    except Exception:  # each server raises its own error for malformed chunks
        raise Problem(problems.INCOMPLETE_BODY, Said("the chunked body is malformed")) from None


def _too_large() -> Problem:
    return Problem(problems.BODY_TOO_LARGE, Said("the body is larger than {size} bytes", size=MAX_BYTES))


def read_json(req: falcon.Request) -> dict[str, Any]:
    """The body in `req.context`, as a JSON object. Raises a 400 or 415."""
    if (req.content_type or "application/json").partition(";")[0].strip().lower() != "application/json":
        raise Problem(problems.UNSUPPORTED_MEDIA_TYPE, "send JSON: Content-Type: application/json")
    try:
        value = strict_json.loads(req.context.body)
    except strict_json.NotJson as error:
        raise Problem(problems.INVALID_JSON, f"the body {error}") from None
    if not isinstance(value, dict):
        raise Problem(problems.INVALID_JSON, "the body must be a JSON object")
    return value
