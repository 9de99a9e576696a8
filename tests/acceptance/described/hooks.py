"""What schemathesis cannot know of the API."""

from contextlib import suppress
from typing import Any

import schemathesis
from schemathesis.openapi.checks import RejectedPositiveData

from gateway.web import schemas

#: Types of problems that are about what is stored, not about the form of the input.
OF_WHAT_IS_STORED = {
    "idempotency-key-reused",
    "missing-field",
    "no-route",
    "no-route-to-provider",
    "quantity-too-large",
    "too-expensive",
    "unreadable-callback",
}
#: Where the input has a form that a schema does not tell: opaque cursors, visible characters, a reason in words, a
#: code, fields that exclude each other, an address that is public.
NOT_IN_A_SCHEMA = (
    "/cursor",
    "/reference",
    "/reason",
    "/pinCode",
    "/codes",
    "/accept",
    "/fields/",
    "/notifyUrl",
)
#: Seconds that a request may wait for an order.
LONGEST_WAIT_SECONDS = 0.2


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: dict[str, Any]) -> None:
    """Without long waits."""
    wait = (case.query or {}).get("wait")
    with suppress(TypeError, ValueError):
        if LONGEST_WAIT_SECONDS < float(wait) <= schemas.MAX_WAIT_SECONDS:
            case.query["wait"] = LONGEST_WAIT_SECONDS


@schemathesis.hook
def filter_failure(context: Any, failure: Any, case: Any, response: Any) -> bool:
    """Without refusals of valid input for a reason that no schema tells."""
    if not isinstance(failure, RejectedPositiveData):
        return True
    if case.method.upper() == "HEAD":
        return response.status_code not in (400, 422)  # why, only GET tells
    problem = response.json()
    if problem["type"].rpartition("/")[2] in OF_WHAT_IS_STORED:
        return False
    errors = problem.get("errors", [])
    return not errors or not all(one["pointer"].startswith(NOT_IN_A_SCHEMA) for one in errors)
