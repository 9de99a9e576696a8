"""`gateway providers`: the accounts that orders are given to."""

import re
import time
from dataclasses import asdict
from typing import Any
from urllib.parse import urlsplit

import typer

from gateway import outbound
from gateway.commands import credentials, printing
from gateway.commands.context import Problem, gateway
from gateway.commands.credentials import CALLBACK_SECRET
from gateway.providers import ADAPTERS, adapter_for
from gateway.providers.base import ProviderError
from gateway.settings import Settings
from models import provider
from models.provider import Health, Provider

app = typer.Typer(help="Providers: the accounts that orders are given to.", no_args_is_help=True)

#: What an id may look like: it stands in the callback URL.
ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")


def _id(value: str) -> str:
    if not ID.fullmatch(value):
        raise typer.BadParameter("takes 1 to 63 of a-z, 0-9, - and _, beginning with a letter or a digit")
    return value


def _one_of(allowed: Any, value: str) -> str:
    if value not in allowed:
        raise typer.BadParameter(f"takes {' or '.join(sorted(allowed))}, not {value!r}")
    return value


def _address(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise typer.BadParameter("takes an http or https address such as https://bayi.example.com")
    if parts.username or parts.query or parts.fragment:
        raise typer.BadParameter("takes no user, query or fragment; credentials are asked for")
    return value.rstrip("/")


@app.command()
def add(
    provider_id: str = typer.Argument(
        metavar="ID", callback=_id, help="A short name; it stands in the callback URL."
    ),
    adapter: str = typer.Option(
        help=f"The protocol it speaks: {', '.join(ADAPTERS)}.",
        callback=lambda value: _one_of(ADAPTERS, value),
    ),
    base_url: str = typer.Option(help="Where its service is.", callback=_address),
    callback: str = typer.Option(
        help=f"How its callbacks are verified: {' or '.join(credentials.SCHEMES)}.",
        callback=lambda value: _one_of(credentials.SCHEMES, value),
    ),
    max_concurrency: int = typer.Option(4, min=1, help="Calls under way at once, over all workers."),
    max_per_minute: int | None = typer.Option(
        None, min=1, help="Calls a minute, over all workers; else no limit."
    ),
    replace: bool = typer.Option(False, "--replace", help="Change the provider of this id."),
    json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> None:
    """Add a provider, and print the callback URL to give to it.

    Its credentials are asked for in a terminal, else read from standard input as one JSON object. Without a
    callback_secret one is made and printed, this one time.

    Example: gateway providers add bayi --adapter znet --base-url https://bayi.example.com --callback token
    """
    with gateway() as settings:
        known = provider.find(provider_id)
        if known and not replace:
            raise Problem(f"there is a provider {provider_id} already; to change it, add --replace")
        given = credentials.read(ADAPTERS[adapter].CREDENTIALS, callback)
        secret = given.get(CALLBACK_SECRET) or _present_secret(known, callback)
        fresh = None if secret else credentials.new_callback_secret(callback)
        secrets = given | {CALLBACK_SECRET: secret or fresh or ""}
        added = Provider(provider_id, adapter, base_url, callback, secrets, max_concurrency, max_per_minute)
        provider.save(added)
    _print_added(added, settings, fresh, json)


def _present_secret(known: Provider | None, callback: str) -> str | None:
    return known.credentials.get(CALLBACK_SECRET) if known and known.callback == callback else None


def callback_url(settings: Settings, added: Provider, fresh: str | None = None) -> str:
    """Where the provider calls back; its token only where it was made just now."""
    address = f"{settings.public_url.rstrip('/')}/callbacks/{added.id}"
    return f"{address}/{fresh or 'TOKEN'}" if added.callback == "token" else address


def _print_added(added: Provider, settings: Settings, fresh: str | None, json: bool) -> None:
    url = callback_url(settings, added, fresh)
    if not settings.encryption_keys:
        printing.note("ENCRYPTION_KEYS is not set: the credentials are stored in clear.")
    if json:
        made = {"callback_secret": fresh} if fresh else {}
        return printing.as_json({**_row(added), "callback_url": url, **made})
    printing.say(f"Provider {added.id} is saved ({added.adapter}, {added.base_url}).")
    printing.say(f"Callback URL to give to the provider: {url}")
    if fresh:
        printing.say(f"Callback secret, shown this one time: {fresh}")
    printing.say(f"Next: gateway providers test {added.id}; gateway routes add '*' '*' {added.id}")


def _row(added: Provider) -> dict[str, Any]:
    return {name: value for name, value in asdict(added).items() if name != "credentials"}


@app.command("list")
def list_(json: bool = typer.Option(False, "--json", help="Print JSON.")) -> None:
    """List the providers, and how each is doing. Credentials are never shown.

    Example: gateway providers list
    """
    with gateway() as settings:
        found = [(each, provider.health(each.id)) for each in provider.every()]
    if json:
        return printing.as_json(
            [
                {**_row(each), "callback_url": callback_url(settings, each), **_health(health)}
                for each, health in found
            ]
        )
    printing.table(
        ("ID", "Adapter", "Base URL", "Callback", "State"),
        ((each.id, each.adapter, each.base_url, each.callback, state(health)) for each, health in found),
        empty="No providers yet. Add one: gateway providers add --help",
        fold="State",
    )


def _health(health: Health | None) -> dict[str, Any]:
    names = ("failures", "down", "last_error", "last_error_at")
    return {name: getattr(health, name) if health else None for name in names}


def state(health: Health | None) -> str:
    """How a provider is doing, in words."""
    if health is None or not health.failures:
        return "up"
    calls = f"{health.failures} calls in a row failed: {health.last_error}"
    return f"down, {calls}" if health.down else f"up, but {calls}"


@app.command()
def test(
    provider_id: str = typer.Argument(metavar="ID", help="A provider that `gateway providers list` shows."),
    json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> None:
    """Ask the provider for our balance: shows that address, credentials and access are right. Changes nothing.

    Example: gateway providers test bayi
    """
    with gateway():
        found = provider.find(provider_id)
    if found is None:
        raise Problem(f"there is no provider {provider_id}; see: gateway providers list")
    started = time.monotonic()
    try:
        balance = adapter_for(found, outbound.Client()).balance()
    except ProviderError as error:
        raise Problem(f"{provider_id} at {found.base_url}: {error}") from None
    milliseconds = round((time.monotonic() - started) * 1000)
    if json:
        return printing.as_json({"id": provider_id, **asdict(balance), "milliseconds": milliseconds})
    extra = f" ({balance.note})" if balance.note else ""
    printing.say(
        f"{provider_id} answered in {milliseconds} ms: balance {balance.amount} {balance.currency}{extra}"
    )
