"""Every call of the API: what it takes, and what it answers. `/openapi.json` is made of this table.

A call that the URL table has and this one does not, or the other way round, fails a test; so does an answer, got by
any test of the web, that is not described here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from gateway.web import answers, problems, schemas
from gateway.web.problems import ProblemType
from models.api_key import Scope

JSON, TEXT, HTML, ANY = "application/json", "text/plain", "text/html", "*/*"

#: Headers of answers by name, and what they say.
HEADERS = {
    "X-Request-ID": "The `X-Request-ID` of the request, or a new one. The gateway's log has it.",
    "Location": "The path of the order.",
    "Idempotency-Replayed": "`true` if this is the first answer again.",
    "Retry-After": "Seconds after which to try again.",
    "WWW-Authenticate": "How to authenticate.",
}
#: Headers of problems, by their status.
PROBLEM_HEADERS = {401: ("WWW-Authenticate",), 429: ("Retry-After",), 503: ("Retry-After",)}

#: What any call with a key may be answered, any that needs the database, and any with a body of JSON.
WITH_KEY = (
    problems.MISSING_KEY,
    problems.WRONG_AUTHORIZATION,
    problems.INVALID_KEY,
    problems.EXPIRED_KEY,
    problems.MISSING_SCOPE,
    problems.TOO_MANY_REQUESTS,
    problems.TOO_MANY_FAILURES,
)
READING = (
    problems.BAD_REQUEST,
    problems.INCOMPLETE_BODY,
    problems.BODY_TIMEOUT,
    problems.BODY_TOO_LARGE,
    problems.DATABASE_UNAVAILABLE,
)
WITH_JSON = (problems.INVALID_JSON, problems.UNSUPPORTED_MEDIA_TYPE)
#: What a call about one order may be answered that shows its codes.
OF_CODES = (problems.UNREADABLE_VALUE,)

PLACING = (
    problems.INVALID_IDEMPOTENCY_KEY,
    problems.INVALID_ORDER,
    problems.MISSING_FIELD,
    problems.QUANTITY_TOO_LARGE,
    problems.TOO_EXPENSIVE,
    problems.NO_ROUTE,
    problems.KEY_WITHOUT_TENANT,
    problems.UNKNOWN_TENANT,
    problems.UNKNOWN_PRODUCT,
    problems.IDEMPOTENCY_KEY_REUSED,
    problems.REFERENCE_USED,
    problems.REPEATED_ORDER,
)

#: A schema: of a model, of one of several, or of plain text.
Schema = type[BaseModel] | tuple[type[BaseModel], ...] | type[str]


@dataclass(frozen=True, slots=True)
class Reply:
    """What is answered with one status: the schema of each media type."""

    description: str
    content: Mapping[str, Schema] = field(default_factory=dict)
    headers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path, as the URL table has it."""

    method: str
    path: str
    id: str
    tag: str
    summary: str
    #: By status; `2XX` are those that have no reply of their own.
    replies: Mapping[int | str, Reply]
    description: str = ""
    #: One of them is enough; none: no key is needed.
    scopes: tuple[Scope, ...] = ()
    body: type[BaseModel] | None = None
    #: The body is whatever its sender's format says.
    takes_anything: bool = False
    query: type[BaseModel] | None = None
    #: Headers of the request: what they say, and their schema.
    headers: Mapping[str, tuple[str, Mapping[str, Any]]] = field(default_factory=dict)
    #: Whether it needs the database, and so reads the body first.
    uses_database: bool = True
    #: Beside those that any call like it has.
    problems: tuple[ProblemType, ...] = ()
    #: Whether it is served below ORDER_API_PREFIX too.
    is_prefixed: bool = False

    def all_problems(self) -> list[ProblemType]:
        """In the order of the catalogue."""
        found = {problems.INTERNAL_ERROR, *self.problems}
        found |= set(WITH_KEY) if self.scopes else set()
        found |= set(READING) if self.uses_database else set()
        found |= set(WITH_JSON) if self.body else set()
        found |= {problems.INVALID_QUERY} if self.query or self.scopes else set()
        found |= {problems.ORDER_NOT_FOUND} if "{order_id}" in self.path else set()
        found |= {problems.NOT_FOUND} if "{" in self.path else set()  # for an id with a slash in it, %2F too
        return [one for one in problems.CATALOGUE.values() if one in found]


def _an_order(description: str) -> dict[int | str, Reply]:
    return {200: Reply(description, {JSON: answers.Order})}


#: `POST` and `GET` are the same to a callback; a HEAD only tries out the address.
def _callback(method: str, path: str, suffix: str) -> Operation:
    return Operation(
        method,
        path,
        f"{ {'POST': 'receive', 'GET': 'receiveByGet', 'HEAD': 'tryOut'}[method] }Callback{suffix}",
        "Callbacks",
        "Receive what a provider says of its orders",
        {
            200: Reply(
                "Committed. Said in the words that the provider's protocol wants, else as JSON.",
                {JSON: (answers.Reached, answers.ListReached, answers.OfProtocol), TEXT: str, ANY: str},
            ),
            202: Reply(
                "No order has the reference yet. It is kept, and applied as soon as one has.",
                {JSON: (answers.Reached, answers.ListReached)},
            ),
            "2XX": Reply("Committed, with the status that the provider's protocol wants.", {ANY: str}),
        },
        description=(
            "Called by providers, in the format and with the signature that each was added with (`gateway providers add"
            " … --callback … --callback-format …`), and by nobody else."
        ),
        takes_anything=method == "POST",
        problems=(
            problems.PROVIDER_NOT_FOUND,
            problems.INVALID_SIGNATURE,
            problems.ADDRESS_NOT_ALLOWED,
            problems.UNREADABLE_CALLBACK,
            problems.TOO_MANY_FAILURES,
        ),
    )


OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "POST",
        "/orders",
        "placeOrder",
        "Orders",
        "Place an order",
        {
            201: Reply(
                "The order: new, or with `Idempotency-Replayed: true` the first answer again, as it was then. For a key"
                " with `pins:read` it has `pinCode` and `codes`, empty as yet.",
                {JSON: answers.Order},
                ("Location", "Idempotency-Replayed"),
            )
        },
        description=(
            "Answered as soon as the order is stored; a provider gets it a moment later. Send an `Idempotency-Key`, so"
            " that the request can be repeated after a lost answer: the same key and body get the first answer, byte"
            " for byte, for a week."
        ),
        scopes=(Scope.ORDERS_WRITE,),
        body=schemas.PlaceOrder,
        headers={
            "Idempotency-Key": (
                "1 to 255 visible ASCII characters that name this order, such as a cart's number.",
                {"type": "string", "pattern": "^[!-~]{1,255}$"},
            )
        },
        problems=PLACING,
        is_prefixed=True,
    ),
    Operation(
        "GET",
        "/orders",
        "listOrders",
        "Orders",
        "List orders, newest first",
        {200: Reply("A page.", {JSON: answers.Orders})},
        description=(
            "Without codes. Pass `nextCursor` as `cursor` until it is null; a page of a filtered list may be short."
        ),
        scopes=(Scope.ORDERS_READ,),
        query=schemas.ListOrders,
        problems=(problems.LIST_TOO_SLOW,),
        is_prefixed=True,
    ),
    Operation(
        "GET",
        "/orders/{order_id}",
        "getOrder",
        "Orders",
        "Get an order",
        _an_order("The order; with `pinCode` and `codes` for a key with `pins:read`."),
        description=(
            "With `wait` it is answered as soon as `externalStatus` differs from `from` (without `from`: as soon as it"
            " is final), or after that many seconds. Behind a router that cuts silent requests at 30 s use at most 25."
            " That a key has read codes stands on the order's timeline, once per key and hour."
        ),
        scopes=(Scope.ORDERS_READ,),
        query=schemas.GetOrder,
        problems=(problems.TOO_MANY_WAITING, *OF_CODES),
        is_prefixed=True,
    ),
    Operation(
        "GET",
        "/orders/{order_id}/events",
        "listEvents",
        "Orders",
        "List what happened to an order",
        {200: Reply("A page of its timeline, oldest event first.", {JSON: answers.Events})},
        scopes=(Scope.ORDERS_READ,),
        query=schemas.ListEvents,
        problems=OF_CODES,
        is_prefixed=True,
    ),
    Operation(
        "POST",
        "/orders/{order_id}/check",
        "checkOrder",
        "Orders",
        "Ask the provider now",
        {202: Reply("It is being asked. The order as it was before.", {JSON: answers.Order})},
        description="Repeated within 5 seconds it is the same check.",
        scopes=(Scope.ORDERS_WRITE, Scope.OPS),
        problems=(problems.CANNOT_CHECK,),
        is_prefixed=True,
    ),
    Operation(
        "POST",
        "/orders/{order_id}/cancel",
        "cancelOrder",
        "Orders",
        "Cancel an order that was not sent",
        _an_order("The order, which is `failed` now."),
        scopes=(Scope.ORDERS_WRITE,),
        problems=(problems.CANNOT_CANCEL,),
        is_prefixed=True,
    ),
    Operation(
        "POST",
        "/orders/{order_id}/resolve",
        "resolveOrder",
        "Operations",
        "Decide how an order ends",
        _an_order("The order as it was decided."),
        description=(
            "A person's decision, with a reason that stands on the timeline. With `externalStatus` the order becomes"
            " that; with `accept` the outcome that was kept as a conflict is taken; with neither it stays as it is, and"
            " its `attention` is cleared."
        ),
        scopes=(Scope.OPS,),
        body=schemas.ResolveOrder,
        problems=(problems.INVALID_DECISION, problems.DECISION_NOT_POSSIBLE, *OF_CODES),
        is_prefixed=True,
    ),
    Operation(
        "POST",
        "/orders/{order_id}/resend",
        "resendOrder",
        "Operations",
        "Send an order again",
        _an_order("The order, which is `not_sent` again."),
        description="Sends an order that no provider has, or with `mayBuyTwice` one that a provider may have.",
        scopes=(Scope.OPS,),
        body=schemas.ResendOrder,
        problems=(
            problems.INVALID_DECISION,
            problems.DECISION_NOT_POSSIBLE,
            problems.NO_ROUTE_TO_PROVIDER,
            *OF_CODES,
        ),
        is_prefixed=True,
    ),
    Operation(
        "GET",
        "/routes/{product_id}/{package_id}",
        "getRoute",
        "Orders",
        "Get what an order of a package needs",
        {200: Reply("Its inputs, its price, and whether it can be had now.", {JSON: answers.Route})},
        scopes=(Scope.ORDERS_READ, Scope.ORDERS_WRITE),
        problems=(problems.ROUTE_NOT_FOUND,),
    ),
    *(
        _callback(method, f"/callbacks/{{provider_id}}{token}", suffix)
        for token, suffix in (("", ""), ("/{token}", "WithToken"))
        for method in ("POST", "GET", "HEAD")
    ),
    Operation(
        "GET",
        "/health/live",
        "isLive",
        "Health",
        "Whether the process answers",
        {200: Reply("It does.", {JSON: answers.Live})},
        uses_database=False,
    ),
    Operation(
        "GET",
        "/health/ready",
        "isReady",
        "Health",
        "Whether an order could be placed now",
        {
            200: Reply("It could.", {JSON: answers.Readiness}),
            503: Reply("It could not; `status` names what is down.", {JSON: answers.Readiness}),
        },
        uses_database=False,
    ),
    Operation(
        "GET",
        "/metrics",
        "getMetrics",
        "Health",
        "Gauges for Prometheus",
        {200: Reply("In the text format of Prometheus.", {TEXT: str})},
        scopes=(Scope.OPS,),
        uses_database=False,
        problems=(problems.NOT_FOR_TENANTS, problems.DATABASE_UNAVAILABLE),
    ),
    Operation(
        "GET",
        "/openapi.json",
        "getDocument",
        "Documents",
        "This document",
        {200: Reply("OpenAPI 3.1.", {JSON: answers.Document})},
        uses_database=False,
    ),
    Operation(
        "GET",
        "/docs",
        "getPage",
        "Documents",
        "This document as a page",
        {200: Reply("It loads nothing else.", {HTML: str})},
        uses_database=False,
    ),
    Operation(
        "GET",
        "/docs/problems/{slug}",
        "getProblemPage",
        "Documents",
        "What a type of problem means, and what to do",
        {200: Reply("The page at which `type` of a problem points.", {HTML: str})},
        uses_database=False,
    ),
)
