"""Providers as the command line shows them, without their credentials."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from gateway.callbacks.verifiers import VERIFIERS, Instructions
from gateway.commands import accounts, printing
from gateway.commands.options import NONE
from gateway.commands.provider_options import is_in_clear
from gateway.providers import ADAPTERS
from gateway.settings import Settings
from models.provider import Provider


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
    test = f"gateway providers test {account.id}; " if ADAPTERS[account.adapter].HAS_SERVICE else ""
    printing.say(f"Next: {test}gateway routes add '*' '*' {account.id}")


def changes(
    before: Provider, after: Provider, settings: Settings, new_secret: str | None, json: bool
) -> None:
    """Print what a change has changed."""
    if json:
        return printing.as_json({**row(after), **told(settings, after, new_secret)})
    differences = accounts.differences(before, after)
    for name, (former, present) in differences.items():
        printing.say(f"{name.replace('_', '-')}: {_value(former)} → {_value(present)}")
    if not differences and not new_secret:
        printing.say(f"Provider {after.id} has these values already; nothing was changed.")
    if new_secret or any(name.startswith("callback") for name in differences):
        callbacks(settings, after, new_secret)


def callbacks(settings: Settings, account: Provider, new_secret: str | None) -> None:
    """Print what the provider must be told of its callbacks."""
    if instructions := _instructions(settings, account, new_secret):
        printing.say(f"Callback URL for the provider: {instructions.url}")
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


def _instructions(settings: Settings, account: Provider, new_secret: str | None) -> Instructions | None:
    return VERIFIERS[account.callback].instructions(account, settings.public_url, new_secret)


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        value = [f"{name}={each}" for name, each in value.items()]
    if isinstance(value, list | tuple):
        value = " ".join(value)
    return NONE if value in (None, "") else str(value)
