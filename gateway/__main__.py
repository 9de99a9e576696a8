"""The command line of the gateway: `gateway …`, or `python -m gateway …`."""

import sys
import traceback
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import typer
from typer.main import get_command

from gateway import __version__, log
from gateway.commands import (
    alerts,
    callbacks,
    dev,
    doctor,
    keys,
    listen,
    migrate,
    notifications,
    operators,
    orders,
    protocols,
    providers,
    reconcile,
    routes,
    simulator,
    stock,
    sweep,
)
from gateway.commands.context import Problem
from gateway.commands.printing import note, say
from gateway.inputs import is_storable

app = typer.Typer(
    name="gateway",
    help="Referans: an order gateway between a storefront and its providers.",
    epilog="To begin: gateway dev. For more about a command, with an example: gateway COMMAND --help.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
app.command()(migrate.migrate)
app.command()(dev.dev)
app.command(help=simulator.HELP)(simulator.simulator)
app.add_typer(keys.app, name="keys")
app.add_typer(operators.app, name="operators")
app.add_typer(protocols.app, name="protocols")
app.add_typer(providers.app, name="providers")
app.add_typer(routes.app, name="routes")
app.add_typer(stock.app, name="stock")
app.add_typer(orders.app, name="orders")
app.add_typer(callbacks.app, name="callbacks")
app.add_typer(notifications.app, name="notifications")
app.command()(listen.listen)
app.add_typer(alerts.app, name="alerts")
app.command()(reconcile.reconcile)
app.command()(sweep.sweep)
app.command()(doctor.doctor)


def _print_version(wanted: bool) -> None:
    if wanted:
        say(f"gateway {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: bool = typer.Option(
        False, "--version", help="Print the version.", callback=_print_version, is_eager=True
    ),
) -> None:
    """Referans: an order gateway between a storefront and its providers."""


@cache
def _command_line() -> Callable[[], Any]:
    """Made of the signature of every command, which takes longer than most commands: once for each process."""
    return get_command(app)


def _check(arguments: Sequence[str]) -> None:
    """Raises Problem for one that nothing can store or compare: it would fail wherever it is used."""
    for number, each in enumerate(arguments, 1):
        if not is_storable(each):
            raise Problem(f"argument {number} is not UTF-8 text")


def main() -> None:
    """Run the command line; a Problem is one line on standard error and exit code 1, any other error its traceback."""
    try:
        _check(sys.argv[1:])
        with log.on_stderr():
            _command_line()()
    except Problem as problem:
        note(f"error: {problem}")
        raise SystemExit(1) from None
    except Exception:
        # What Python prints of it may quote a row of the database.
        note(log.mask_error(traceback.format_exc()))
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
