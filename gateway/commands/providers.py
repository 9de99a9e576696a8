"""`gateway providers`: the accounts that orders are given to."""

import re
import time
from collections.abc import Iterator
from dataclasses import asdict
from decimal import Decimal
from typing import Any

import typer
from typer.core import TyperCommand

from gateway import outbound, providers
from gateway.callbacks.verifiers import VERIFIERS, Verifier
from gateway.commands import accounts, balances, credentials, operating, printing, rotating, showing
from gateway.commands import provider_options as option
from gateway.commands.accounts import Wanted
from gateway.commands.context import Problem, change_provider, check_tenant, find_provider, gateway
from gateway.providers import kinds
from gateway.providers.base import Kind, ProviderError
from models import catalogue_watches, others, provider, provider_health, standing, tenants
from models.balances import Told, begin_asking, keep_asked
from models.others import Unfollowed
from models.provider import CALLBACK_SECRET, Provider

app = typer.Typer(help="Providers: the accounts that orders are given to.", no_args_is_help=True)
for command in (rotating.rotate, operating.pause, operating.resume, operating.remove, balances.balance):
    app.command()(command)

#: The state of a provider that cannot be used.
UNREADABLE = "its credentials cannot be read; see: gateway doctor"
#: Providers that a note names, at most.
PROVIDERS = 3
#: What an id may look like, since it is part of the callback URL.
ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")


def _id(value: str) -> str:
    if not ID.fullmatch(value):
        raise typer.BadParameter("takes 1 to 63 of a-z, 0-9, - and _, beginning with a letter or a digit")
    return value


def _protocol(name: str) -> Kind:
    """Needs an open session. Raises typer.BadParameter."""
    try:
        return kinds.get(name)
    except kinds.Unusable as error:
        known = "" if name in kinds.names() else f"; it takes {', '.join(kinds.names())}"
        raise typer.BadParameter(f"{error}{known}", param_hint="--adapter") from None


class AddCommand(TyperCommand):
    """`providers add`, whose help is made when it is asked for: it reads the file of every protocol that ships."""

    def get_help(self, ctx: Any) -> str:
        """The text of `--help`."""
        self.help = _add_help()
        return super().get_help(ctx)


def _protocol_help(name: str) -> str:
    """What a provider and its routes are given."""
    kind = kinds.get(name)
    given = [*kind.CREDENTIALS, *(f"[{each}]" for each in kind.OPTIONAL_CREDENTIALS)]
    params = [*kind.PARAMS, *(f"[{each}]" for each in kind.OPTIONAL_PARAMS)]
    return f"  {name}: {' '.join(given) or 'nothing'}" + (f"; --param {' '.join(params)}" if params else "")


def _add_help() -> str:
    callbacks = "\n".join(line for kind in VERIFIERS.values() for line in _kind_help(kind))
    protocols = "\n".join(map(_protocol_help, kinds.shipped()))
    return f"""Add a provider, and print what to tell it: the callback URL, and the headers to send.

Its credentials are read {credentials.WHERE}. If they contain no callback_secret, one is made and printed once.

With --replace the provider may exist: it gets what is given, and keeps everything else, credentials too. To change one
thing, gateway providers set and rotate are shorter.

With --tenant only orders of that tenant go to it, and its routes are that tenant's.

\b
Protocols, with the credentials of a provider and the parameters of its routes; [those] may be left out:
{protocols}

Others are added by gateway protocols add; gateway protocols show NAME tells more of any.

Where a protocol has callbacks of its own, --callback protocol is the default.

\b
Kinds of --callback, with an example:
{callbacks}

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


@app.command(cls=AddCommand)
def add(
    provider_id: str = typer.Argument(
        metavar="ID", callback=_id, help="A short name; it is part of the callback URL."
    ),
    adapter: str = typer.Option(
        metavar="PROTOCOL",
        help=f"The protocol it speaks: {', '.join(kinds.shipped())}, or one of gateway protocols list.",
    ),
    base_url: option.BaseUrl = None,
    callback: option.Callback = None,
    callback_header: option.CallbackHeader = None,
    callback_algorithm: option.CallbackAlgorithm = None,
    callback_encoding: option.CallbackEncoding = None,
    callback_template: option.CallbackTemplate = None,
    callback_allow: option.CallbackAllow = None,
    callback_format: option.Format = None,
    max_concurrency: option.MaxConcurrency = None,
    max_per_minute: option.MaxPerMinute = None,
    low_balance: option.LowBalance = None,
    low_stock: option.LowStock = None,
    currency: option.Currency = None,
    tenant_id: option.Tenant = None,
    replace_: bool = typer.Option(
        False, "--replace", help="Change the provider with this id, if there is one."
    ),
    json: option.Json = False,
) -> None:
    """Add a provider, and print what to tell it: the callback URL, and the headers to send."""
    wanted = Wanted(
        base_url,
        callback,
        option.callback_options(callback_header, callback_algorithm, callback_encoding, callback_template),
        option.networks(callback_allow or []),
        callback_format,
        max_concurrency,
        max_per_minute,
        low_balance,
        low_stock,
        currency,
        tenant_id,
    )
    with gateway() as settings:
        protocol = _protocol(adapter)
        check_tenant(tenant_id.value if tenant_id else None)
        known = provider.find_renewable(provider_id)
        if known and not replace_:
            raise _exists(provider_id)
        wanted = accounts.completed(adapter, wanted, known)
        kind = accounts.kind_of(adapter, known, wanted)
        begun, fresh_secret = accounts.begin(provider_id, adapter, wanted, known), kind.new_secret()
        # A bad option is refused before anyone types a password.
        accounts.change(begun, wanted, {}, fresh_secret)
        kept = accounts.kept_credentials(begun, kind.name)
        given = credentials.read(protocol.CREDENTIALS, kind, kept, optional=protocol.OPTIONAL_CREDENTIALS)

        def make(now: Provider | None) -> Provider:
            present = accounts.begin(provider_id, adapter, wanted, now)
            made = accounts.change(present, wanted, given, fresh_secret)
            _check_orders_of_others(now, made)
            return made

        if known is None:
            added = make(None)
            if not provider.add(added):
                raise _exists(provider_id)
        else:
            _, added = change_provider(provider_id, make, renews=True)
        provider_health.look_again(provider_id)
        unfollowed = others.unfollowed() if known is None else []
    showing.warn(settings, added, has_new_url=True)
    _say_unfollowed(provider_id, unfollowed)
    showing.saved(added, settings, _shown_once(added, fresh_secret), json)


def _say_unfollowed(provider_id: str, unfollowed: list[Unfollowed]) -> None:
    """Tell on standard error which other ids another system's orders name: this one may be mistyped."""
    if unfollowed:
        named = ", ".join(
            f"{others.bounded(each.count)} {each.provider_id}" for each in unfollowed[:PROVIDERS]
        )
        printing.note(
            f'Orders of another system in "providerId" {provider_id} are followed from now on. Of those of the last'
            f" day, these name providers that are not configured here: {named}"
        )


def _check_orders_of_others(before: Provider | None, after: Provider) -> None:
    """Raises Problem where the provider is given to a tenant while orders of others wait for it."""
    if before is None or after.tenant_id in (None, before.tenant_id):
        return
    if waiting := tenants.orders_of_others(after.id, after.tenant_id):
        raise Problem(
            f"{waiting} orders that are not of tenant {after.tenant_id} wait for {after.id}; pause it, and set its"
            " tenant once they have ended"
        )


def _exists(provider_id: str) -> Problem:
    to_change = f"gateway providers set {provider_id}, gateway providers rotate {provider_id}"
    return Problem(f"the provider {provider_id} exists already; to change it: {to_change}, or add --replace")


def _shown_once(saved: Provider, fresh_secret: str) -> str | None:
    """The callback secret, if it is the one that was just made."""
    return fresh_secret if saved.credentials.get(CALLBACK_SECRET) == fresh_secret else None


@app.command("set")
def set_(
    provider_id: option.KnownId,
    base_url: option.BaseUrl = None,
    callback: option.Callback = None,
    callback_header: option.CallbackHeader = None,
    callback_algorithm: option.CallbackAlgorithm = None,
    callback_encoding: option.CallbackEncoding = None,
    callback_template: option.CallbackTemplate = None,
    callback_allow: option.CallbackAllow = None,
    callback_format: option.Format = None,
    max_concurrency: option.MaxConcurrency = None,
    max_per_minute: option.MaxPerMinute = None,
    low_balance: option.LowBalance = None,
    low_stock: option.LowStock = None,
    currency: option.Currency = None,
    tenant_id: option.Tenant = None,
    json: option.Json = False,
) -> None:
    """Change what is given of a provider, and nothing else. `none` removes a limit, a threshold or the allow-list.

    Another kind of callback has options and a callback secret of its own, which is printed once; basic also reads its
    callback_user, as `add` reads credentials. The present ones are changed by gateway providers rotate.

    Workers use a change from their next call to the provider on, web processes within 2 seconds.

    \b
    Example: gateway providers set bayi --max-per-minute 30 --low-balance 500
    Example: gateway providers set bayi --max-per-minute none --callback-allow none
    Example: gateway providers set bayi --callback hmac --callback-header X-Signature
    Example: gateway providers set bayi --tenant 5f0c2b9e-63c1-4d1c-9a39-0d0f5c1b7a11
    """
    wanted = Wanted(
        base_url,
        callback,
        option.callback_options(callback_header, callback_algorithm, callback_encoding, callback_template),
        option.networks(callback_allow or []),
        callback_format,
        max_concurrency,
        max_per_minute,
        low_balance,
        low_stock,
        currency,
        tenant_id,
    )
    if wanted == Wanted():
        raise typer.BadParameter("nothing is to be changed; see: gateway providers set --help")
    with gateway() as settings:
        check_tenant(tenant_id.value if tenant_id else None)
        known = find_provider(provider_id)
        kind = accounts.kind_of(known.adapter, known, wanted)
        fresh_secret = kind.new_secret()
        accounts.change(known, wanted, {}, fresh_secret)
        kept = accounts.kept_credentials(known, kind.name)
        is_complete = all(name in kept for name in kind.credentials)
        given = {} if is_complete else credentials.read((), kind, kept)

        def make(now: Provider) -> Provider:
            made = accounts.change(now, wanted, given, fresh_secret)
            _check_orders_of_others(now, made)
            return made

        before, after = change_provider(provider_id, make)
        provider_health.look_again(provider_id)
    showing.warn(settings, after, has_new_url=base_url is not None)
    showing.changes(before, after, settings, _shown_once(after, fresh_secret), json)


@app.command("list")
def list_(json: option.Json = False) -> None:
    """List the providers, their state, our balance with each, and how many routes lead to it.

    Credentials are never shown.

    Example: gateway providers list
    """
    with gateway() as settings:
        found = [(each, provider_health.health(each.id)) for each in provider.every()]
        standings, unreadable = standing.every(), provider.unreadable()
        watched = catalogue_watches.every()
    if json:
        return printing.as_json(
            [
                {
                    **showing.row(each),
                    **showing.told(settings, each),
                    **showing.health(health, settings.timezone),
                    **({"state": UNREADABLE} if each.id in unreadable else {}),
                    **showing.standing(standings.get(each.id)),
                    **showing.watch(watched.get(each.id)),
                }
                for each, health in found
            ]
        )
    printing.table(
        ("ID", "Adapter", "Base URL", "Callback", "Tenant", "Routes", "Balance", "State", "Attention"),
        (
            (
                each.id,
                each.adapter,
                each.base_url,
                each.callback,
                each.tenant_id,
                standings[each.id].routes if each.id in standings else 0,
                showing.balance(standings.get(each.id), each.low_balance),
                UNREADABLE if each.id in unreadable else showing.state(health, settings.timezone),
                showing.watch(watched.get(each.id))["attention"],
            )
            for each, health in found
        ),
        empty="No providers yet. Add one: gateway providers add --help",
        fold=["State", "Attention"],
        optional=["Tenant", "Attention"],
    )


@app.command()
def test(
    provider_id: option.KnownId,
    whole: bool = typer.Option(
        False,
        "--whole",
        help="Print an answer that cannot be read, or is masked, as it is; codes may stand in it.",
    ),
    json: option.Json = False,
) -> None:
    """Ask the provider for our balance, to see that URL, credentials and access are right. Orders nothing.

    \b
    Example: gateway providers test bayi
    Example: gateway providers test bayi --whole
    """
    with gateway():
        found = find_provider(provider_id)
        protocol = kinds.find(found.adapter)
    if protocol and not protocol.HAS_SERVICE:
        raise Problem(f"{provider_id} ({found.adapter}) calls no service, so there is nothing to test")
    with gateway():
        asking = begin_asking(provider_id)
    started = time.monotonic()
    try:
        balance = providers.balance(found, outbound.Client())
    except ProviderError as error:
        if whole and error.text.whole:
            printing.note(f"{provider_id} wrote: {error.text.whole}")
        at = "" if found.base_url in str(error) else f" at {found.base_url}"
        raise Problem(f"{provider_id}{at}: {error}") from None
    milliseconds = round((time.monotonic() - started) * 1000)
    with gateway():
        keep_asked(provider_id, Told(balance.amount, balance.currency, Decimal(0)), asking)
        health = provider_health.health(provider_id)
    is_low = found.low_balance is not None and balance.amount < found.low_balance
    obstacle = health.obstacle() if health else None
    if json:
        answer = {"id": provider_id, **asdict(balance), "milliseconds": milliseconds}
        return printing.as_json({**answer, "is_low": is_low, "obstacle": obstacle})
    extra = f" ({balance.note})" if balance.note else ""
    printing.say(
        f"{provider_id} answered in {milliseconds} ms: balance {balance.amount} {balance.currency}{extra}"
    )
    if is_low:
        printing.say(f"That is below its --low-balance, {found.low_balance}.")
    if obstacle:
        printing.say(f"It gets no new orders, because it {obstacle}.")
