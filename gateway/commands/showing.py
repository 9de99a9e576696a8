"""Providers as the command line shows them, without their credentials."""

from collections.abc import Mapping
from dataclasses import asdict, fields
from decimal import Decimal
from typing import Any

from gateway.callbacks.verifiers import Instructions, verifier_of
from gateway.commands import accounts, printing
from gateway.commands.options import NONE
from gateway.commands.provider_options import is_in_clear, is_local
from gateway.providers import kinds
from gateway.settings import Settings
from models.catalogue_watches import Watch
from models.provider import Provider
from models.provider_health import Health
from models.standing import Standing

#: The health of a provider of which nothing was ever recorded; what is missing here is None.
UNRECORDED = {"failures": 0, "down": False, "has_balance": True, "account_refusals": 0}


def row(account: Provider) -> dict[str, Any]:
    """A provider for `printing.as_json`."""
    return {name: value for name, value in asdict(account).items() if name != "credentials"}


def told(settings: Settings, account: Provider, new_secret: str | None = None) -> dict[str, Any]:
    """What the provider must be told, for `printing.as_json`; `new_secret` is one that may be shown."""
    instructions = _instructions(settings, account, new_secret)
    return {
        "callback_url": instructions and instructions.url,
        "callback_headers": instructions.headers if instructions else {},
        **({"callback_secret": new_secret} if new_secret else {}),
    }


def saved(account: Provider, settings: Settings, new_secret: str | None, json: bool) -> None:
    """Print a provider that was added."""
    if json:
        return printing.as_json({**row(account), **told(settings, account, new_secret)})
    printing.say(
        f"Provider {account.id} is saved ({', '.join(filter(None, (account.adapter, account.base_url)))})."
    )
    callbacks(settings, account, new_secret)
    protocol = kinds.find(account.adapter)
    test = f"gateway providers test {account.id}; " if protocol and protocol.HAS_SERVICE else ""
    printing.say(f"Next: {test}{route_to(account)}")


def route_to(account: Provider) -> str:
    """The command that adds a route to a provider, with every parameter that its protocol needs."""
    protocol = kinds.find(account.adapter)
    params = "".join(f" --param {name}=…" for name in protocol.PARAMS) if protocol else ""
    return f"gateway routes add PRODUCT PACKAGE {account.id}{params}"


def changes(
    before: Provider, after: Provider, settings: Settings, new_secret: str | None, json: bool
) -> None:
    """Print what a change has changed."""
    if json:
        return printing.as_json({**row(after), **told(settings, after, new_secret)})
    differences = accounts.differences(before, after)
    for name, (former, present) in differences.items():
        option = name.removesuffix("_id").replace("_", "-")
        printing.say(f"{option}: {_value(former)} → {_value(present)}")
    if not differences and not new_secret:
        printing.say(f"Provider {after.id} has these values already; nothing was changed.")
    if new_secret or any(name.startswith("callback") for name in differences):
        callbacks(settings, after, new_secret)


def callbacks(settings: Settings, account: Provider, new_secret: str | None) -> None:
    """Print what the provider must be told of its callbacks."""
    if instructions := _instructions(settings, account, new_secret):
        printing.say(f"Callback URL for the provider: {instructions.url}")
        if is_local(settings.public_url) and not is_local(account.base_url):
            printing.note(
                f"Only this machine can call {settings.public_url}: set PUBLIC_URL, and give the provider that"
                " address in its place."
            )
        for name, value in instructions.headers.items():
            printing.say(f"  with the header {name}: {value}")
    if new_secret:
        printing.say(f"Callback secret, shown only once: {new_secret}")


def warn(settings: Settings, account: Provider, *, has_new_url: bool) -> None:
    """Tell on standard error what can be read by others."""
    if not settings.encryption_keys and account.credentials:
        printing.note("ENCRYPTION_KEYS is not set: the credentials are stored in plain text.")
    if has_new_url and account.base_url and is_in_clear(account.base_url):
        url = account.base_url
        printing.note(
            f"{url} is not encrypted: credentials and codes can be read on their way; use https:// if you can."
        )


def state(found: Health | None, timezone: str = "UTC") -> str:
    """The state of a provider in words, with times in `timezone`."""
    if found is None:
        return "up"
    words = []
    if found.paused_at:
        since = printing.at(found.paused_at, timezone)
        words.append(f"paused by {found.paused_by} since {since}: {found.pause_reason}")
    elif found.account_refusals:
        many = (
            "the last order" if found.account_refusals == 1 else f"{found.account_refusals} orders in a row"
        )
        words.append(f"refused {many} because of our account: {found.last_error}")
    if not found.has_balance:
        words.append("no balance")
    if found.failures:
        failed = "the last call" if found.failures == 1 else f"{found.failures} calls in a row"
        calls = f"{failed} failed: {found.last_error}"
        since = f" since {printing.at(found.down_since, timezone)}" if found.down_since else ""
        words.append(f"down{since}, {calls}" if found.down else f"up, but {calls}")
    elif found.down:
        words.append(f"down since {printing.at(found.down_since, timezone)}, too many calls failed")
    return "; ".join(words) or "up"


def health(found: Health | None, timezone: str) -> dict[str, Any]:
    """A provider's health, for `printing.as_json`; of one of which nothing was ever recorded too."""
    known = asdict(found) if found else {each.name: UNRECORDED.get(each.name) for each in fields(Health)}
    return {**known, "state": state(found, timezone)}


def standing(found: Standing | None) -> dict[str, Any]:
    """Routes and balance, for `printing.as_json`."""
    if found is None:  # it was added a moment ago
        return {"routes": 0, "balance": None}
    balance = None
    if found.balance is not None:
        balance = {
            "amount": str(found.balance),
            "currency": found.balance_currency,
            "at": found.balance_at,
        }
    return {"routes": found.routes, "balance": balance}


def watch(found: Watch | None) -> dict[str, Any]:
    """Whether the catalogue is watched, and what a person should look at in it, for `printing.as_json`."""
    attention = found.attention and f"catalogue: {found.attention}" if found else None
    return {"catalogue_watched": found is not None, "attention": attention}


def balance(found: Standing | None, low: Decimal | None) -> str:
    """Our balance and how old that is, for a person: `1200.00 TRY, 5 min ago (low)`."""
    if found is None or found.balance is None:
        return ""
    age = f", {printing.duration(found.balance_age_seconds)} ago" if found.balance_age_seconds else ""
    mark = " (low)" if low is not None and found.balance < low else ""
    return f"{found.balance} {found.balance_currency or ''}".rstrip() + age + mark


def _instructions(settings: Settings, account: Provider, new_secret: str | None) -> Instructions | None:
    return verifier_of(account).instructions(account, settings.public_url, new_secret)


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        value = [f"{name}={each}" for name, each in value.items()]
    if isinstance(value, list | tuple):
        value = " ".join(value)
    return NONE if value in (None, "") else str(value)
