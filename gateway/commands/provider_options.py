"""The options of `gateway providers add` and `set`, and what their values mean."""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Annotated

import typer

from gateway import inputs
from gateway.callbacks import allow_list
from gateway.callbacks.verifiers import VERIFIERS
from gateway.commands.options import NONE, Given, amount, currency, number, or_none, tenant
from models.provider import CallbackFormat


def one_of(allowed: Iterable[str], value: str) -> str:
    """`value`. Raises typer.BadParameter unless it is allowed."""
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
        raise typer.BadParameter("takes no user, query or fragment; credentials are never part of the URL")
    address = inputs.host_address(parts.hostname or "")
    if address and address.is_link_local:
        raise typer.BadParameter(
            "is a link-local address, which belongs to this machine's network or its cloud"
        )
    return value.rstrip("/")


def is_in_clear(base_url: str) -> bool:
    """Whether calls to it can be read on their way: http:// to another machine."""
    return inputs.http_url(base_url).scheme == "http" and not is_local(base_url)


def is_local(url: str) -> bool:
    """Whether it leads to this machine only."""
    host = (inputs.http_url(url).hostname or "").removesuffix(".")
    address = inputs.host_address(host)
    return address.is_loopback if address else host == "localhost" or host.endswith(".localhost")


def networks(values: Sequence[str]) -> tuple[str, ...] | None:
    """An allow-list in its normal form; None if none was given. Raises typer.BadParameter."""
    if not values:
        return None
    if [value.lower() for value in values] == [NONE]:
        return ()
    try:
        return tuple(allow_list.read(value) for value in values)
    except ValueError as error:
        reason = f"takes an address or a network such as 203.0.113.0/24, or {NONE}: {error}"
        raise typer.BadParameter(reason, param_hint="--callback-allow") from None


def callback_options(
    header: str | None, algorithm: str | None, encoding: str | None, template: str | None
) -> Mapping[str, str]:
    """Those of `--callback-…` that were given, by their names."""
    given = {"header": header, "algorithm": algorithm, "encoding": encoding, "template": template}
    return {name: value for name, value in given.items() if value is not None}


KnownId = Annotated[str, typer.Argument(metavar="ID", help="A provider from `gateway providers list`.")]
BaseUrl = Annotated[str | None, typer.Option(help="The URL of its service.", callback=_base_url)]
Callback = Annotated[
    str | None,
    typer.Option(
        help=f"How its callbacks are verified: {', '.join(VERIFIERS)}.",
        callback=lambda value: value and one_of(VERIFIERS, value),
    ),
]
CallbackHeader = Annotated[
    str | None, typer.Option(metavar="NAME", help="hmac: the header with the signature.")
]
CallbackAlgorithm = Annotated[
    str | None, typer.Option(help="hmac: sha1, sha256 or sha512 (at first sha256).")
]
CallbackEncoding = Annotated[str | None, typer.Option(help="hmac: hex or base64 (at first hex).")]
CallbackTemplate = Annotated[
    str | None,
    typer.Option(help="hmac: what is signed (at first {body}); {header:NAME} and {body} are filled in."),
]
CallbackAllow = Annotated[
    list[str] | None,
    typer.Option(
        metavar="CIDR",
        help="An address or network that it calls back from; repeatable, and all of them are given each time."
        f" Others get a 403. `{NONE}` lets every address call.",
    ),
]
Format = Annotated[
    CallbackFormat | None,
    typer.Option(
        help="What its callbacks say: the words of its protocol, or the neutral JSON"
        " (at first neutral with standard-webhooks, else protocol)."
    ),
]
MaxConcurrency = Annotated[
    int | None, typer.Option(min=1, max=1000, help="Calls at the same time, over all workers (at first 4).")
]
MaxPerMinute = Annotated[
    Given[int] | None,
    typer.Option(
        parser=or_none(number(1)),
        metavar=f"N|{NONE}",
        help="Calls a minute, over all workers (at first without limit).",
    ),
]
LowBalance = Annotated[
    Given[Decimal] | None,
    typer.Option(
        parser=or_none(amount),
        metavar=f"AMOUNT|{NONE}",
        help="Warn when our balance is below it, in the currency of the account.",
    ),
]
LowStock = Annotated[
    Given[int] | None,
    typer.Option(
        parser=or_none(number(1)), metavar=f"N|{NONE}", help="stock: warn when fewer codes are left."
    ),
]
Currency = Annotated[
    Given[str] | None,
    typer.Option(
        parser=or_none(currency),
        metavar=f"CODE|{NONE}",
        help="The currency of the account, where its protocol does not say it.",
    ),
]
Tenant = Annotated[
    Given[str] | None,
    typer.Option(
        "--tenant",
        parser=or_none(tenant),
        metavar=f"UUID|{NONE}",
        help="The tenant whose orders alone go to it (at first all orders may).",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
