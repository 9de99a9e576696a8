"""Routes: which provider gets the orders for a product and package, and what the provider calls the product."""

import json
from dataclasses import dataclass, field

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
    #: Among the routes of the same product and package, from 1.
    position: int = 1


def add(
    product_id: str,
    package_id: str,
    provider_id: str,
    params: dict[str, str],
    *,
    expects: Expects = Expects.AUTO,
    field_map: dict[str, str] | None = None,
) -> None:
    """Add a route after those that the package has, or change the one it has to this provider."""
    values = {
        "product": product_id,
        "package": package_id,
        "provider": provider_id,
        "params": json.dumps(params),
        "expects": expects.value,
        "field_map": json.dumps(field_map or {}),
    }
    database.rows(ADD, values)


def every() -> list[ListedRoute]:
    """All routes, in the order in which they are tried."""
    return database.load(ListedRoute, EVERY)


def next_for(product_id: str, package_id: str, tried: list[str], only: str | None = None) -> Route | None:
    """The route to use, or to use next when the providers in `tried` have refused.

    The most specific wins (product and package, then product, then package, then any), then the first added. `only`:
    of those to this provider.
    """
    values = {"product": product_id, "package": package_id, "tried": tried, "only": only}
    return database.load_one(Route, NEXT_ROUTE, values)


#: In SQL, of the order `o`: the last HISTORY orders of its route that have ended all ended without a code. One that is
#: still asked for its code has not ended. Uses idx_orders_completed_of_route.
HAS_NO_CODES = f"""(
    SELECT count(*) = {HISTORY} AND bool_and(NULLIF(recent."pinCode", '') IS NULL)
    FROM (
        SELECT former."pinCode"
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
ADD = """
INSERT INTO routes (product_id, package_id, provider_id, params, expects, field_map, position)
VALUES (%(product)s, %(package)s, %(provider)s, %(params)s, %(expects)s, %(field_map)s,
    (SELECT COALESCE(max(position), 0) + 1 FROM routes
     WHERE product_id = %(product)s AND package_id = %(package)s))
ON CONFLICT (product_id, package_id, provider_id) DO UPDATE SET
    params = excluded.params, expects = excluded.expects, field_map = excluded.field_map
"""
EVERY = """
SELECT provider_id, params, expects, field_map, product_id, package_id, position FROM routes
ORDER BY product_id = '*', package_id = '*', product_id, package_id, position
"""
#: The first route for an SQL product and package.
FIRST_ROUTE = """
SELECT provider_id, params, expects, field_map FROM routes
WHERE product_id IN ({product}, '*') AND package_id IN ({package}, '*') AND {usable}
ORDER BY product_id = '*', package_id = '*', position LIMIT 1
"""
NEXT_ROUTE = Prepared(
    FIRST_ROUTE.format(
        product="%(product)s::text",
        package="%(package)s::text",
        usable="provider_id <> ALL (%(tried)s::text[])"
        " AND (%(only)s::text IS NULL OR provider_id = %(only)s::text)",
    )
)
