"""Every call of the API: what it takes, and what it answers. `/openapi.json` is made of this table.

A call that the URL table has and this one does not, or the other way round, fails a test; so does an answer, got by
any test of the web, that is not described here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from gateway.web import answers, errors, schemas
from models.api_key import Scope

JSON, TEXT, HTML = "application/json", "text/plain", "text/html"

#: Headers of answers by name, and what they say.
HEADERS = {
    "X-Request-ID": "The `X-Request-ID` of the request, or a new one. The gateway's log has it.",
    "Location": "The path of the order.",
    "Idempotency-Replayed": "`true` if this is the first answer again.",
    "Retry-After": "Seconds after which to try again.",
    "WWW-Authenticate": "How to authenticate.",
}
#: What a problem of each status says, where a call says nothing of its own, and the headers that it has.
PROBLEMS: dict[int, tuple[str, tuple[str, ...]]] = {
    400: ("The request cannot be read; `errors` names the parameters that are not valid.", ()),
    401: ("The API key is missing, not valid, or has expired.", ("WWW-Authenticate",)),
    403: ("The API key does not have the scope.", ()),
    404: ("Not found; the same for an order of another tenant.", ()),
    408: ("The body did not arrive in time.", ()),
    409: ("Not possible as the order is now.", ()),
    413: ("The body is larger than 65,536 bytes.", ()),
    415: ("The body is not JSON, by its `Content-Type`.", ()),
    422: ("The input is not valid; `errors` says what is wrong, and where.", ()),
    429: ("Too many requests of this key, or too many wrong keys from this address.", ("Retry-After",)),
    500: ("A fault of the gateway; its log has the details under the `X-Request-ID`.", ()),
    503: ("The database is away or busy. Nothing was changed; try again.", ("Retry-After",)),
}
#: Statuses of problems that a call may have for what it needs.
FOR_KEYS, FOR_READING, FOR_JSON = (401, 403, 429), (400, 408, 413), (415, 422)

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
    replies: Mapping[int, Reply]
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
    #: Statuses of further problems, with a description of their own or an empty one.
    problems: Mapping[int, str] = field(default_factory=dict)
    #: Whether it is served below ORDER_API_PREFIX too.
    is_prefixed: bool = False

    def all_replies(self) -> dict[int, Reply]:
        """By status, problems included."""
        statuses = {500, *self.problems}
        statuses |= set(FOR_KEYS) if self.scopes else set()
        statuses |= {*FOR_READING, 503} if self.uses_database else set()
        statuses |= set(FOR_JSON) if self.body else set()
        statuses |= {404} if "{" in self.path else set()
        made = {status: _problem(status, self.problems.get(status, "")) for status in statuses}
        return dict(sorted((made | dict(self.replies)).items()))


def _problem(status: int, description: str) -> Reply:
    usual, headers = PROBLEMS[status]
    return Reply(description or usual, {errors.MEDIA_TYPE: answers.Problem}, headers)


def _an_order(description: str) -> dict[int, Reply]:
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
                {JSON: (answers.Reached, answers.ListReached), TEXT: str},
            ),
            202: Reply(
                "No order has the reference yet. It is kept, and applied as soon as one has.",
                {JSON: (answers.Reached, answers.ListReached)},
            ),
        },
        description=(
            "Called by providers, in the format and with the signature that each was added with (`gateway providers add"
            " … --callback … --callback-format …`), and by nobody else."
        ),
        takes_anything=method == "POST",
        problems={
            400: "It cannot be read. If its signature was right it is kept, for a person to see.",
            401: "The signature is missing or not valid; nothing is stored.",
            403: "The provider does not call from this address.",
            404: "No provider has this id.",
            429: "Too many wrong signatures came from this address.",
        },
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
                "The order: new, or with `Idempotency-Replayed: true` the first answer again, as it was then.",
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
        problems={
            400: "The body is not a JSON object, or the `Idempotency-Key` is not valid.",
            422: (
                "The order is not valid (`errors` says where), no provider sells the package, or the `Idempotency-Key`"
                " was used with another body."
            ),
        },
        is_prefixed=True,
    ),
    Operation(
        "GET",
        "/orders",
        "listOrders",
        "Orders",
        "List orders, newest first",
        {200: Reply("A page.", {JSON: answers.OrderPage})},
        description=(
            "Without codes. Pass `nextCursor` as `cursor` until it is null; a page of a filtered list may be short."
        ),
        scopes=(Scope.ORDERS_READ,),
        query=schemas.ListOrders,
        problems={503: "The database is away or busy, or the list took too long: narrow it."},
        is_prefixed=True,
    ),
    Operation(
        "GET",
        "/orders/{order_id}",
        "getOrder",
        "Orders",
        "Get an order",
        _an_order("The order; with `pinCode` and `codes` for a key with `pins:read`."),
        description="That a key has read codes stands on the order's timeline, once per key and hour.",
        scopes=(Scope.ORDERS_READ,),
        is_prefixed=True,
    ),
    Operation(
        "GET",
        "/orders/{order_id}/events",
        "listEvents",
        "Orders",
        "List what happened to an order",
        {200: Reply("A page of its timeline, oldest event first.", {JSON: answers.EventPage})},
        scopes=(Scope.ORDERS_READ,),
        query=schemas.ListEvents,
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
        problems={409: "The provider cannot be asked about this order, or need not be."},
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
        problems={409: "It is no longer `not_sent`: a provider may have it."},
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
        problems={409: "Nothing is kept that could be accepted, or the order cannot become that."},
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
        problems={
            409: "A provider may have it, and `mayBuyTwice` is not true; or it was delivered.",
            422: "The input is not valid, or the provider has no route from the order's package.",
        },
        is_prefixed=True,
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
        problems={403: "The API key does not have the scope, or belongs to a tenant.", 503: ""},
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
