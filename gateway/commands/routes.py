"""`gateway routes`: which provider gets the orders for a product and package."""

import difflib
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from decimal import Decimal
from typing import Annotated, Any

import typer

from gateway import providers
from gateway.commands import importing, printing
from gateway.commands.context import Problem, check_tenant, gateway, no_provider
from gateway.commands.options import NONE, Given, amount, or_none, tenant
from gateway.commands.options import currency as read_currency
from gateway.providers import kinds, players
from models import choosing, provider, provider_health, route, stock
from models.provider import Provider
from models.route import Cost, ListedRoute, Strategy
from models.status import Expects

#: What a template may name, as it is written there.
_NAMES = " and ".join(f"{{{name}}}" for name in players.NAMES)

#: Bound of --priority, to either side.
MAX_PRIORITY = 1_000_000
#: Bound of --weight.
MAX_WEIGHT = 1_000

Product = Annotated[str, typer.Argument(help="The storefront's product id, or '*' for any.")]
Package = Annotated[str, typer.Argument(help="The storefront's package id, or '*' for any.")]
ProviderId = Annotated[
    str, typer.Argument(metavar="PROVIDER", help="A provider that `gateway providers list` shows.")
]
CostAmount = Annotated[
    Given[Decimal] | None,
    typer.Option(
        parser=or_none(amount),
        metavar=f"AMOUNT|{NONE}",
        help="What one item costs there, such as 12.50; with --currency.",
    ),
]
Tenant = Annotated[
    Given[str] | None,
    typer.Option(
        "--tenant",
        parser=or_none(tenant),
        metavar=f"UUID|{NONE}",
        help="The tenant whose orders alone use the route (default: that of the provider, if it has one).",
    ),
]

app = typer.Typer(help="Routes: which provider gets the orders for a package.", no_args_is_help=True)
app.command("import")(importing.import_)


@app.command()
def add(
    product: Product,
    package: Package,
    provider_id: ProviderId,
    param: list[str] = typer.Option(
        [],
        metavar="NAME=VALUE",
        help="Parameter by which the provider knows the package; repeatable, and all of them are given each time."
        f" `{NONE}` removes them.",
    ),
    map_: list[str] = typer.Option(
        [],
        "--map",
        metavar="FIELD=TEMPLATE",
        help="What a field of the provider is filled with, such as oyuncu_bilgi={extraField}; repeatable, and all of"
        f" them are given each time. A template contains text and {_NAMES}; any other name is one that orders bring in"
        " `fields`, and one that ends in ? may be missing: {zone?}. At first, and with "
        f"`{NONE}`, the protocol's own way applies.",
    ),
    expects: Expects | None = typer.Option(
        None,
        help="Whether its orders bring a code. An order that completes without one is asked about: a few times"
        " (auto, as at first), until the code is there (code), or not at all (no-code).",
    ),
    priority: int | None = typer.Option(
        None,
        min=-MAX_PRIORITY,
        max=MAX_PRIORITY,
        help="Of several providers for the same package the lower is asked first (at first 0).",
    ),
    strategy: Strategy | None = typer.Option(
        None,
        help="Which of the routes with the same priority an order goes by first: the oldest (order, as at first), the"
        " one that costs least (cheapest), or each in proportion to its --weight (share). It is set for all of them.",
    ),
    weight: int | None = typer.Option(
        None,
        min=1,
        max=MAX_WEIGHT,
        help="With --strategy share: its part of the orders, in proportion to the others' (at first 1).",
    ),
    cost: CostAmount = None,
    currency: str | None = typer.Option(
        None,
        metavar="CODE",
        callback=lambda value: value and read_currency(value),
        help="The currency of --cost (default: that of the provider, if it is known).",
    ),
    tenant_id: Tenant = None,
    json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> None:
    """Add a route, or change the one that this package has to this provider.

    The most specific route wins, then the lowest --priority, then what --strategy says, then the oldest; if a provider
    refuses, the next route is tried, by the same rules. A tenant's orders use its own routes first, then those without
    a tenant; other orders use only the latter. What is not given of a route that exists stays as it is. A change counts
    for orders placed after it, and for those that wait for a provider.

    --strategy belongs to the product, package, tenant and priority: a route that joins others goes by theirs. For
    `cheapest` a route costs what its --cost says (`routes import` keeps it), else what the last completed order of the
    package cost there; one whose cost is not known comes last. Amounts are never converted: costs are compared in the
    currency of the oldest route whose cost is known, and those in other currencies come after it. The timeline of an
    order tells what has decided.

    \b
    Example: gateway routes add pubg 60uc bayi --param oyun=1 --param kupur=60
    Example: gateway routes add pubg 60uc bayi --priority 1 --cost 31.40 --currency TRY
    Example: gateway routes add pubg 60uc bayi --strategy cheapest
    Example: gateway routes add pubg 60uc bayi --strategy share --weight 3
    Example: gateway routes add pubg 60uc bayi --param oyun=1 --param kupur=60 \\
      --map 'oyuncu_bilgi={extraField}' --map 'musteri_tel={userIdentifier}' --expects no-code
    Example: gateway routes add mlbb 86 bayi --param oyun=4 --map 'oyuncu_bilgi={userIdentifier} {zone}'
    Example: gateway routes add pubg '*' bayi --tenant 5f0c2b9e-63c1-4d1c-9a39-0d0f5c1b7a11
    """
    params = _pairs(param, "--param", "NAME=VALUE")
    field_map = _pairs(map_, "--map", "FIELD=TEMPLATE")
    with gateway():
        account = provider.outline(provider_id)
        if account is None:
            raise Problem(
                f"provider {provider_id} not found; add it first: gateway providers add {provider_id}"
            )
        _check_map(account, field_map or {})
        owner = _tenant(account, tenant_id)
        _check_tenants(account, params or {}, owner)
        added = route.add(
            product,
            package,
            provider_id,
            params,
            expects=expects,
            field_map=field_map,
            priority=priority,
            strategy=strategy,
            weight=weight,
            cost=_cost(account, cost, currency),
            forget_cost=cost == Given(None),
            tenant_id=owner,
        )
        provider_health.look_again(provider_id)
        _say_params(account, added)
        _say_strategy(added, weight)
    if json:
        return printing.as_json(_row(added))
    printing.say(f"Orders{_of(owner)} for product {product}, package {package} go to {provider_id}.")
    for name, value in _details(added).items():
        printing.say(f"  {name}: {value}")


def _tenant(account: Provider, given: Given[str] | None) -> str | None:
    """Whose orders alone a route to this provider is for; None: it is for all."""
    return account.tenant_id if given is None else given.value


def _check_tenants(account: Provider, params: Mapping[str, str], owner: str | None) -> None:
    """Raises Problem for a route that no order could use, since its provider or stock is another tenant's."""
    check_tenant(owner)
    named = params.get(stock.STOCK) if account.adapter == stock.ADAPTER else None
    for each in (account, provider.outline(named) if named else None):
        if each and each.tenant_id not in (None, owner):
            raise Problem(
                f"{each.id} belongs to tenant {each.tenant_id}, and so do the routes to it:"
                f" --tenant {each.tenant_id}"
            )


def _say_params(account: Provider, added: ListedRoute) -> None:
    """Tell on standard error which parameters a route lacks, so that every order by it fails, and which have no use."""
    protocol = kinds.find(account.adapter)
    if protocol is None:
        return
    if missing := [name for name in protocol.PARAMS if not added.params.get(name)]:
        given = " ".join(f"--param {name}=…" for name in (*added.params, *missing))
        to_set = (
            f"gateway routes add {shlex.quote(added.product_id)} {shlex.quote(added.package_id)} {account.id}"
        )
        printing.note(
            f"{account.id} ({account.adapter}) refuses each order of this route until it has"
            f" {' and '.join(missing)}: {to_set} {given}"
        )
    unknown = sorted(added.params.keys() - {*protocol.PARAMS, *protocol.OPTIONAL_PARAMS})
    if unknown and protocol.HAS_SERVICE:
        printing.note(f"{account.adapter} has no use for --param {' and '.join(unknown)}")


def _say_strategy(added: ListedRoute, weight: int | None) -> None:
    """Tell on standard error whom its strategy concerns, and where it has nothing to go by."""
    together = [each for each in route.every() if _group(each) == _group(added)]
    if added.strategy == Strategy.ORDER:
        if weight is not None:
            printing.note("--weight counts once the strategy is `share`: --strategy share")
        return
    named = ", ".join(each.provider_id for each in together)
    printing.note(f"strategy {added.strategy} of priority {added.priority}: {named}")
    if added.strategy == Strategy.CHEAPEST:
        if unknown := [each.provider_id for each in together if each.cost is None]:
            printing.note(
                f"no --cost: {', '.join(unknown)}; until an order was completed there, it is asked last"
            )
        if len(currencies := sorted({each.currency for each in together if each.currency})) > 1:
            printing.note(f"costs in {' and '.join(currencies)} are not compared with each other")


def _group(listed: ListedRoute) -> tuple[str, str, str | None, int]:
    """What a strategy belongs to."""
    return listed.product_id, listed.package_id, listed.tenant_id, listed.priority


def _of(tenant_id: str | None) -> str:
    return f" of tenant {tenant_id}" if tenant_id else ""


def _pairs(given: Sequence[str], option: str, form: str) -> dict[str, str] | None:
    """What was given as NAME=VALUE; None if nothing was. Raises typer.BadParameter."""
    if [each.lower() for each in given] == [NONE]:
        return {}
    return dict(_pair(each, option, form) for each in given) or None


def _cost(account: Provider, cost: Given[Decimal] | None, currency: str | None) -> Cost | None:
    """Raises typer.BadParameter for a cost without a currency, and a currency without a cost."""
    if cost is None or cost.value is None:
        if currency:
            raise typer.BadParameter("is the currency of --cost, which is missing", param_hint="--currency")
        return None
    known = currency or providers.currency(account)
    if not known:
        raise typer.BadParameter(
            f"is required with --cost: the currency of {account.id} is not known", param_hint="--currency"
        )
    return Cost(cost.value, known)


def _pair(text: str, option: str, form: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise typer.BadParameter(f"{text!r} is not {form}", param_hint=option)
    return name, value


def _check_map(account: Provider, field_map: Mapping[str, str]) -> None:
    """Raises typer.BadParameter."""
    protocol = kinds.find(account.adapter)
    fields = protocol.FIELDS if protocol else ()
    for name, template in field_map.items():
        if name not in fields:
            takes = ", ".join(fields) or "no field"
            raise typer.BadParameter(f"{account.adapter} takes {takes}, not {name!r}", param_hint="--map")
        inputs = [each for each in players.names_in(template) if _is_input(each)]
        try:
            players.check_template(template, inputs)
        except ValueError as error:
            raise typer.BadParameter(f"{name}: {error}", param_hint="--map") from None
        for each in inputs:
            must = (
                "must"
                if protocol and name in protocol.NEEDS and each in players.needed_in(template)
                else "may"
            )
            printing.note(f"orders of this route {must} bring `{each}` in `fields`")
        if not players.names_in(template):
            printing.note(f"{name} will be the same in every order: {template}")


def _is_input(name: str) -> bool:
    """Whether orders bring it in `fields`; what is almost the name of another field is a slip."""
    known = [each.casefold() for each in players.NAMES]
    is_slip = difflib.get_close_matches(name.replace("_", "").casefold(), known, n=1, cutoff=0.8)
    return name not in players.NAMES and not is_slip and players.INPUT_NAME.fullmatch(name) is not None


@app.command()
def remove(
    product: Product,
    package: Package,
    provider_id: ProviderId,
    tenant_id: Tenant = None,
    json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> None:
    """Remove the route of exactly this product and package, and of exactly this tenant or none, to a provider.

    Orders that were placed before keep their provider.

    Example: gateway routes remove pubg 60uc bayi
    """
    with gateway():
        account = provider.outline(provider_id)
        if account is None:
            raise no_provider(provider_id)
        owner = _tenant(account, tenant_id)
        if not route.remove(product, package, provider_id, owner):
            raise Problem(
                f"no route{_of(owner)} of product {product}, package {package} leads to {provider_id};"
                " see: gateway routes list"
            )
        left = choosing.next_for(product, package, [], tenant_id=owner)
    if json:
        return printing.as_json(
            {
                "product_id": product,
                "package_id": package,
                "provider_id": provider_id,
                "tenant_id": owner,
                "removed": True,
            }
        )
    printing.say(
        f"New orders{_of(owner)} for product {product}, package {package} do not go to {provider_id} any more."
    )
    if left is None:
        printing.say("No route is left for it: such orders are refused with a 422.")
    elif left.provider_id == provider_id:
        printing.say(f"But a less specific route still leads to {provider_id}; see: gateway routes list")


@app.command("list")
def list_(json: bool = typer.Option(False, "--json", help="Print JSON.")) -> None:
    """List the routes, in the order in which they are tried; those that share orders by their weight.

    Example: gateway routes list
    """
    with gateway():
        found = route.every()
    if json:
        return printing.as_json([_row(each) for each in found])
    printing.table(
        (
            "Tenant",
            "Product",
            "Package",
            "Provider",
            "Priority",
            "Strategy",
            "Cost",
            "Params",
            "Map",
            "Expects",
        ),
        (
            (
                each.tenant_id,
                each.product_id,
                each.package_id,
                each.provider_id,
                each.priority,
                _shown_strategy(each),
                _shown_cost(each),
                _shown(each.params),
                _shown(each.field_map),
                each.expects,
            )
            for each in found
        ),
        empty="No routes yet. Add one: gateway routes add '*' '*' PROVIDER",
        optional=["Tenant", "Strategy"],
    )


def _row(listed: ListedRoute) -> dict[str, Any]:
    """A route for `printing.as_json`."""
    row = {name: value for name, value in asdict(listed).items() if name != "currency"}
    cost = None if listed.cost is None else {"amount": str(listed.cost), "currency": listed.currency}
    return {**row, "cost": cost}


def _details(listed: ListedRoute) -> dict[str, str]:
    """What a route says beyond its provider, for a person."""
    details = {
        "params": _shown(listed.params),
        "map": _shown(listed.field_map),
        "expects": str(listed.expects),
        "priority": str(listed.priority),
        "strategy": _shown_strategy(listed),
        "cost": _shown_cost(listed),
    }
    return {name: value for name, value in details.items() if value}


def _shown_strategy(listed: ListedRoute) -> str:
    if listed.strategy == Strategy.ORDER:
        return ""
    return f"{listed.strategy} {listed.weight}" if listed.strategy == Strategy.SHARE else str(listed.strategy)


def _shown_cost(listed: ListedRoute) -> str:
    return "" if listed.cost is None else f"{listed.cost} {listed.currency}"


def _shown(params: Mapping[str, str]) -> str:
    return " ".join(f"{name}={value}" for name, value in params.items())
