"""What may be set on a provider, checked together with what stays. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from decimal import Decimal
from typing import Any

import typer

from gateway.callbacks.verifiers import NoCallbacks, OfProtocol, Verifier, has_scheme, verifier, verifier_of
from gateway.commands.options import Given
from gateway.providers import kinds
from models.provider import CALLBACK_SECRET, CallbackFormat, Provider

#: Calls at the same time to a provider that is added without a limit of its own.
MAX_CONCURRENCY = 4


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a person wants of a provider; what is None stays as it is."""

    base_url: str | None = None
    #: A kind of callback.
    callback: str | None = None
    #: Options of that kind, or of the present one.
    callback_options: Mapping[str, str] = field(default_factory=dict)
    callback_allow: tuple[str, ...] | None = None
    callback_format: CallbackFormat | None = None
    max_concurrency: int | None = None
    max_per_minute: Given[int] | None = None
    low_balance: Given[Decimal] | None = None
    low_stock: Given[int] | None = None
    currency: Given[str] | None = None
    tenant_id: Given[str] | None = None

    def is_empty(self) -> bool:
        """Whether nothing is wanted."""
        return self == Wanted()


def kind_of(adapter: str, known: Provider | None, wanted: Wanted) -> Verifier:
    """The kind of callback that the provider will have."""
    return verifier(wanted.callback or (known.callback if known else NoCallbacks.name), adapter)


def completed(adapter: str, wanted: Wanted, known: Provider | None) -> Wanted:
    """`wanted` of a provider that is added, or replaces `known`. Raises typer.BadParameter for what is missing."""
    protocol = kinds.get(adapter)
    if not protocol.HAS_SERVICE:
        return replace(wanted, callback=wanted.callback or NoCallbacks.name)
    if has_scheme(adapter) and not (wanted.callback or known):
        wanted = replace(wanted, callback=OfProtocol.name)
    for name, value in (
        ("--base-url", wanted.base_url or (known and known.base_url)),
        ("--callback", wanted.callback or (known and known.callback)),
    ):
        if not value:
            seen = (
                ": none if it does not call back; add --help shows each kind" if name == "--callback" else ""
            )
            raise typer.BadParameter(f"is required with --adapter {adapter}{seen}", param_hint=name)
    return wanted


def begin(provider_id: str, adapter: str, wanted: Wanted, known: Provider | None) -> Provider:
    """What `change` completes: `known` with this adapter, or a new provider."""
    if known is None:
        verifies = kind_of(adapter, None, wanted)
        return Provider(
            provider_id, adapter, "", verifies.name, {}, MAX_CONCURRENCY, callback_format=verifies.format
        )
    if adapter == known.adapter:
        return known
    kind = kinds.get(adapter)
    used = {
        *(CALLBACK_SECRET, *verifier_of(known).credentials),
        *(*kind.CREDENTIALS, *kind.OPTIONAL_CREDENTIALS),
    }
    return replace(
        known,
        adapter=adapter,
        base_url=known.base_url if kind.HAS_SERVICE else "",
        credentials={name: value for name, value in known.credentials.items() if name in used},
    )


def change(known: Provider, wanted: Wanted, credentials: Mapping[str, str], fresh_secret: str) -> Provider:
    """`known` as it is wanted, with these credentials beside those that it keeps. Raises typer.BadParameter.

    Another kind of callback has options and a secret of its own. With a kind of callback, and where credentials were
    lost, a secret that is missing is `fresh_secret`.
    """
    _check(known.adapter, wanted)
    given = (wanted.max_per_minute, wanted.low_balance, wanted.low_stock, wanted.currency, wanted.tenant_id)
    names = ("max_per_minute", "low_balance", "low_stock", "currency", "tenant_id")
    plain = ("base_url", "callback", "callback_allow", "callback_format", "max_concurrency")
    changes: dict[str, Any] = {name: each.value for name, each in zip(names, given, strict=True) if each}
    changes |= {name: value for name in plain if (value := getattr(wanted, name)) is not None}
    if wanted.callback_options or wanted.callback:
        changes |= _callbacks(known, kind_of(known.adapter, known, wanted), wanted)
    changed = replace(known, **changes)
    kept = {**kept_credentials(known, changed.callback), **credentials}
    if (
        (wanted.callback or not known.credentials)
        and verifier_of(changed).has_secret
        and not kept.get(CALLBACK_SECRET, "").split()
    ):
        kept[CALLBACK_SECRET] = fresh_secret
    return replace(changed, credentials=kept)


def _callbacks(known: Provider, kind: Verifier, wanted: Wanted) -> dict[str, Any]:
    """Options of callbacks, and their format where none is chosen. Raises typer.BadParameter.

    A format that someone has chosen stays; one that was the default of the former kind becomes that of the new one.
    """
    kept = known.callback_options if known.callback == kind.name else {}
    try:
        options = kind.read_options({**kept, **wanted.callback_options})
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    is_default = known.callback_format is verifier_of(known).format
    chosen = wanted.callback_format or (kind.format if is_default else known.callback_format)
    return {"callback_options": options, "callback_format": chosen}


def kept_credentials(known: Provider, callback: str) -> dict[str, str]:
    """The credentials that are of use with this kind of callback: another kind takes none of the former one's."""
    if callback == known.callback:
        return dict(known.credentials)
    former = (CALLBACK_SECRET, *verifier_of(known).credentials)
    return {name: value for name, value in known.credentials.items() if name not in former}


def _check(adapter: str, wanted: Wanted) -> None:
    """Raises typer.BadParameter for what this protocol has no use for."""
    protocol = kinds.find(adapter)
    if protocol is None:
        return
    if wanted.currency and protocol.CURRENCY and wanted.currency.value not in (None, protocol.CURRENCY):
        raise typer.BadParameter(
            f"{adapter} says itself that its amounts are in {protocol.CURRENCY}", param_hint="--currency"
        )
    if wanted.callback == OfProtocol.name and not has_scheme(adapter):
        raise typer.BadParameter(f"{adapter} has no scheme of its own", param_hint="--callback")
    if protocol.HAS_SERVICE:
        return
    for option, value in (
        ("--base-url", wanted.base_url),
        ("--low-balance", wanted.low_balance and wanted.low_balance.value),
        ("--callback", None if wanted.callback in (None, NoCallbacks.name) else wanted.callback),
    ):
        if value is not None:
            reason = "calls no service: it has no URL, no balance and no callbacks"
            raise typer.BadParameter(f"{adapter} {reason}", param_hint=option)


def differences(before: Provider, after: Provider) -> dict[str, tuple[Any, Any]]:
    """The fields that differ, with both values; credentials are never among them."""
    return {
        each.name: (getattr(before, each.name), getattr(after, each.name))
        for each in fields(Provider)
        if each.name != "credentials" and getattr(before, each.name) != getattr(after, each.name)
    }
