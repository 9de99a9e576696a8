"""`gateway routes`: which provider gets the orders for a product and package."""

from dataclasses import asdict

import typer

from gateway.commands import printing
from gateway.commands.context import Problem, gateway
from models import provider, route

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
    json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> None:
    """Add a route, or change the params of the one to this provider.

    The most specific route wins, then the oldest; if a provider refuses, the next route is tried.

    Example: gateway routes add pubg 60uc bayi --param oyun=1 --param kupur=60
    """
    params = dict(map(_pair, param))
    with gateway():
        if provider.find(provider_id) is None:
            raise Problem(
                f"provider {provider_id} not found; add it first: gateway providers add {provider_id}"
            )
        route.add(product, package, provider_id, params)
    if json:
        return printing.as_json(
            {"product_id": product, "package_id": package, "provider_id": provider_id, "params": params}
        )
    printing.say(f"Orders for product {product}, package {package} go to {provider_id}.")


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise typer.BadParameter(f"{text!r} is not NAME=VALUE", param_hint="--param")
    return name, value


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
        ("Product", "Package", "Provider", "Params"),
        ((each.product_id, each.package_id, each.provider_id, _shown(each.params)) for each in found),
        empty="No routes yet. Add one: gateway routes add '*' '*' PROVIDER",
    )


def _shown(params: dict[str, str]) -> str:
    return " ".join(f"{name}={value}" for name, value in params.items())
