"""`gateway orders …` for what a person does about orders: have them checked, read their codes, decide how they end."""

import getpass
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

import redis
import typer

from gateway import broker
from gateway.commands import printing
from gateway.commands.context import Problem, find_order, gateway
from gateway.commands.invocation import as_typed
from gateway.settings import Settings
from models import plans, stuck, timeline
from models.order import Order
from models.status import Attention, Source
from models.stuck import Limits

#: Time limit of a hint to the workers, in seconds.
BELL_SECONDS = 3.0

Ids = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[ID]…", help="The order's id, its referans, or what else `show` takes; or several."
    ),
]
AllStuck = Annotated[
    Attention | None, typer.Option(help="All orders that need a person for this reason, in place of ids.")
]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask before changing --all-stuck orders.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@dataclass(frozen=True, slots=True)
class Done:
    """What was done about one order."""

    order: Order
    #: What it is now and what comes next, in a sentence.
    note: str
    #: The same for a program.
    fields: dict[str, Any]


def chosen(ids: list[str] | None, kind: Attention | None, settings: Settings, *, yes: bool) -> list[str]:
    """The orders that a command is about; of a kind, their number is said first. Needs an open session."""
    if bool(ids) == (kind is not None):
        raise typer.BadParameter("takes the ids of orders, or --all-stuck, but not both", param_hint="ID")
    if kind is None:
        return list(dict.fromkeys(ids or []))
    found = stuck.ids(Limits.of(settings), kind)
    orders = "1 order needs" if len(found) == 1 else f"{len(found)} orders need"
    printing.note(f"{orders} a person for this reason: {kind}")
    if found and sys.stdin.isatty() and not yes:
        typer.confirm("Go on?", abort=True, err=True)
    return found


def each(texts: list[str], settings: Settings, act: Callable[[Order], Done], *, json: bool) -> None:
    """Act on one order after the other, and say what became of each; one that fails does not stop the others.

    Needs an open session. Raises typer.Exit if one failed.
    """
    done: list[Done] = []
    failed: dict[str, str] = {}
    for number, text in enumerate(texts, start=1):
        try:
            done.append(act(find_order(text, Limits.of(settings))))
        except Problem as problem:
            if len(texts) == 1:
                raise
            failed[text] = str(problem)
            printing.note(f"error: {problem}")
        else:
            if not json:
                printing.say(as_typed(done[-1].note))
        if len(texts) >= PROGRESS_EVERY and number % PROGRESS_EVERY == 0:
            printing.note(f"{number} of {len(texts)} …")
    if json:
        orders = [{"id": one.order.id, **one.fields} for one in done]
        printing.as_json({"orders": orders, "failed": [{"id": i, "error": e} for i, e in failed.items()]})
    elif len(texts) > 1:
        printing.say(f"{len(done)} done, {len(failed)} failed")
    if failed:
        raise typer.Exit(1)


#: Long work says how far it is after so many orders.
PROGRESS_EVERY = 100


def check(
    ids: Ids = None,
    all_stuck: AllStuck = None,
    yes: Yes = False,
    json: Json = False,
) -> None:
    """Ask the provider about orders now, even after a callback.

    A worker asks; `gateway orders show` then shows the answer.

    Example: gateway orders check 482910573829105
    """
    with gateway() as settings:
        who = person(None)

        def ask(order: Order) -> Done:
            if not plans.request_check(order.id):
                raise Problem(
                    f"order {order.id} is {order.external_status} and was never sent: no provider knows it"
                )
            timeline.record(order.id, Source.OPERATOR, "a check was requested on the command line", by=who)
            rung = ring(settings, "check_order_status", order.id)
            when = "now" if rung else "by the next sweep"
            note = f"{order.provider_id} will be asked about {order.provider_referans} {when}; see: gateway orders show {order.id}"
            return Done(order, note, {"planned": True, "woken": rung})

        each(chosen(ids, all_stuck, settings, yes=yes), settings, ask, json=json)


def person(name: str | None) -> str:
    """Who decides: `name`, or the login name. Raises Problem."""
    if name and name.strip():
        return name.strip()
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        raise Problem("this user has no login name; say who decides: --as NAME") from None


def ring(settings: Settings, actor_name: str, order_id: str) -> bool:
    """True if a worker was told; otherwise the sweep finds what is planned."""
    if not settings.redis_url.get_secret_value():
        return False
    try:
        broker.ping(settings)
    except redis.RedisError:
        return False
    broker.install(broker.Bell(broker.make_broker(settings, strict=True)))
    broker.wake(actor_name, order_id)
    return broker.drain(BELL_SECONDS)


#: The commands, in the order of the help.
COMMANDS = (check,)
