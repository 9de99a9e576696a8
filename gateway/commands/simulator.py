"""`gateway simulator`: the provider's side of the protocol, for development and tests."""

import os
from decimal import Decimal, InvalidOperation
from zoneinfo import ZoneInfo

import typer

from gateway import settings
from gateway.commands.context import Problem
from gateway.commands.printing import say
from gateway.dev import ports
from gateway.dev.simulator import GRAMMAR, PORT, STYLES, ZNET, UnknownProtocol, protocols, serve

#: `\b` keeps the lines of a paragraph as they are.
_GRAMMAR = "\n\n".join(f"\b\n{paragraph}" for paragraph in GRAMMAR.split("\n\n"))
HELP = f"""Run a simulated provider, for development and tests.

It takes orders, settles them and calls back, and keeps a book of all that (/sim/orders); Ctrl-C stops it.
It is a znet dealer panel, or with --protocol any other provider that ships, with the account of its sample exchanges.
The panel's password and the secret of callbacks come from SIMULATOR_SIFRE and SIMULATOR_CALLBACK_SECRET.
The player id (userIdentifier) of an order chooses what the order does: a name, then words of this table after plus
signs. Where a player id takes digits only, POST /sim/words says it.

Example: gateway simulator --port 8900 --settle-after 5

Example: gateway simulator --protocol zdk

{_GRAMMAR}
"""


def simulator(
    protocol: str = typer.Option(ZNET, help=f"The protocol: {ZNET}, {', '.join(protocols())}."),
    host: str = typer.Option("127.0.0.1", help="Address to listen on."),
    port: int = typer.Option(PORT, help="Port to listen on; 0 takes a free one."),
    kod: str = typer.Option("sandbox", help="The dealer code that a znet panel accepts."),
    callback_url: str | None = typer.Option(
        None, help="URL for callbacks; without it, outcomes are found by checks only."
    ),
    callback_style: str = typer.Option(
        "standard-webhooks", help=f"Of a znet panel: one of {', '.join(STYLES)}."
    ),
    settle_after: float = typer.Option(2.0, help="Seconds from an order to its outcome."),
    answer_delay: float = typer.Option(0.0, help="Seconds before each answer."),
    default_behaviour: str = typer.Option("callback", help="Words of the table above, for every order."),
    balance: str | None = typer.Option(
        None, help="The dealer's balance; without it 100000, or enough for as many orders."
    ),
    quiet: bool = typer.Option(False, "--quiet", help="Do not print what happens."),
) -> None:
    zone = ZoneInfo(settings.load_or_exit(require=()).timezone)
    try:
        serve(
            host,
            port,
            protocol=protocol,
            kod=kod,
            sifre=os.environ.get("SIMULATOR_SIFRE", "sandbox"),
            callback_url=callback_url,
            callback_secret=os.environ.get("SIMULATOR_CALLBACK_SECRET"),
            callback_style=callback_style,
            settle_after_seconds=settle_after,
            answer_delay_seconds=answer_delay,
            default_behaviour=default_behaviour,
            balance=None if balance is None else Decimal(balance),
            echo=None if quiet else say,
            zone=zone,
        )
    except InvalidOperation:
        raise Problem(f"--balance takes an amount such as 100.50, not {balance!r}") from None
    except (ValueError, UnknownProtocol) as error:
        raise Problem(str(error)) from None
    except OSError as error:
        raise Problem(f"{ports.explain(error, host, port)}; choose another --host or --port") from None
