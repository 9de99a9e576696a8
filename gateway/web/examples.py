"""Examples of the document. Each is run by the tests (tests/gateway/web/test_examples.py)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.web import problems
from gateway.web.problems import ProblemType

ORDER: dict[str, Any] = {
    "id": "d4b411ef-4b38-458f-ba31-4ebe1d7e772c",
    "orderNo": 1817,
    "tenantId": None,
    "reference": None,
    "productId": "pubg",
    "packageId": "60uc",
    "quantity": 1,
    "userIdentifier": "5123456789",
    "extraField": None,
    "metadata": {},
    "status": "pending",
    "externalStatus": "not_sent",
    "failureReason": None,
    "attention": None,
    "providerId": "sandbox",
    "providerReferans": "482910573829105",
    "externalOrderId": None,
    "receipt": None,
    "cost": None,
    "lastMessage": None,
    "createdAt": "2025-01-31T19:51:24.104233Z",
    "sentAt": None,
    "lastSyncAt": None,
    "completedAt": None,
    "reversedAt": None,
    "durationMs": None,
}
SENT = ORDER | {
    "externalStatus": "sent",
    "externalOrderId": "90017",
    "sentAt": "2025-01-31T19:51:24.391020Z",
    "lastSyncAt": "2025-01-31T19:51:24.391020Z",
}
COMPLETED = SENT | {
    "status": "approved",
    "externalStatus": "completed",
    "lastSyncAt": "2025-01-31T19:51:26.482911Z",
    "completedAt": "2025-01-31T19:51:26.482911Z",
    "durationMs": 2092,
}
NO_CODES: dict[str, Any] = {"pinCode": None, "codes": []}
CODES = {"pinCode": "PTJS-7065-SJEP-3240", "codes": [{"code": "PTJS-7065-SJEP-3240"}]}
FAILED = ORDER | {
    "status": "rejected",
    "externalStatus": "failed",
    "failureReason": "cancelled",
    "lastMessage": "cancelled before it was sent",
}


@dataclass(frozen=True, slots=True)
class Example:
    """A request, and what it is answered."""

    name: str
    summary: str
    status: int
    #: None where the answer is a text.
    answer: Any
    #: The body of the request.
    body: Mapping[str, Any] | None = None
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    #: What was before, in the words of the test that runs it; also names the order that the path is about.
    given: str = "nothing"


def _problem(kind: ProblemType, detail: str, **more: Any) -> dict[str, Any]:
    return {"type": kind.type, "title": kind.title, "status": kind.status, "detail": detail, **more}


BY_OPERATION: dict[str, tuple[Example, ...]] = {
    "placeOrder": (
        Example(
            "order",
            "An order for a player",
            201,
            ORDER | NO_CODES,
            {"productId": "pubg", "packageId": "60uc", "userIdentifier": "5123456789"},
        ),
        Example(
            "reference",
            "An order with the storefront's own number, and what it wants to find again",
            201,
            ORDER | NO_CODES | {"reference": "cart-1817", "metadata": {"customer": "4711"}},
            {
                "productId": "pubg",
                "packageId": "60uc",
                "userIdentifier": "5123456789",
                "reference": "cart-1817",
                "metadata": {"customer": "4711"},
                "price": {"amount": "35.00", "currency": "TRY"},
            },
            headers={"Idempotency-Key": "cart-1817"},
        ),
        Example(
            "invalid",
            "A field by another name",
            422,
            _problem(
                problems.INVALID_ORDER,
                "the order is not valid",
                errors=[
                    {
                        "pointer": "/product_id",
                        "detail": "is not a field of this request; did you mean `productId`?",
                    }
                ],
            ),
            {"product_id": "pubg", "packageId": "60uc"},
        ),
        Example(
            "used",
            "A reference that another order has",
            409,
            _problem(
                problems.REFERENCE_USED,
                "order d4b411ef-4b38-458f-ba31-4ebe1d7e772c has this reference already; read it with"
                " GET /orders/d4b411ef-4b38-458f-ba31-4ebe1d7e772c, or give another order a reference of its own",
                orderId="d4b411ef-4b38-458f-ba31-4ebe1d7e772c",
            ),
            {"productId": "pubg", "packageId": "60uc", "reference": "cart-1817"},
            given="an order with this reference",
        ),
    ),
    "listOrders": (
        Example(
            "page",
            "The orders of a player that are on their way",
            200,
            {"data": [SENT], "nextCursor": None},
            query={"userIdentifier": "5123456789", "externalStatus": "sent"},
            given="a sent order",
        ),
        Example(
            "cursor",
            "A cursor that was changed",
            400,
            _problem(
                problems.INVALID_QUERY,
                "the query is not valid",
                errors=[
                    {
                        "pointer": "/cursor",
                        "detail": "is not a valid cursor; pass `nextCursor` back unchanged",
                    }
                ],
            ),
            query={"cursor": "x"},
        ),
    ),
    "getOrder": (
        Example(
            "completed",
            "A completed order, with `pins:read`",
            200,
            COMPLETED | CODES,
            given="a completed order",
        ),
        Example(
            "unknown",
            "No order has the id",
            404,
            _problem(
                problems.ORDER_NOT_FOUND,
                "no order has this id; GET /orders?reference=… finds one by your own number for it",
            ),
        ),
    ),
    "listEvents": (
        Example(
            "timeline",
            "The first event of an order",
            200,
            {
                "data": [
                    {
                        "at": "2025-01-31T19:51:24.104233Z",
                        "source": "api",
                        "from": None,
                        "to": "not_sent",
                        "message": "placed with key tests",
                        "by": "tests",
                    }
                ],
                "nextCursor": None,
            },
            given="an order",
        ),
    ),
    "checkOrder": (
        Example("asked", "The provider is being asked", 202, SENT, given="a sent order"),
        Example(
            "unsent",
            "An order that no provider has",
            409,
            _problem(problems.CANNOT_CHECK, "the order was never sent, so its provider cannot be asked"),
            given="an order",
        ),
    ),
    "cancelOrder": (
        Example("cancelled", "Nobody had it yet", 200, FAILED, given="an order"),
        Example(
            "sent",
            "A provider has it",
            409,
            _problem(problems.CANNOT_CANCEL, "the order is sent and can no longer be cancelled"),
            given="a sent order",
        ),
    ),
    "resolveOrder": (
        Example(
            "completed",
            "The panel shows the code, and the order does not",
            200,
            COMPLETED | CODES,
            {"externalStatus": "completed", "pinCode": "PTJS-7065-SJEP-3240", "reason": "the panel shows it"},
            given="a sent order",
        ),
        Example(
            "reason",
            "Without a reason",
            422,
            _problem(
                problems.INVALID_DECISION,
                "the decision is not valid",
                errors=[{"pointer": "/reason", "detail": "is required"}],
            ),
            {"externalStatus": "failed"},
            given="a sent order",
        ),
    ),
    "resendOrder": (
        Example(
            "resent",
            "After the provider has refused it",
            200,
            ORDER | NO_CODES,
            {"reason": "the panel was in maintenance"},
            given="a failed order",
        ),
        Example(
            "may have it",
            "The provider may have it",
            409,
            _problem(
                problems.DECISION_NOT_POSSIBLE,
                "order d4b411ef-4b38-458f-ba31-4ebe1d7e772c is sent and sandbox may have it: sending it again may buy"
                " it twice; look for it there first, then allow it (--may-buy-twice, or mayBuyTwice: true)",
            ),
            {"reason": "the customer waits"},
            given="a sent order",
        ),
    ),
    "getRoute": (
        Example(
            "needs",
            "A package that takes a player",
            200,
            {
                "fields": [
                    {
                        "name": "userIdentifier",
                        "required": False,
                        "description": "The player or the account that gets it.",
                    },
                    {
                        "name": "extraField",
                        "required": False,
                        "description": "A second input, such as a server or a phone number.",
                    },
                ],
                "quantity": 1,
                "cost": None,
                "available": True,
            },
        ),
    ),
    "isLive": (Example("live", "It answers", 200, {"status": "ok"}),),
    "isReady": (
        Example(
            "ready",
            "Everything is there",
            200,
            {"status": "ok", "database": "ok", "broker": "ok", "migrations": "ok", "encryption": "ok"},
        ),
    ),
}


def of(operation_id: str) -> tuple[Example, ...]:
    """The examples of an operation."""
    return BY_OPERATION.get(operation_id, ())
