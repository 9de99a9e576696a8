"""`gateway routes`: which provider gets the orders for a product and package."""

from collections.abc import Mapping
from dataclasses import asdict

import typer

from gateway.commands import printing
from gateway.commands.context import Problem, gateway
from gateway.providers import ADAPTERS, players
from models import provider, route
from models.provider import Provider
from models.status import Expects

#: What a template may name, as it is written there.
_NAMES = " and ".join(f"{{{name}}}" for name in players.NAMES)

app = typer.Typer(help="Routes: which provider gets the orders for a package.", no_args_is_help=True)


@app.command()
def add(
    product: str = typer.Argument(help="The storefront's product id, or '*' for any."),
    package: str = typer.Argument(help="The storefront's package id, or '*' for any."),
    provider_id: str = typer.Argument(
        metavar="PROVIDER", help="A provider that `gateway providers list` shows."
    ),
    param: list[str] = typer.Option(
        [], metavar="NAME=VALUE", help="Parameter by which the provider knows the package; repeatable."
    ),
    map_: list[str] = typer.Option(
        [],
        "--map",
        metavar="FIELD=TEMPLATE",
        help="What a field of the provider is filled with, such as oyuncu_bilgi={extraField}; repeatable."
        f" A template contains text and {_NAMES}. Without it the protocol's own way applies.",
    ),
    expects: Expects = typer.Option(
        Expects.AUTO,
        help="Whether its orders bring a code. An order that completes without one is asked about: a few times"
        " (auto), until the code is there (code), or not at all (no-code).",
    ),
    json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> None:
    """Add a route, or replace the one to this provider.

    The most specific route wins, then the oldest; if a provider refuses, the next route is tried.

    \b
    Example: gateway routes add pubg 60uc bayi --param oyun=1 --param kupur=60
    Example: gateway routes add pubg 60uc bayi --param oyun=1 --param kupur=60 \\
      --map 'oyuncu_bilgi={extraField}' --map 'musteri_tel={userIdentifier}' --expects no-code
    """
    params = dict(_pair(each, "--param", "NAME=VALUE") for each in param)
    field_map = dict(_pair(each, "--map", "FIELD=TEMPLATE") for each in map_)
    with gateway():
        account = provider.find(provider_id)
        if account is None:
            raise Problem(
                f"provider {provider_id} not found; add it first: gateway providers add {provider_id}"
            )
        _check_map(account, field_map)
        route.add(product, package, provider_id, params, expects=expects, field_map=field_map)
    if json:
        return printing.as_json(
            {
                "product_id": product,
                "package_id": package,
                "provider_id": provider_id,
                "params": params,
                "expects": expects,
                "field_map": field_map,
            }
        )
    printing.say(f"Orders for product {product}, package {package} go to {provider_id}.")


def _pair(text: str, option: str, form: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise typer.BadParameter(f"{text!r} is not {form}", param_hint=option)
    return name, value


def _check_map(account: Provider, field_map: Mapping[str, str]) -> None:
    """Raises typer.BadParameter."""
    fields = ADAPTERS[account.adapter].FIELDS if account.adapter in ADAPTERS else ()
    for name, template in field_map.items():
        if name not in fields:
            takes = ", ".join(fields) or "no field"
            raise typer.BadParameter(f"{account.adapter} takes {takes}, not {name!r}", param_hint="--map")
        try:
            players.check_template(template)
        except ValueError as error:
            raise typer.BadParameter(f"{name}: {error}", param_hint="--map") from None


@app.command("list")
def list_(json: bool = typer.Option(False, "--json", help="Print JSON.")) -> None:
    """List the routes, in the order in which they are tried.

    Example: gateway routes list
    """
    with gateway():
        found = route.every()
    if json:
        return printing.as_json([asdict(each) for each in found])
    printing.table(
        ("Product", "Package", "Provider", "Params", "Map", "Expects"),
        (
            (
                each.product_id,
                each.package_id,
                each.provider_id,
                _shown(each.params),
                _shown(each.field_map),
                each.expects,
            )
            for each in found
        ),
        empty="No routes yet. Add one: gateway routes add '*' '*' PROVIDER",
    )


def _shown(params: Mapping[str, str]) -> str:
    return " ".join(f"{name}={value}" for name, value in params.items())
