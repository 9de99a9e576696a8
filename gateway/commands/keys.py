"""`gateway keys`: keys for the order API."""

from dataclasses import asdict

import typer

from gateway.commands import durations, printing
from gateway.commands.context import Problem, check_tenant, gateway
from gateway.commands.options import tenant as read_tenant
from models import api_key, resealing
from models.api_key import Scope

#: Long work says how far it is after so many rows.
PROGRESS_EVERY = 10_000

app = typer.Typer(help="Keys for the order API, and those that encrypt.", no_args_is_help=True)


@app.command()
def create(
    name: str = typer.Argument(help="Name of the key, shown in lists and timelines."),
    scope: list[Scope] = typer.Option(help="What the key may do; repeatable."),
    expires: str | None = typer.Option(
        None,
        metavar="90d",
        help="How long it is valid: so many s, m, h or d. Without it, until it is revoked.",
    ),
    tenant_id: str | None = typer.Option(
        None,
        "--tenant",
        parser=read_tenant,
        metavar="UUID",
        help="The tenant whose orders it places and sees, and no others. Without it, it sees all.",
    ),
    json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> None:
    """Create a key and print it, once: only its digest is stored.

    A key of a tenant places orders for that tenant and sees no others. Any UUID is a tenant, unless tenantId refers to
    a table: then it must stand there. A key without a tenant sees the orders of all.

    \b
    Example: gateway keys create shop --scope orders:write --scope orders:read --expires 90d
    Example: gateway keys create shop-1 --scope orders:write --scope orders:read \\
      --tenant 5f0c2b9e-63c1-4d1c-9a39-0d0f5c1b7a11
    """
    valid_for = durations.lasting(expires, "--expires")
    with gateway() as settings:
        check_tenant(tenant_id)
        key = api_key.create(name, list(dict.fromkeys(scope)), valid_for, tenant_id=tenant_id)
        made = api_key.find(key)
    if made is None:
        raise Problem("the key was revoked at once; create another one")
    if json:
        shown = {"id": made.id, "name": name, "scopes": sorted(made.scopes), "tenant_id": made.tenant_id}
        return printing.as_json({**shown, "expires_at": made.expires_at, "key": key})
    printing.say(key)
    until = f", valid until {printing.at(made.expires_at, settings.timezone)}" if made.expires_at else ""
    of = f", of tenant {made.tenant_id}" if made.tenant_id else ""
    scopes = ", ".join(sorted(made.scopes))
    printing.note(f"Key {made.id}, {name}: {scopes}{of}{until}. Store it now: it is not shown again.")


@app.command("list")
def list_(json: bool = typer.Option(False, "--json", help="Print JSON.")) -> None:
    """List the keys, newest first, with the first characters of each and the day (UTC) on which it was last used.

    Example: gateway keys list
    """
    with gateway() as settings:
        found = api_key.every()
    if json:
        return printing.as_json([asdict(key) for key in found])
    printing.table(
        ("ID", "Name", "Key", "Scopes", "Tenant", "Created", "Expires", "Last used", "Revoked"),
        (
            (
                key.id,
                key.name,
                f"{key.prefix}…",
                " ".join(key.scopes),
                key.tenant_id,
                printing.at(key.created_at, settings.timezone),
                printing.at(key.expires_at, settings.timezone),
                key.last_used_on or "never",
                printing.at(key.revoked_at, settings.timezone),
            )
            for key in found
        ),
        empty="No keys yet. Create one: gateway keys create NAME --scope orders:write",
        optional=["Tenant"],
    )


@app.command("rotate-encryption")
def rotate_encryption(json: bool = typer.Option(False, "--json", help="Print JSON.")) -> None:
    """Seal everything that is stored under the first key of ENCRYPTION_KEYS, while the gateway runs.

    \b
    To change the key:
    1. In every process: ENCRYPTION_KEYS=OLD,NEW - so that all can open what is sealed under the new key.
    2. In every process: ENCRYPTION_KEYS=NEW,OLD - so that all seal under it.
    3. Here, with the same: gateway keys rotate-encryption
    4. In every process: ENCRYPTION_KEYS=NEW

    It works in batches; stopped and started again, it goes on where it was. A value that no key opens is named, and
    stays as it is; it then exits with 1. What was stored in clear stays so.

    Example: gateway keys rotate-encryption
    """
    with gateway() as settings:
        if not settings.encryption_keys:
            raise Problem("ENCRYPTION_KEYS is not set, so nothing is sealed")
        report = resealing.reseal(_progress)
    if json:
        printing.as_json(asdict(report))
    else:
        for name in report.names:
            printing.note(f"left as it is: {name}")
        printing.say(
            f"{report.renewed} values were sealed again, {report.current} were under the first key already."
        )
    if report.left:
        raise Problem(f"{report.left} could not be sealed again; keep the old keys until they are dealt with")


def _progress(table: str, rows: int, total: int) -> None:
    if rows and rows % PROGRESS_EVERY == 0:
        of = f" of about {total}" if total >= rows else ""
        printing.note(f"{table}: {rows}{of} rows …")


@app.command()
def revoke(
    key_id: int = typer.Argument(metavar="ID", help="The number that `gateway keys list` shows."),
) -> None:
    """Revoke a key for good. Within a second every process refuses it.

    Example: gateway keys revoke 3
    """
    with gateway():
        if not api_key.revoke(key_id):
            raise Problem(f"no valid key has the id {key_id}; see: gateway keys list")
    printing.say(f"Key {key_id} is revoked; within a second every process refuses it.")
