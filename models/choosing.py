"""Choosing which route an order goes by: when it is placed, and when it goes to the next provider."""

from models.db import database
from models.db.prepared import Prepared
from models.order import COST_AMOUNT
from models.route import IS_AFFORDABLE, IS_FOR, Limit, Route


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


#: In SQL, of the route `r`, for an SQL product and package of the orders table's own types: what one item cost in the
#: last order that was completed by it. Uses idx_orders_completed_of_route.
_LAST_COST = f"""
    SELECT {COST_AMOUNT} / GREATEST(o.quantity, 1) AS amount,
        COALESCE(o."gatewayCostCurrency", o."costCurrency") AS currency
    FROM product_orders AS o
    WHERE r.strategy = 'cheapest' AND r.cost IS NULL
        AND o."externalStatus" = 'completed' AND o."completedAt" IS NOT NULL AND o."codeAsks" IS NULL
        AND o."providerId" = r.provider_id AND o."productId" = {{own_product}} AND o."packageId" = {{own_package}}
    ORDER BY o."completedAt" DESC LIMIT 1
"""
#: In SQL, of the order with the id `{order}` and the route `r`: shares are drawn by a race, in which each route arrives
#: after a time that is distributed exponentially by its weight. The chance in it is that of the order's id, so that the
#: order of arrival is the same when the first one has refused.
_ARRIVES_AFTER = """-ln(((uuid_hash_extended({order}, r.id) & 4503599627370495)::float8 + 0.5::float8)
            / 4503599627370496::float8) / r.weight"""
#: The first route for an SQL product, package, tenant and order. Costs are compared in the currency of the oldest route
#: with a known one; those in other currencies come next, and those that are not known last.
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
FROM (
    SELECT r.*, COALESCE(r.cost, last.amount) AS price,
        CASE WHEN r.cost IS NULL THEN last.currency ELSE r.currency END AS price_currency,
        count(*) OVER same AS many, sum(r.weight) OVER same AS weights,
        first_value(CASE WHEN r.cost IS NULL THEN last.currency ELSE r.currency END) OVER (
            same ORDER BY COALESCE(r.cost, last.amount) IS NULL, r.position, r.id) AS compared_currency
    FROM referans.routes AS r
    LEFT JOIN LATERAL ({_LAST_COST}) AS last ON true
    WHERE {IS_FOR} AND {{usable}}
    WINDOW same AS (PARTITION BY r.tenant_id, r.product_id, r.package_id, r.priority)
) AS r
ORDER BY r.tenant_id IS NULL, r.product_id = '*', r.package_id = '*', r.priority,
    CASE WHEN r.strategy = 'cheapest' THEN
        CASE WHEN r.price IS NULL THEN 2 WHEN r.price_currency = r.compared_currency THEN 0 ELSE 1 END
    END,
    CASE r.strategy WHEN 'cheapest' THEN r.price::float8 WHEN 'share' THEN {_ARRIVES_AFTER} END,
    r.position, r.id
LIMIT 1
"""
NEXT_ROUTE = Prepared(
    FIRST_ROUTE.format(
        product="%(product)s::text",
        package="%(package)s::text",
        tenant="%(tenant)s::uuid",
        order="%(order)s::uuid",
        own_product='(SELECT placed."productId" FROM product_orders AS placed WHERE placed.id = %(order)s::uuid)',
        own_package='(SELECT placed."packageId" FROM product_orders AS placed WHERE placed.id = %(order)s::uuid)',
        usable="r.provider_id <> ALL (%(tried)s::text[])"
        " AND (%(only)s::text IS NULL OR r.provider_id = %(only)s::text) AND "
        + IS_AFFORDABLE.format(
            max_cost="%(max_cost)s::numeric",
            max_cost_currency="%(max_cost_currency)s::text",
            quantity="%(quantity)s::int",
        ),
    )
)
