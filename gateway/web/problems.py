"""The catalogue of problem types (RFC 9457): every error that the API answers is one of these.

`type` in an answer is the address of its page: `/docs/problems/<slug>`.
"""

from dataclasses import dataclass

#: Where the pages of the problem types are.
PAGES = "/docs/problems/"


@dataclass(frozen=True, slots=True)
class ProblemType:
    """One kind of error."""

    #: Its name in `type`; it never changes.
    slug: str
    title: str
    #: The HTTP status that it is answered with.
    status: int
    #: What has happened.
    meaning: str
    #: What to do about it.
    cure: str

    @property
    def type(self) -> str:
        """Its URI reference."""
        return PAGES + self.slug


# --- the request


BAD_REQUEST = ProblemType(
    "bad-request",
    "Bad request",
    400,
    "The request is not valid HTTP, or the server cannot read a part of it.",
    "Read `detail`, and check the method, the URL and the headers that your HTTP client sends.",
)
INVALID_JSON = ProblemType(
    "invalid-json",
    "Invalid JSON",
    400,
    "The body is not a JSON object in UTF-8. JSON is read strictly: without comments, trailing commas, NaN, or a name"
    " twice in an object.",
    "`detail` names the line and column where reading ended. Let a JSON library write the body.",
)
INCOMPLETE_BODY = ProblemType(
    "incomplete-body",
    "Incomplete body",
    400,
    "The body did not arrive as announced: the connection ended early, or its chunks are malformed. Nothing was"
    " stored.",
    "Send the request again. If it happens often, check `Content-Length` and what stands between you and the"
    " gateway.",
)
INVALID_QUERY = ProblemType(
    "invalid-query",
    "Invalid query",
    400,
    "A parameter of the query is not known, or its value is not valid.",
    "`errors` names each parameter and what it takes. Pass a `cursor` back unchanged.",
)
INVALID_IDEMPOTENCY_KEY = ProblemType(
    "invalid-idempotency-key",
    "Invalid Idempotency-Key",
    400,
    "The key must be 1 to 255 visible ASCII characters, in the header `Idempotency-Key`. A key in another"
    " header, such as"
    " `X-Idempotency-Key`, would protect nothing, so the request is refused. Nothing was placed.",
    "Send the key as `Idempotency-Key`; a UUID is a good one.",
)
UNREADABLE_CALLBACK = ProblemType(
    "unreadable-callback",
    "Unreadable callback",
    400,
    "The signature of a provider's callback is right, but its content cannot be read.",
    "This is for the provider and the operator: `gateway callbacks list --result invalid` shows what came.",
)
BODY_TIMEOUT = ProblemType(
    "body-timeout",
    "Body not received in time",
    408,
    "The body of the request did not arrive within 30 seconds, or sooner where the gateway needed the connection for"
    " others. Nothing was stored.",
    "Send the request again, with the same Idempotency-Key if it had one.",
)
BODY_TOO_LARGE = ProblemType(
    "body-too-large",
    "Body too large",
    413,
    "The body is larger than 64 KiB.",
    "Send less in one request.",
)
UNSUPPORTED_MEDIA_TYPE = ProblemType(
    "unsupported-media-type",
    "Unsupported media type",
    415,
    "The API takes JSON only.",
    "Send JSON, with the header `Content-Type: application/json`.",
)
NOT_FOUND = ProblemType(
    "not-found",
    "Not found",
    404,
    "The API has no such URL. An id in a path that contains a slash makes another path of it, also as `%2F`.",
    "Check the path; `/openapi.json` lists every URL.",
)
METHOD_NOT_ALLOWED = ProblemType(
    "method-not-allowed",
    "Method not allowed",
    405,
    "The URL exists, but does not take this method.",
    "The header `Allow` of the answer lists the methods that it takes.",
)

# --- who asks


MISSING_KEY = ProblemType(
    "missing-key",
    "Missing API key",
    401,
    "The request has no API key.",
    "Send the key in the header `Authorization: Bearer KEY`.",
)
WRONG_AUTHORIZATION = ProblemType(
    "wrong-authorization",
    "Wrong authorization",
    401,
    "The request brings its API key in another way than the API takes it: in another header, with another scheme"
    " such as"
    " Basic, or without a scheme. The key itself was not looked at.",
    "Send the key in the header `Authorization: Bearer KEY`.",
)
INVALID_KEY = ProblemType(
    "invalid-key",
    "Invalid API key",
    401,
    "The API key is not valid: it was mistyped, revoked, or belongs to another installation.",
    "Compare it with the key that you were given. A key is shown only once; if it is lost, ask for another one.",
)
EXPIRED_KEY = ProblemType(
    "expired-key",
    "Expired API key",
    401,
    "The API key was valid until the time in `detail`.",
    "Ask for another one.",
)
INVALID_SIGNATURE = ProblemType(
    "invalid-signature",
    "Invalid signature",
    401,
    "The signature or the token of a provider's callback is missing, wrong or too old. Nothing was stored.",
    "Compare the secret at the provider with the one here, and the clocks of both; `gateway providers rotate` makes a"
    " new secret.",
)
MISSING_SCOPE = ProblemType(
    "missing-scope",
    "Missing scope",
    403,
    "The API key is valid, but does not have the scope that this call needs.",
    "Use a key with the scope that `detail` names.",
)
NOT_FOR_TENANTS = ProblemType(
    "not-for-tenants",
    "Not for keys of a tenant",
    403,
    "The call is about all tenants together, and the API key belongs to one.",
    "Use a key that belongs to no tenant.",
)
ADDRESS_NOT_ALLOWED = ProblemType(
    "address-not-allowed",
    "Address not allowed",
    403,
    "The provider of the callback may call back only from certain addresses, and this is not one of them.",
    "The operator adds the address: `gateway providers set ID --callback-allow CIDR`.",
)
TOO_MANY_REQUESTS = ProblemType(
    "too-many-requests",
    "Too many requests",
    429,
    "The API key has made as many requests as it may within this time.",
    "Wait for the seconds in the header `Retry-After`, then go on. To hear of outcomes without asking, use"
    " notifications"
    " or `GET /orders/{id}?wait=20`.",
)
TOO_MANY_FAILURES = ProblemType(
    "too-many-failures",
    "Too many failures",
    429,
    "Too many wrong keys or signatures came from this address.",
    "Correct the key or the secret, and wait for the seconds in the header `Retry-After`. Requests with a right"
    " key are"
    " not affected.",
)

# --- placing an order


INVALID_ORDER = ProblemType(
    "invalid-order",
    "Invalid order",
    422,
    "A field of the order is missing, unknown, of the wrong type, or too long. Nothing was placed.",
    "`errors` names each field by a JSON pointer, and says what is wrong with it. Names are in camelCase.",
)
MISSING_FIELD = ProblemType(
    "missing-field",
    "Missing field",
    422,
    "The provider of this package needs an input that the order does not have. Nothing was placed.",
    "`errors` names it. `GET /routes/{productId}/{packageId}` lists what an order of the package needs.",
)
QUANTITY_TOO_LARGE = ProblemType(
    "quantity-too-large",
    "Quantity too large",
    422,
    "No provider of this package takes so many at once. Nothing was placed.",
    "Place several orders of at most the quantity that `detail` names.",
)
TOO_EXPENSIVE = ProblemType(
    "too-expensive",
    "Too expensive",
    422,
    "No provider of this package is known to deliver the order for `maxCost`: each costs more, has its cost in"
    " another"
    " currency, or has none that is known. Nothing was placed.",
    "Raise `maxCost` or leave it out. `GET /routes/{productId}/{packageId}` shows what one item costs.",
)
NO_ROUTE = ProblemType(
    "no-route",
    "No route",
    422,
    "No provider is configured for this product and package. Nothing was placed.",
    "Check `productId` and `packageId`. If they are right, the operator of the gateway adds the package; the"
    " gateway's"
    " log has the details.",
)
KEY_WITHOUT_TENANT = ProblemType(
    "key-without-tenant",
    "API key without a tenant",
    422,
    "In this installation every order belongs to a tenant, and the API key belongs to none. Nothing was placed.",
    "Use a key of the tenant that the order is for; the operator of the gateway makes one.",
)
UNKNOWN_TENANT = ProblemType(
    "unknown-tenant",
    "Unknown tenant",
    422,
    "The tenant of the API key does not exist any more. Nothing was placed.",
    "Use a key of a tenant that exists.",
)
UNKNOWN_PRODUCT = ProblemType(
    "unknown-product",
    "Unknown product",
    422,
    "The database in which orders are stored knows its products, and this product or package is not one of them."
    " Nothing"
    " was placed.",
    "Check `productId` and `packageId`; in such a database both are UUIDs.",
)
IDEMPOTENCY_KEY_REUSED = ProblemType(
    "idempotency-key-reused",
    "Idempotency-Key reused",
    422,
    "The Idempotency-Key was used before, for another order. Nothing was placed.",
    "Use a new key for each order, and the same key only to send the same order again.",
)
REFERENCE_USED = ProblemType(
    "reference-used",
    "Reference used",
    409,
    "An order with this `reference` exists. Nothing was placed.",
    "`orderId` names the order that exists: it is probably the one that you meant to place. Read it with"
    " `GET /orders/{orderId}`.",
)
REPEATED_ORDER = ProblemType(
    "repeated-order",
    "Repeated order",
    409,
    "An order of the same package for the same player was placed a moment ago, so that this one looks like the"
    " same order"
    " sent twice. Nothing was placed.",
    '`orderId` names the first one. If a second one is meant, send it with `"allowRepeat": true`.',
)

# --- an order


ORDER_NOT_FOUND = ProblemType(
    "order-not-found",
    "Order not found",
    404,
    "No order that the API key sees has this id.",
    "Check the id. To find an order by your own number, use `GET /orders?reference=…`.",
)
ROUTE_NOT_FOUND = ProblemType(
    "route-not-found",
    "Route not found",
    404,
    "No provider is configured for this product and package, so that it cannot be ordered.",
    "Check both ids. If they are right, the operator of the gateway adds the package.",
)
CANNOT_CHECK = ProblemType(
    "cannot-check",
    "The order cannot be checked",
    409,
    "The order has no provider that could be asked: it was not sent yet, or a person fulfils it.",
    "Wait for its outcome: by notification, or with `GET /orders/{id}?wait=20`.",
)
CANNOT_CANCEL = ProblemType(
    "cannot-cancel",
    "The order cannot be cancelled",
    409,
    "The order was sent to its provider, has ended, or was placed by another system.",
    "Read the order to see where it stands. Only an order that is `not_sent` can be cancelled.",
)
INVALID_DECISION = ProblemType(
    "invalid-decision",
    "Invalid decision",
    422,
    "A field of the decision is missing, unknown, of the wrong type, or contradicts another one. Nothing was"
    " changed.",
    "`errors` names each field by a JSON pointer, and says what is wrong with it.",
)
DECISION_NOT_POSSIBLE = ProblemType(
    "decision-not-possible",
    "The decision is not possible",
    409,
    "The order is not in a state in which this can be decided, or has changed in the same moment. Nothing was"
    " changed.",
    "Read `detail`, look at the order again, and decide again.",
)
NO_ROUTE_TO_PROVIDER = ProblemType(
    "no-route-to-provider",
    "No route to the provider",
    422,
    "No route leads from the order's package to the provider that was named. Nothing was changed.",
    "Name another provider, or add a route: `gateway routes add --help`.",
)

# --- the gateway


PROVIDER_NOT_FOUND = ProblemType(
    "provider-not-found",
    "Provider not found",
    404,
    "No provider has the id in the URL of this callback.",
    "Compare the URL at the provider with the one that `gateway providers list` shows.",
)
TOO_MANY_WAITING = ProblemType(
    "too-many-waiting",
    "Too many requests wait",
    503,
    "As many requests as this process allows wait for an order with `?wait=`.",
    "Ask again after the seconds in `Retry-After`, or without `wait`.",
)
DATABASE_UNAVAILABLE = ProblemType(
    "database-unavailable",
    "Database unavailable",
    503,
    "The database does not answer, is read-only, or all connections for this use are taken. What was to be"
    " placed may or"
    " may not be stored.",
    "Send the request again after the seconds in `Retry-After`, with the same Idempotency-Key if it had one:"
    " then an order"
    " is never placed twice.",
)
LIST_TOO_SLOW = ProblemType(
    "list-too-slow",
    "List too slow",
    503,
    "The list took longer than three seconds to read.",
    "Narrow it, for example with `createdAfter` and `createdBefore`.",
)
UNREADABLE_VALUE = ProblemType(
    "unreadable-value",
    "Unreadable value",
    500,
    "A sealed value of the order cannot be opened. The order itself is safe.",
    "Tell the operator of the gateway; `detail` says what to do.",
)
INTERNAL_ERROR = ProblemType(
    "internal-error",
    "Internal error",
    500,
    "A fault of the gateway itself.",
    "Try again later. The operator finds the details in the log, under the request id in `detail` and in"
    " `X-Request-ID`.",
)

#: Every problem type by its slug, in the order of this page.
CATALOGUE: dict[str, ProblemType] = {
    each.slug: each for each in list(globals().values()) if isinstance(each, ProblemType)
}
#: What stands for an error that Falcon raises itself, by its status.
OF_STATUS: dict[int, ProblemType] = {
    each.status: each
    for each in (
        BAD_REQUEST,
        NOT_FOUND,
        METHOD_NOT_ALLOWED,
        BODY_TOO_LARGE,
        UNSUPPORTED_MEDIA_TYPE,
        INTERNAL_ERROR,
    )
}
