"""Routes: which provider gets the orders for a product and package, and what the provider calls the product."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from models import tenants
from models.db import database
from models.provider_health import HAS_BALANCE, IS_BLOCKED
from models.route_order import (
    BY_WEIGHT,
    arrives_after,
    as_own,
    in_turn,
    most_specific_first,
    own_of,
    priced,
)
from models.status import Expects

#: Stands for any product or any package.
ANY = "*"


class Strategy(StrEnum):
    """Which of the routes with the same priority an order goes by first; all of them have the same."""

    #: The one that was added first.
    ORDER = "order"
    #: The one that costs least: by its cost, else by the last order of the package there.
    CHEAPEST = "cheapest"
    #: Each in proportion to its weight.
    SHARE = "share"


@dataclass(frozen=True, slots=True)
class Target:
    """A provider, and how orders are put to it."""

    provider_id: str
    #: What the product is called at this provider.
    params: dict[str, str]
    #: Whether its orders bring a code.
    expects: Expects = Expects.AUTO
    #: Templates for the provider's fields, such as {"oyuncu_bilgi": "{extraField}"}; empty: the protocol's own way.
    field_map: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Route(Target):
    """Where an order goes."""

    #: Why, if a strategy has chosen it from several, such as `cheapest at 1.20 USD of 3`.
    why: str | None = None

    def __str__(self) -> str:
        """Its provider, and why."""
        return f"{self.provider_id} ({self.why})" if self.why else self.provider_id


@dataclass(frozen=True, slots=True)
class ListedRoute(Target):
    """A route, and the orders it is for."""

    product_id: str = ANY
    package_id: str = ANY
    #: Among the routes of the same product and package: the lower is asked first.
    priority: int = 0
    #: Of those with the same priority the lower is asked first, unless a strategy says otherwise; from 1, in the order
    #: in which they were added.
    position: int = 1
    strategy: Strategy = Strategy.ORDER
    #: Its part of the orders, if they are shared.
    weight: int = 1
    #: What one item costs at this provider, and in which currency; None if nobody has said.
    cost: Decimal | None = None
    currency: str | None = None
    #: Only orders of this tenant use it; None: those of every tenant, and of none.
    tenant_id: str | None = None


@dataclass(frozen=True, slots=True)
class Cost:
    """What one item costs."""

    amount: Decimal
    currency: str


@dataclass(frozen=True, slots=True)
class Limit:
    """What an order may cost, all of its quantity together."""

    amount: Decimal
    currency: str
    quantity: int


def limit_of(amount: Decimal | None, currency: str | None, quantity: int | None) -> Limit | None:
    """The limit that an order's columns say."""
    return None if amount is None or currency is None else Limit(amount, currency, quantity or 1)


@dataclass(frozen=True, slots=True)
class Offer:
    """A route as a storefront may know it."""

    #: The protocol of its provider; None if that is not configured.
    adapter: str | None
    field_map: dict[str, str]
    #: What one item costs, and in which currency; None if nobody has said.
    cost: Decimal | None
    currency: str | None
    #: Whether its provider takes orders now.
    takes_orders: bool


@dataclass(frozen=True, slots=True)
class Alternative(ListedRoute):
    """A route that an order may take, as it is now."""

    #: Its provider is configured, and gets orders now.
    takes_orders: bool = False


def add(
    product_id: str,
    package_id: str,
    provider_id: str,
    params: Mapping[str, str] | None = None,
    *,
    expects: Expects | None = None,
    field_map: Mapping[str, str] | None = None,
    priority: int | None = None,
    strategy: Strategy | None = None,
    weight: int | None = None,
    cost: Cost | None = None,
    forget_cost: bool = False,
    tenant_id: str | None = None,
) -> ListedRoute:
    """Add a route behind those that the package has, or change the one that it has, for this tenant, to this provider.

    What is None keeps its value, or has its default on a new route. A strategy becomes that of all routes with the same
    product, package, tenant and priority; without one the route takes theirs. Returns the route as it is now.
    """
    values = {
        "product": product_id,
        "package": package_id,
        "provider": provider_id,
        "params": None if params is None else database.as_json(dict(params)),
        "expects": expects and expects.value,
        "field_map": None if field_map is None else database.as_json(dict(field_map)),
        "priority": priority,
        "strategy": strategy and strategy.value,
        "weight": weight,
        "cost": cost and cost.amount,
        "currency": cost and cost.currency,
        "forget_cost": forget_cost,
        "tenant": tenant_id,
    }
    with database.database.atomic():
        database.rows(ADD, values)
        return database.load(ListedRoute, AGREE, values)[0]


def remove(product_id: str, package_id: str, provider_id: str, tenant_id: str | None = None) -> bool:
    """Remove the route of exactly this product, package and tenant to the provider. False if there is none."""
    return database.row(REMOVE, (product_id, package_id, provider_id, tenant_id)) is not None


def every() -> list[ListedRoute]:
    """All routes, in the order in which they are tried; of those that share orders, the one with most of them first."""
    return database.load(ListedRoute, EVERY)


def beside(provider_id: str) -> list[ListedRoute]:
    """The routes of the provider, and those for the same orders, in the same order."""
    return database.load(ListedRoute, BESIDE, {"provider": provider_id})


def offers(product_id: str, package_id: str, *, tenant_id: str | None) -> list[Offer]:
    """The routes that an order of this tenant may take, the likeliest to be asked first."""
    return database.load(Offer, OFFERS, {"product": product_id, "package": package_id, "tenant": tenant_id})


def alternatives(
    product_id: str, package_id: str, *, tenant_id: str | None, order_id: str
) -> list[Alternative]:
    """The routes that this order may take, in the order in which it would be given to them now."""
    values = {"product": product_id, "package": package_id, "tenant": tenant_id, "order": order_id}
    return database.load(Alternative, ALTERNATIVES, values)


LISTED = """r.provider_id, r.params, r.expects, r.field_map, r.product_id, r.package_id, r.priority, r.position,
    r.strategy, r.weight, r.cost, r.currency, r.tenant_id::text AS tenant_id"""
#: In SQL: the tenant of a route in the unique index, in which NULL would not equal NULL.
_UNIQUE_TENANT = "COALESCE(tenant_id::text, '')"
ADD = f"""
INSERT INTO referans.routes AS r (product_id, package_id, provider_id, params, expects, field_map, priority,
    strategy, weight, cost, currency, tenant_id, position)
VALUES (%(product)s, %(package)s, %(provider)s, COALESCE(%(params)s::jsonb, '{{}}'), COALESCE(%(expects)s, 'auto'),
    COALESCE(%(field_map)s::jsonb, '{{}}'), COALESCE(%(priority)s, 0), COALESCE(%(strategy)s, 'order'),
    COALESCE(%(weight)s, 1), %(cost)s, %(currency)s, %(tenant)s::uuid,
    (SELECT COALESCE(max(position), 0) + 1 FROM referans.routes
     WHERE product_id = %(product)s AND package_id = %(package)s))
ON CONFLICT (product_id, package_id, provider_id, {_UNIQUE_TENANT}) DO UPDATE SET
    params = COALESCE(%(params)s::jsonb, r.params),
    expects = COALESCE(%(expects)s, r.expects),
    field_map = COALESCE(%(field_map)s::jsonb, r.field_map),
    priority = COALESCE(%(priority)s, r.priority),
    weight = COALESCE(%(weight)s, r.weight),
    cost = CASE WHEN NOT %(forget_cost)s THEN COALESCE(%(cost)s, r.cost) END,
    currency = CASE WHEN NOT %(forget_cost)s THEN COALESCE(%(currency)s, r.currency) END
"""
#: In SQL: the routes `r` and `{other}` are for the same orders, and neither goes before the other by its priority.
_TOGETHER = """(r.product_id = {other}.product_id AND r.package_id = {other}.package_id
    AND r.tenant_id IS NOT DISTINCT FROM {other}.tenant_id AND r.priority = {other}.priority)"""
AGREE = f"""
WITH changed AS (
    SELECT * FROM referans.routes WHERE product_id = %(product)s AND package_id = %(package)s
        AND provider_id = %(provider)s AND tenant_id IS NOT DISTINCT FROM %(tenant)s::uuid
), agreed AS (
    SELECT COALESCE(%(strategy)s, (
        SELECT r.strategy FROM referans.routes AS r
        WHERE {_TOGETHER.format(other="changed")} AND r.id <> changed.id ORDER BY r.position, r.id LIMIT 1
    ), changed.strategy) AS strategy
    FROM changed
), set_for_all AS (
    UPDATE referans.routes AS r SET strategy = agreed.strategy FROM changed, agreed
    WHERE {_TOGETHER.format(other="changed")} AND r.strategy <> agreed.strategy
)
SELECT {LISTED.replace("r.strategy", "agreed.strategy")} FROM changed AS r, agreed
"""
REMOVE = """
DELETE FROM referans.routes
WHERE product_id = %s AND package_id = %s AND provider_id = %s AND tenant_id IS NOT DISTINCT FROM %s::uuid RETURNING id
"""
_LISTED = f"""
SELECT {LISTED} FROM {{routes}}
ORDER BY r.tenant_id IS NULL, r.tenant_id, r.product_id = '*', r.package_id = '*', r.product_id, r.package_id,
    {in_turn(BY_WEIGHT)}
"""
_OWN = {
    "own_product": as_own("productId", "r.product_id"),
    "own_package": as_own("packageId", "r.package_id"),
}
EVERY = _LISTED.format(routes=priced("true", **_OWN))
_IS_BESIDE = """EXISTS (
    SELECT FROM referans.routes AS own
    WHERE own.provider_id = %(provider)s AND own.product_id = r.product_id AND own.package_id = r.package_id
        AND own.tenant_id IS NOT DISTINCT FROM r.tenant_id)"""
BESIDE = _LISTED.format(routes=priced(_IS_BESIDE, **_OWN))
#: In SQL, of the route `r`: an order of `tenant`, or of none, may use it.
_MAY_USE = f"""({tenants.may_use("r.tenant_id", "{tenant}")}
    AND {tenants.is_open_to("{tenant}", "r.provider_id", "r.params")})"""
#: In SQL, of the route `r`: it is for an order of this SQL product, package and tenant.
IS_FOR = f"""r.product_id IN ({{product}}, '*') AND r.package_id IN ({{package}}, '*') AND {_MAY_USE}"""
#: In SQL, of the route `r` and the order `o`: it is for that order.
IS_FOR_ORDER = IS_FOR.format(
    product='o."productId"::text', package='o."packageId"::text', tenant='o."tenantId"'
)
#: In SQL, of the route `r`: so many items cost no more than this there; without a limit, whatever they cost.
IS_AFFORDABLE = """({max_cost} IS NULL
    OR r.cost * COALESCE({quantity}, 1) <= {max_cost} AND r.currency = {max_cost_currency})"""
_IS_FOR = IS_FOR.format(product="%(product)s::text", package="%(package)s::text", tenant="%(tenant)s::uuid")
_TAKES_ORDERS = f"p.id IS NOT NULL AND NOT {IS_BLOCKED} AND {HAS_BALANCE} AS takes_orders"
_ITS_PROVIDER = """
LEFT JOIN referans.providers AS p ON p.id = r.provider_id
LEFT JOIN referans.provider_health AS h ON h.provider_id = r.provider_id
"""
OFFERS = f"""
SELECT p.adapter, r.field_map, r.cost, r.currency, {_TAKES_ORDERS}
FROM {priced(_IS_FOR, as_own("productId", "%(product)s::text"), as_own("packageId", "%(package)s::text"))}
{_ITS_PROVIDER}
ORDER BY {most_specific_first(BY_WEIGHT)}
"""
ALTERNATIVES = f"""
SELECT {LISTED}, {_TAKES_ORDERS}
FROM {priced(_IS_FOR, own_of("productId", "%(order)s::uuid"), own_of("packageId", "%(order)s::uuid"))}
{_ITS_PROVIDER}
ORDER BY {most_specific_first(arrives_after("%(order)s::uuid"))}
"""
