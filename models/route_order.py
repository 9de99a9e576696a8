"""The order in which routes are tried: for an order's choice and for every list, so that no list shows another one.

Two things are known only of an order: which of the routes that share orders it comes to by chance, and what the last
order of its package cost on a route for any package. A list without an order puts the larger weight first, and such a
route behind those whose cost is known.
"""

from models.order import COST_AMOUNT, COST_CURRENCY

#: In SQL, of the route `r`: what stands for `share` where no order is meant.
BY_WEIGHT = "-r.weight"


def arrives_after(order: str) -> str:
    """In SQL, of the order with this id and the route `r`: what stands for `share`.

    Shares are drawn by a race, in which each route arrives after a time that is distributed exponentially by its
    weight. The chance in it is that of the order's id, so that the order of arrival is the same when the first one has
    refused.
    """
    return f"""-ln(((uuid_hash_extended({order}, r.id) & 4503599627370495)::float8 + 0.5::float8)
            / 4503599627370496::float8) / r.weight"""


def priced(condition: str, own_product: str, own_package: str) -> str:
    """In SQL: the routes `r` under a condition, with what `in_turn` needs.

    A route that does not say its cost has that of the last order of this product and package that was completed by it;
    both are of the orders table's own types. Uses idx_orders_completed_of_route. Costs are compared in the currency of
    the oldest route with a known one.
    """
    return f"""(
    SELECT r.*, COALESCE(r.cost, last.amount) AS price,
        CASE WHEN r.cost IS NULL THEN last.currency ELSE r.currency END AS price_currency,
        count(*) OVER same AS many, sum(r.weight) OVER same AS weights,
        first_value(CASE WHEN r.cost IS NULL THEN last.currency ELSE r.currency END) OVER (
            same ORDER BY COALESCE(r.cost, last.amount) IS NULL, r.position, r.id) AS compared_currency
    FROM referans.routes AS r
    LEFT JOIN LATERAL (
        SELECT {COST_AMOUNT} / GREATEST(o.quantity, 1) AS amount,
            {COST_CURRENCY} AS currency
        FROM product_orders AS o
        WHERE r.strategy = 'cheapest' AND r.cost IS NULL
            AND o."externalStatus" = 'completed' AND o."completedAt" IS NOT NULL AND o."codeAsks" IS NULL
            AND o."providerId" = r.provider_id AND o."productId" = {own_product} AND o."packageId" = {own_package}
        ORDER BY o."completedAt" DESC LIMIT 1
    ) AS last ON true
    WHERE {condition}
    WINDOW same AS (PARTITION BY r.tenant_id, r.product_id, r.package_id, r.priority)
) AS r"""


def in_turn(share: str) -> str:
    """In SQL, of those that are `priced`, for the same product, package and tenant: what orders them.

    Costs in other currencies than the compared one come next, and those that are not known last; `id` where two were
    added at the same instant.
    """
    return f"""r.priority,
    CASE WHEN r.strategy = 'cheapest' THEN
        CASE WHEN r.price IS NULL THEN 2 WHEN r.price_currency = r.compared_currency THEN 0 ELSE 1 END
    END,
    CASE r.strategy WHEN 'cheapest' THEN r.price::float8 WHEN 'share' THEN {share} END,
    r.position, r.id"""


def most_specific_first(share: str) -> str:
    """In SQL, of those that are `priced`, for one order: what orders them."""
    return f"r.tenant_id IS NULL, r.product_id = '*', r.package_id = '*', {in_turn(share)}"


def as_own(column: str, text: str) -> str:
    """In SQL: `text` in the type of this column of the orders table; NULL if it holds UUIDs, and `text` is not one."""
    return f"""CASE
        WHEN pg_typeof((NULL::product_orders)."{column}") <> 'uuid'::regtype
            OR {text} ~* '^[0-9a-f]{{8}}(-[0-9a-f]{{4}}){{3}}-[0-9a-f]{{12}}$'
        THEN (jsonb_populate_record(NULL::product_orders, jsonb_build_object('{column}', {text})))."{column}" END"""


def own_of(column: str, order: str) -> str:
    """In SQL: this column of the order with this id; NULL without one."""
    return f'(SELECT placed."{column}" FROM product_orders AS placed WHERE placed.id = {order})'
