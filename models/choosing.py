"""Choosing which route an order goes by: when it is placed, and when it goes to the next provider."""

from models.db import database
from models.db.prepared import Prepared
from models.route import IS_AFFORDABLE, IS_FOR, Limit, Route
from models.route_order import arrives_after, most_specific_first, own_of, priced


def next_for(
    product_id: str,
    package_id: str,
    tried: list[str],
    *,
    tenant_id: str | None,
    order_id: str | None = None,
    only: str | None = None,
    limit: Limit | None = None,
) -> Route | None:
    """The route to use for an order of this tenant, or to use next when the providers in `tried` have refused.

    The most specific wins (those of the tenant, then those of none; of either, product and package, then product, then
    package, then any), then the lowest priority, then what its strategy says, then the first added. `only`: of those to
    this provider. What belongs to another tenant is never used, nor what costs more than `limit` or has no cost that is
    known. Without the id of an order, no routes are shared, and no cost is known from orders.
    """
    values = {
        "product": product_id,
        "package": package_id,
        "tried": tried,
        "tenant": tenant_id,
        "order": order_id,
        "only": only,
        "max_cost": limit and limit.amount,
        "max_cost_currency": limit and limit.currency,
        "quantity": limit and limit.quantity,
    }
    return database.load_one(Route, NEXT_ROUTE, values)


#: The first route for an SQL product, package, tenant and order.
FIRST_ROUTE = f"""
SELECT r.provider_id, r.params, r.expects, r.field_map,
    CASE WHEN r.many > 1 THEN
        CASE r.strategy
            WHEN 'cheapest' THEN COALESCE(
                'cheapest at ' || COALESCE(r.cost, trim_scale(round(r.price, 6))) || ' ' || r.price_currency
                    || ' of ' || r.many,
                'cheapest, but no cost is known of ' || r.many)
            WHEN 'share' THEN 'share ' || r.weight || ' of ' || r.weights
        END
    END AS why
FROM {priced(f"{IS_FOR} AND {{usable}}", "{own_product}", "{own_package}")}
ORDER BY {most_specific_first(arrives_after("{order}"))}
LIMIT 1
"""
NEXT_ROUTE = Prepared(
    FIRST_ROUTE.format(
        product="%(product)s::text",
        package="%(package)s::text",
        tenant="%(tenant)s::uuid",
        order="%(order)s::uuid",
        own_product=own_of("productId", "%(order)s::uuid"),
        own_package=own_of("packageId", "%(order)s::uuid"),
        usable="r.provider_id <> ALL (%(tried)s::text[])"
        " AND (%(only)s::text IS NULL OR r.provider_id = %(only)s::text) AND "
        + IS_AFFORDABLE.format(
            max_cost="%(max_cost)s::numeric",
            max_cost_currency="%(max_cost_currency)s::text",
            quantity="%(quantity)s::int",
        ),
    )
)
