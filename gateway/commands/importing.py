"""`gateway routes import`: a provider's catalogue beside our routes to it."""

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from gateway import outbound, providers
from gateway.commands import printing
from gateway.commands.context import Problem, find_provider, gateway
from gateway.fulfilment import catalogues
from gateway.fulfilment.catalogues import Change, Line
from gateway.providers import kinds
from gateway.providers.base import ProviderError
from models import catalogue_watches, route
from models.db import database
from models.provider import Provider
from models.route import Cost, ListedRoute


def import_(
    provider_id: Annotated[
        str, typer.Argument(metavar="ID", help="A provider from `gateway providers list`.")
    ],
    product: Annotated[
        str | None,
        typer.Option(
            help="The storefront's product id that new routes are for (default: the provider's ID, which no storefront"
            " orders, so that nothing is sold by accident)."
        ),
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TEXT",
            help="Of the packages without a route only those whose number or name contains this text; repeatable.",
        ),
    ] = None,
    apply: Annotated[
        bool, typer.Option("--apply", help="Change the routes; without it nothing is changed.")
    ] = False,
    watch: Annotated[
        bool | None,
        typer.Option(
            "--watch/--no-watch",
            help="Read the catalogue every day, and tell what has changed; no route is changed by that.",
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Ask a provider for its catalogue, and show what is new, gone, dearer and cheaper than its routes say.

    A route leads to a package if it has its parameters. With --apply the routes get the prices of the catalogue as
    their --cost, and each package that no route leads to gets one. Routes to what is gone stay until you remove them.

    A new route is for the product --product, and for the package with the catalogue's number. Name the product as your
    storefront orders it. If the catalogue has several products, import one after the other, each with --only and a word
    of its packages' names. Without --product it is the ID of the provider: such routes keep parameters and prices in
    one place, but no order goes by them unless your storefront orders that product. To sell a package under names of
    your own: gateway routes add PRODUCT PACKAGE ID.

    With --watch the workers read the catalogue once a day. What got dearer or cheaper than the routes say, what is gone
    and what is new since you have last looked stands in `gateway providers list` and `gateway doctor`, until you import
    again. A catalogue that cannot be read changes nothing. --no-watch ends it.

    \b
    Example: gateway routes import bayi
    Example: gateway routes import bayi --product pubg --only "pubg mobile" --apply
    Example: gateway routes import bayi --watch
    """
    with gateway():
        account = find_provider(provider_id)
        kind = kinds.find(account.adapter)
    try:
        packages = providers.catalogue(account, outbound.Client())
    except ProviderError as error:
        raise Problem(f"{provider_id}: {error}") from None
    with gateway():
        names = kind.PARAMS if kind else ()
        leading = _leading(provider_id)
        compared = catalogues.compare(account, names, packages, leading)
        lines = [each for each in compared if each.change is not Change.NEW or _is_wanted(each, only or ())]
        taken = {(each.product_id, each.package_id, each.tenant_id) for each in leading}
        rows = [_row(each, account, product or provider_id, taken) for each in lines]
        if apply:
            with database.database.atomic():
                for line, row in zip(lines, rows, strict=True):
                    row["applied"] = _apply(line, row, account)
        if watch is False:
            catalogue_watches.stop(provider_id)
        left = catalogues.compare(account, names, packages, _leading(provider_id))
        known = catalogues.keys(left)
        is_watched = catalogue_watches.seen(
            provider_id, known, catalogues.news(left, known), begin=watch is True
        )
    if json:
        return printing.as_json(rows)
    _print(rows, account, apply)
    if only and not any(each.change is Change.NEW for each in lines):
        printing.note(f"no package without a route contains {' or '.join(map(repr, only))}")
    if is_watched:
        printing.say(f"The catalogue of {provider_id} is watched; to end that: --no-watch.")


def _is_wanted(line: Line, texts: Sequence[str]) -> bool:
    """Whether a package has one of the texts in its number or name; without texts, all have."""
    said = f"{line.package.id} {line.package.name}".casefold() if line.package else ""
    return not texts or any(each.casefold() in said for each in texts)


def _leading(provider_id: str) -> list[ListedRoute]:
    return [each for each in route.every() if each.provider_id == provider_id]


def _row(
    line: Line, account: Provider, product: str, taken: set[tuple[str, str, str | None]]
) -> dict[str, Any]:
    """For `printing.as_json`; of a new package with the product and package of its route, None if these are taken."""
    package, present = line.package, line.route
    product_id, package_id = (present.product_id, present.package_id) if present else (None, None)
    if package and not present and (product, package.id, account.tenant_id) not in taken and package.id:
        product_id, package_id = product, package.id
        taken.add((product, package.id, account.tenant_id))
    was = (
        Cost(present.cost, present.currency)
        if present and present.cost is not None and present.currency
        else None
    )
    return {
        "change": line.change.value,
        "product_id": product_id,
        "package_id": package_id,
        "tenant_id": present.tenant_id if present else account.tenant_id,
        "catalogue_id": package.id if package else None,
        "name": package.name if package else None,
        "params": dict(package.params if package else present.params if present else {}),
        "was": _money(was),
        "now": _money(line.price),
        "applied": False,
    }


def _money(cost: Cost | None) -> dict[str, str] | None:
    return {"amount": str(cost.amount), "currency": cost.currency} if cost else None


def _apply(line: Line, row: dict[str, Any], account: Provider) -> bool:
    """Whether a route was added or changed."""
    is_new = line.change is Change.NEW and row["package_id"] is not None
    if not is_new and not line.is_price:
        return False
    params = {name: value for name, value in row["params"].items() if value} if is_new else None
    route.add(
        row["product_id"],
        row["package_id"],
        account.id,
        params,
        cost=line.price,
        tenant_id=row["tenant_id"],
    )
    return True


def _print(rows: Sequence[dict[str, Any]], account: Provider, is_applied: bool) -> None:
    printing.table(
        ("Change", "Product", "Package", "Catalogue", "Name", "Was", "Now"),
        (
            (
                row["change"],
                row["product_id"],
                row["package_id"],
                row["catalogue_id"],
                row["name"],
                _shown(row["was"]),
                _shown(row["now"]),
            )
            for row in rows
            if row["change"] != Change.SAME
        ),
        empty="Nothing has changed.",
    )
    counts = {change: sum(row["change"] == change for row in rows) for change in Change}
    said = (
        ", ".join(f"{count} {change}" for change, count in counts.items() if count)
        or "the catalogue is empty"
    )
    printing.say(f"{account.id}: {said}.")
    if any(row["catalogue_id"] and row["now"] is None for row in rows):
        printing.note(
            "Some have no price here; if it is the currency that is not known: gateway providers set"
            f" {account.id} --currency CODE"
        )
    if is_applied:
        printing.say(f"{printing.counted(sum(row['applied'] for row in rows), 'route')} added or changed.")
    elif any(row["change"] not in (Change.SAME, Change.GONE) for row in rows):
        printing.say("Nothing was changed; to change the routes, add --apply.")


def _shown(money: dict[str, str] | None) -> str:
    return f"{money['amount']} {money['currency']}" if money else ""
