"""Routes: which provider gets the orders for a product and package, and what the provider calls the product."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from models.db import database
from models.db.prepared import Prepared
from models.status import Expects

#: Orders of a route that all ended without a code, after which its next ones are asked for it once only.
HISTORY = 20
#: Stands for any product or any package.
ANY = "*"


@dataclass(frozen=True, slots=True)
class Route:
    """Where an order goes."""

    provider_id: str
    #: What the product is called at this provider.
    params: dict[str, str]
    #: Whether its orders bring a code.
    expects: Expects = Expects.AUTO
    #: Templates for the provider's fields, such as {"oyuncu_bilgi": "{extraField}"}; empty: the protocol's own way.
    field_map: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ListedRoute(Route):
    """A route, and the orders it is for."""

    product_id: str = ANY
    package_id: str = ANY
    #: Among the routes of the same product and package: the lower is asked first.
    priority: int = 0
    #: Of those with the same priority, the lower is asked first; from 1, in the order in which they were added.
    position: int = 1
    #: What one item costs at this provider, and in which currency; None if nobody has said.
    cost: Decimal | None = None
    currency: str | None = None


@dataclass(frozen=True, slots=True)
class Cost:
    """What one item costs."""

    amount: Decimal
    currency: str


def add(
    product_id: str,
    package_id: str,
    provider_id: str,
    params: Mapping[str, str] | None = None,
    *,
    expects: Expects | None = None,
    field_map: Mapping[str, str] | None = None,
    priority: int | None = None,
    cost: Cost | None = None,
    forget_cost: bool = False,
) -> ListedRoute:
    """Add a route behind those that the package has, or change the one that it has to this provider.

    What is None keeps its value, or has its default on a new route. Returns the route as it is now.
    """
    values = {
        "product": product_id,
        "package": package_id,
        "provider": provider_id,
        "params": None if params is None else database.as_json(dict(params)),
        "expects": expects and expects.value,
        "field_map": None if field_map is None else database.as_json(dict(field_map)),
        "priority": priority,
        "cost": cost and cost.amount,
        "currency": cost and cost.currency,
        "forget_cost": forget_cost,
    }
    return database.load(ListedRoute, ADD, values)[0]


def remove(product_id: str, package_id: str, provider_id: str) -> bool:
    """Remove the route of exactly this product and package to the provider. False if there is none."""
    return database.row(REMOVE, (product_id, package_id, provider_id)) is not None


def every() -> list[ListedRoute]:
    """All routes, in the order in which they are tried."""
    return database.load(ListedRoute, EVERY)


def next_for(product_id: str, package_id: str, tried: list[str], only: str | None = None) -> Route | None:
    """The route to use, or to use next when the providers in `tried` have refused.

    The most specific wins (product and package, then product, then package, then any), then the lowest priority, then
    the first added. `only`: of those to this provider.
    """
    values = {"product": product_id, "package": package_id, "tried": tried, "only": only}
    return database.load_one(Route, NEXT_ROUTE, values)


#: In SQL, of the order `o`: the last HISTORY orders of its route that have ended all ended without a code. One that is
#: still asked for its code has not ended. Uses idx_orders_completed_of_route.
HAS_NO_CODES = f"""(
    SELECT count(*) = {HISTORY} AND bool_and(NULLIF(recent."pinCode", '') IS NULL AND recent."codesOnly" IS NOT TRUE)
    FROM (
        SELECT former."pinCode", former."codesOnly"
        FROM product_orders AS former
        WHERE former."externalStatus" = 'completed'
            AND former."completedAt" IS NOT NULL
            AND former."codeAsks" IS NULL
            AND former."providerId" = o."providerId"
            AND former."productId" = o."productId"
            AND former."packageId" = o."packageId"
            AND former.id <> o.id
        ORDER BY former."completedAt" DESC
        LIMIT {HISTORY}
    ) AS recent
)"""
LISTED = "provider_id, params, expects, field_map, product_id, package_id, priority, position, cost, currency"
ADD = f"""
INSERT INTO referans.routes AS r (product_id, package_id, provider_id, params, expects, field_map, priority, cost,
    currency, position)
VALUES (%(product)s, %(package)s, %(provider)s, COALESCE(%(params)s::jsonb, '{{}}'), COALESCE(%(expects)s, 'auto'),
    COALESCE(%(field_map)s::jsonb, '{{}}'), COALESCE(%(priority)s, 0), %(cost)s, %(currency)s,
    (SELECT COALESCE(max(position), 0) + 1 FROM referans.routes
     WHERE product_id = %(product)s AND package_id = %(package)s))
ON CONFLICT (product_id, package_id, provider_id) DO UPDATE SET
    params = COALESCE(%(params)s::jsonb, r.params),
    expects = COALESCE(%(expects)s, r.expects),
    field_map = COALESCE(%(field_map)s::jsonb, r.field_map),
    priority = COALESCE(%(priority)s, r.priority),
    cost = CASE WHEN NOT %(forget_cost)s THEN COALESCE(%(cost)s, r.cost) END,
    currency = CASE WHEN NOT %(forget_cost)s THEN COALESCE(%(currency)s, r.currency) END
RETURNING {LISTED}
"""
REMOVE = (
    "DELETE FROM referans.routes WHERE product_id = %s AND package_id = %s AND provider_id = %s RETURNING id"
)
#: Routes of one product and package, the first to be asked first. `id` where two were added at the same instant.
IN_TURN = "priority, position, id"
EVERY = f"""
SELECT {LISTED} FROM referans.routes
ORDER BY product_id = '*', package_id = '*', product_id, package_id, {IN_TURN}
"""
#: The first route for an SQL product and package.
FIRST_ROUTE = f"""
SELECT provider_id, params, expects, field_map FROM referans.routes
WHERE product_id IN ({{product}}, '*') AND package_id IN ({{package}}, '*') AND {{usable}}
ORDER BY product_id = '*', package_id = '*', {IN_TURN} LIMIT 1
"""
NEXT_ROUTE = Prepared(
    FIRST_ROUTE.format(
        product="%(product)s::text",
        package="%(package)s::text",
        usable="provider_id <> ALL (%(tried)s::text[])"
        " AND (%(only)s::text IS NULL OR provider_id = %(only)s::text)",
    )
)
