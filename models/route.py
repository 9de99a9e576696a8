"""Routes: which provider gets the orders for a product and package, and in what words."""

import json
from dataclasses import dataclass
from typing import Any

from models.db import database
from models.db.prepared import Prepared

#: Stands for any product or any package.
ANY = "*"


@dataclass(frozen=True, slots=True)
class Route:
    """Where an order goes."""

    provider_id: str
    #: What the product is called at this provider.
    params: dict[str, str]


def add(product_id: str, package_id: str, provider_id: str, params: dict[str, str]) -> None:
    """Add a route behind those that the package has already, or change the params of this one."""
    values = {
        "product": product_id,
        "package": package_id,
        "provider": provider_id,
        "params": json.dumps(params),
    }
    database.rows(ADD, values)


def every() -> list[dict[str, Any]]:
    """All routes: `{product_id, package_id, provider_id, position, params}`, in the order they are tried."""
    return database.rows(EVERY)


def next_for(product_id: str, package_id: str, tried: list[str]) -> Route | None:
    """The route to use, or to use next when the providers in `tried` have refused.

    The most particular wins (product and package, then product, then package, then any), then the first added.
    """
    return database.load_one(
        Route, NEXT_ROUTE, {"product": product_id, "package": package_id, "tried": tried}
    )


ADD = """
INSERT INTO routes (product_id, package_id, provider_id, params, position)
VALUES (%(product)s, %(package)s, %(provider)s, %(params)s,
    (SELECT COALESCE(max(position), 0) + 1 FROM routes
     WHERE product_id = %(product)s AND package_id = %(package)s))
ON CONFLICT (product_id, package_id, provider_id) DO UPDATE SET params = excluded.params
"""
EVERY = """
SELECT product_id, package_id, provider_id, position, params FROM routes
ORDER BY product_id = '*', package_id = '*', product_id, package_id, position
"""
#: The first route for an SQL product and package.
FIRST_ROUTE = """
SELECT provider_id, params FROM routes
WHERE product_id IN ({product}, '*') AND package_id IN ({package}, '*') AND {usable}
ORDER BY product_id = '*', package_id = '*', position LIMIT 1
"""
NEXT_ROUTE = Prepared(
    FIRST_ROUTE.format(
        product="%(product)s::text",
        package="%(package)s::text",
        usable="provider_id <> ALL (%(tried)s::text[])",
    )
)
