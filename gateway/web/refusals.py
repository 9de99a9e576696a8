"""Why an order was not placed: what the storefront hears, and what the operator finds in the log."""

from functools import singledispatch

from gateway import log
from gateway.web import problems, schemas
from gateway.web.errors import FieldError, Problem
from models.placing import (
    KeyReused,
    MissingFields,
    NewOrder,
    NoRoute,
    NoTenant,
    NotPlaced,
    ReferenceUsed,
    SentTwice,
    TooExpensive,
    TooMany,
)

logger = log.get(__name__)

#: What only the operator can do about it.
CURES: dict[type[NotPlaced], str] = {
    NoRoute: "add a route: gateway routes add PRODUCT PACKAGE PROVIDER",
    NoTenant: "make a key of the tenant: gateway keys create NAME --tenant T",
    TooExpensive: "tell what an item costs: gateway routes add PRODUCT PACKAGE PROVIDER --cost AMOUNT --currency C",
}


def problem_of(refused: NotPlaced, new: NewOrder) -> Problem:
    """The answer, for the order that was refused."""
    if cure := CURES.get(type(refused)):
        logger.warning(
            "An order was refused.",
            action="order_refused",
            reason=type(refused).__doc__,
            product_id=new.product_id,
            package_id=new.package_id,
            cure=cure,
        )
    return _problem(refused)


@singledispatch
def _problem(refused: NotPlaced) -> Problem:
    raise TypeError(f"{type(refused).__name__} has no problem type")


@_problem.register
def _(refused: NoRoute) -> Problem:
    errors = [FieldError("/packageId", "has no route")]
    return Problem(problems.NO_ROUTE, "this package is not offered: it has no provider", errors)


@_problem.register
def _(refused: NoTenant) -> Problem:
    detail = "here every order belongs to a tenant, and this key belongs to none; use a key of the tenant"
    return Problem(problems.KEY_WITHOUT_TENANT, detail)


@_problem.register
def _(refused: KeyReused) -> Problem:
    return Problem(problems.IDEMPOTENCY_KEY_REUSED, str(refused))


@_problem.register
def _(refused: ReferenceUsed) -> Problem:
    detail = (
        f"order {refused.order_id} has this reference already; read it with GET /orders/{refused.order_id}, or give"
        " another order a reference of its own"
    )
    return Problem(problems.REFERENCE_USED, detail, members={"orderId": refused.order_id})


@_problem.register
def _(refused: SentTwice) -> Problem:
    detail = (
        f"order {refused.order_id} is for the same player and package, and was placed a moment ago; if a second one is"
        ' meant, send `"allowRepeat": true`'
    )
    return Problem(problems.REPEATED_ORDER, detail, members={"orderId": refused.order_id})


@_problem.register
def _(refused: MissingFields) -> Problem:
    errors = [FieldError(_pointer(name), "is needed for this package") for name in refused.names]
    return Problem(problems.MISSING_FIELD, "the order lacks what its package needs", errors)


@_problem.register
def _(refused: TooMany) -> Problem:
    errors = [FieldError("/quantity", f"must be {refused.most} or less for this package")]
    detail = f"an order of this package may ask for {refused.most} at most; place several orders"
    return Problem(problems.QUANTITY_TOO_LARGE, detail, errors)


@_problem.register
def _(refused: TooExpensive) -> Problem:
    told = "GET /routes/{productId}/{packageId} shows what one costs, in which currency, or null if it is not known"
    errors = [FieldError("/maxCost", told)]
    return Problem(problems.TOO_EXPENSIVE, "no provider is known to deliver it for `maxCost`", errors)


def _pointer(name: str) -> str:
    """Where a field that a route needs stands in the body."""
    return f"/{name}" if name in schemas.FIELDS_OF_THEIR_OWN else f"/fields/{name}"
