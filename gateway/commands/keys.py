"""`gateway keys`: who may use the order API."""

from dataclasses import asdict

import typer

from gateway.commands import printing
from gateway.commands.context import Problem, gateway
from models import api_key
from models.api_key import Scope

app = typer.Typer(help="API keys: who may use the order API.", no_args_is_help=True)


@app.command()
def create(
    name: str = typer.Argument(help="Whose key it is, for people."),
    scope: list[Scope] = typer.Option(help="What the key may do; give it once for each scope."),
    json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> None:
    """Make a key and print it, this one time: only its digest is kept.

    Example: gateway keys create storefront --scope orders:write --scope orders:read
    """
    with gateway():
        key = api_key.create(name, list(dict.fromkeys(scope)))
        made = api_key.find(key)
    if made is None:
        raise Problem("the key was revoked as it was made; make another")
    if json:
        return printing.as_json({"id": made.id, "name": name, "scopes": sorted(made.scopes), "key": key})
    printing.say(key)
    printing.note(
        f"Key {made.id} of {name}, for {', '.join(sorted(made.scopes))}. Keep it: it is not shown again."
    )


@app.command("list")
def list_(json: bool = typer.Option(False, "--json", help="Print JSON.")) -> None:
    """List the keys, newest first, each by the first characters of it.

    Example: gateway keys list
    """
    with gateway() as settings:
        found = api_key.every()
    if json:
        return printing.as_json([asdict(key) for key in found])
    printing.table(
        ("ID", "Name", "Key", "Scopes", "Created", "Revoked"),
        (
            (
                key.id,
                key.name,
                f"{key.prefix}…",
                " ".join(key.scopes),
                printing.at(key.created_at, settings.timezone),
                printing.at(key.revoked_at, settings.timezone),
            )
            for key in found
        ),
        empty="No keys yet. Make one: gateway keys create NAME --scope orders:write",
    )


@app.command()
def revoke(
    key_id: int = typer.Argument(metavar="ID", help="The number that `gateway keys list` shows."),
) -> None:
    """Make a key invalid, from its next request on and for good.

    Example: gateway keys revoke 3
    """
    with gateway():
        if not api_key.revoke(key_id):
            raise Problem(f"there is no valid key {key_id}; see: gateway keys list")
    printing.say(f"Key {key_id} is revoked.")
