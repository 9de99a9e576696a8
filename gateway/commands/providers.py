"""`gateway providers`: the accounts that orders are given to."""

import re
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import Any

import typer

from gateway import inputs, outbound
from gateway.callbacks import allow_list
from gateway.callbacks.verifiers import VERIFIERS, Instructions, NoCallbacks, Verifier
from gateway.commands import credentials, printing
from gateway.commands.context import Problem, find_provider, gateway
from gateway.providers import ADAPTERS, Misconfigured, adapter_for
from gateway.providers.base import ProviderError
from gateway.settings import Settings
from models import provider, provider_health
from models.provider import CALLBACK_SECRET, CallbackFormat, Provider
from models.provider_health import Health

app = typer.Typer(help="Providers: the accounts that orders are given to.", no_args_is_help=True)

#: What an id may look like, since it is part of the callback URL.
ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")


def _id(value: str) -> str:
    if not ID.fullmatch(value):
        raise typer.BadParameter("takes 1 to 63 of a-z, 0-9, - and _, beginning with a letter or a digit")
    return value


def _one_of(allowed: Iterable[str], value: str) -> str:
    if value not in allowed:
        raise typer.BadParameter(f"takes {', '.join(allowed)}, not {value!r}")
    return value


def _base_url(value: str | None) -> str | None:
    if value is None:
        return None
    try:
        parts = inputs.http_url(value)
    except ValueError as error:
        raise typer.BadParameter(f"{error}, such as https://bayi.example.com") from None
    if parts.username is not None or parts.query or parts.fragment:
        raise typer.BadParameter("takes no user, query or fragment; credentials are read from standard input")
    return value.rstrip("/")


def _networks(values: list[str]) -> list[str]:
    try:
        return [allow_list.read(value) for value in values]
    except ValueError as error:
        raise typer.BadParameter(f"takes an address or a network such as 203.0.113.0/24: {error}") from None


def _add_help() -> str:
    kinds = "\n".join(line for kind in VERIFIERS.values() for line in _kind_help(kind))
    return f"""Add a provider, and print what to tell it: the callback URL, and the headers to send.

Its credentials are prompted for in a terminal, or read from standard input as one JSON object. If they contain no
callback_secret, one is made and printed once. Several callback secrets, separated by blanks, are valid at the same
time, so that a secret can be rotated.

\b
Kinds of --callback, with an example:
{kinds}

\b
Example: gateway providers add bayi --adapter znet --base-url https://bayi.example.com --callback token
"""


def _kind_help(kind: Verifier) -> Iterator[str]:
    yield f"  {kind.name}: {kind.summary}"
    names = (*kind.credentials, *((CALLBACK_SECRET,) if kind.has_secret else ()))
    given = "".join(f', "{name}": "…"' for name in names)
    for example in kind.examples:
        yield f"""    echo '{{"kod": "…", "sifre": "…"{given}}}' | \\"""
        yield f"      gateway providers add bayi … --callback {kind.name}" + (" \\" if example else "")
        yield from [f"      {example}"] if example else []


@app.command(help=_add_help())
def add(
    provider_id: str = typer.Argument(
        metavar="ID", callback=_id, help="A short name; it is part of the callback URL."
    ),
    adapter: str = typer.Option(
        help=f"The protocol it speaks: {', '.join(ADAPTERS)}.",
        callback=lambda value: _one_of(ADAPTERS, value),
    ),
    base_url: str | None = typer.Option(None, help="The URL of its service.", callback=_base_url),
    callback: str | None = typer.Option(
        None,
        help=f"How its callbacks are verified: {', '.join(VERIFIERS)}.",
        callback=lambda value: value and _one_of(VERIFIERS, value),
    ),
    callback_header: str | None = typer.Option(
        None, metavar="NAME", help="hmac: the header with the signature."
    ),
    callback_algorithm: str | None = typer.Option(
        None, help="hmac: sha1, sha256 or sha512 (default: sha256)."
    ),
    callback_encoding: str | None = typer.Option(None, help="hmac: hex or base64 (default: hex)."),
    callback_template: str | None = typer.Option(
        None,
        help="hmac: what is signed (default: {body}); {header:NAME} and {body} are filled in.",
    ),
    callback_allow: list[str] = typer.Option(
        [],
        metavar="CIDR",
        callback=_networks,
        help="An address or network that it calls back from; may be repeated. Others get a 403.",
    ),
    callback_format: CallbackFormat | None = typer.Option(
        None,
        help="What its callbacks say: the words of its protocol, or the neutral JSON"
        " (default: neutral with standard-webhooks, else protocol).",
    ),
    max_concurrency: int = typer.Option(4, min=1, help="Calls at the same time, over all workers."),
    max_per_minute: int | None = typer.Option(
        None, min=1, help="Calls a minute, over all workers (default: no limit)."
    ),
    replace: bool = typer.Option(False, "--replace", help="Change the provider with this id."),
    json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> None:
    base_url, callback = _service(adapter, base_url, callback)
    kind = VERIFIERS[callback]
    options = {
        "header": callback_header,
        "algorithm": callback_algorithm,
        "encoding": callback_encoding,
        "template": callback_template,
    }
    try:
        callback_options = kind.read_options(
            {name: value for name, value in options.items() if value is not None}
        )
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    with gateway() as settings:
        known = provider.find(provider_id)
        if known and not replace:
            raise Problem(f"the provider {provider_id} exists already; to change it, add --replace")
        given = credentials.read(ADAPTERS[adapter].CREDENTIALS, kind)
        if known and known.callback == callback and known.secrets():
            given = {CALLBACK_SECRET: known.credentials[CALLBACK_SECRET], **given}
        new_secret = None
        if kind.has_secret and CALLBACK_SECRET not in given:
            new_secret = given[CALLBACK_SECRET] = kind.new_secret()
        added = Provider(
            provider_id,
            adapter,
            base_url,
            callback,
            given,
            max_concurrency,
            max_per_minute,
            callback_options,
            tuple(callback_allow),
            callback_format or _format(kind, known),
        )
        provider.save(added)
    _print_added(added, settings, new_secret, json)


def _service(adapter: str, base_url: str | None, callback: str | None) -> tuple[str, str]:
    """Base URL and kind of callback of a provider with this protocol. Raises typer.BadParameter."""
    if ADAPTERS[adapter].HAS_SERVICE:
        for name, value in (("--base-url", base_url), ("--callback", callback)):
            if value is None:
                raise typer.BadParameter(f"is required with --adapter {adapter}", param_hint=name)
        return str(base_url), str(callback)
    if base_url is not None:
        raise typer.BadParameter(f"{adapter} calls no service and has no URL", param_hint="--base-url")
    if callback not in (None, NoCallbacks.name):
        raise typer.BadParameter(
            f"{adapter} calls no service, so nothing calls back", param_hint="--callback"
        )
    return "", NoCallbacks.name


def _format(kind: Verifier, known: Provider | None) -> CallbackFormat | None:
    """The format where none was given: that of the provider which is replaced, if its kind of callback stays.

    A provider that reads both formats, because an earlier version added it, goes on until one is chosen.
    """
    if known and (known.callback == kind.name or known.callback_format is None):
        return known.callback_format
    return kind.format


def _instructions(
    settings: Settings, account: Provider, new_secret: str | None = None
) -> Instructions | None:
    return VERIFIERS[account.callback].instructions(account, settings.public_url, new_secret)


def _print_added(added: Provider, settings: Settings, new_secret: str | None, json: bool) -> None:
    told = _instructions(settings, added, new_secret)
    if not settings.encryption_keys:
        printing.note("ENCRYPTION_KEYS is not set: the credentials are stored in plain text.")
    if json:
        made = {"callback_secret": new_secret} if new_secret else {}
        return printing.as_json({**_row(added), **_told(told), **made})
    printing.say(
        f"Provider {added.id} is saved ({', '.join(filter(None, (added.adapter, added.base_url)))})."
    )
    if told:
        printing.say(f"Callback URL for the provider: {told.url}")
        for name, value in told.headers.items():
            printing.say(f"  with the header {name}: {value}")
    if new_secret:
        printing.say(f"Callback secret, shown only once: {new_secret}")
    test = f"gateway providers test {added.id}; " if ADAPTERS[added.adapter].HAS_SERVICE else ""
    printing.say(f"Next: {test}gateway routes add '*' '*' {added.id}")


def _row(added: Provider) -> dict[str, Any]:
    return {name: value for name, value in asdict(added).items() if name != "credentials"}


def _told(told: Instructions | None) -> dict[str, Any]:
    return {"callback_url": told and told.url, "callback_headers": told.headers if told else {}}


@app.command("list")
def list_(json: bool = typer.Option(False, "--json", help="Print JSON.")) -> None:
    """List the providers and their state. Credentials are never shown.

    Example: gateway providers list
    """
    with gateway() as settings:
        found = [(each, provider_health.health(each.id)) for each in provider.every()]
    if json:
        return printing.as_json(
            [
                {**_row(each), **_told(_instructions(settings, each)), **_health(health)}
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
    """The state of a provider in words."""
    if health is None or not health.failures:
        return "up"
    calls = f"{health.failures} calls in a row failed: {health.last_error}"
    return f"down, {calls}" if health.down else f"up, but {calls}"


@app.command()
def test(
    provider_id: str = typer.Argument(metavar="ID", help="A provider from `gateway providers list`."),
    json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> None:
    """Ask the provider for our balance, to see that URL, credentials and access are right. Changes nothing.

    Example: gateway providers test bayi
    """
    with gateway():
        found = find_provider(provider_id)
    if found.adapter in ADAPTERS and not ADAPTERS[found.adapter].HAS_SERVICE:
        raise Problem(f"{provider_id} ({found.adapter}) calls no service, so there is nothing to test")
    started = time.monotonic()
    try:
        balance = adapter_for(found, outbound.Client()).balance()
    except (ProviderError, Misconfigured, outbound.LocalFault) as error:
        raise Problem(f"{provider_id} at {found.base_url}: {error}") from None
    milliseconds = round((time.monotonic() - started) * 1000)
    if json:
        return printing.as_json({"id": provider_id, **asdict(balance), "milliseconds": milliseconds})
    extra = f" ({balance.note})" if balance.note else ""
    printing.say(
        f"{provider_id} answered in {milliseconds} ms: balance {balance.amount} {balance.currency}{extra}"
    )
