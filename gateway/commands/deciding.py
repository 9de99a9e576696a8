"""`gateway orders …` for what a person does about orders: have them checked, read their codes, decide how they end."""

import sys
from collections.abc import Callable
from functools import partial
from typing import Annotated, Any

import typer

from gateway import providers
from gateway.commands import code_input, printing
from gateway.commands.batch import Batch, Done, Waker, chosen, person
from gateway.commands.context import Problem, find_order, gateway
from models import plans, resolving, stuck, timeline
from models.order import Order
from models.plans import Requested
from models.resolving import Decision, Kept
from models.status import Attention, ExternalStatus, Source
from models.stuck import Limits


def _reason(value: str) -> str:
    """Raises typer.BadParameter for one that says nothing, such as the … of an example."""
    if not any(character.isalnum() for character in value):
        raise typer.BadParameter("says why, in words; it stands on the timeline")
    return value.strip()


Ids = Annotated[
    list[str] | None,
    typer.Argument(metavar="ID", help="The order's id, or anything else by which `show` finds only it."),
]
AllStuck = Annotated[
    Attention | None,
    typer.Option(help="In place of ids: all orders that need a person for this reason."),
]
Reason = Annotated[str, typer.Option(callback=_reason, help="Why; it stands on the timeline.")]
As = Annotated[str | None, typer.Option("--as", metavar="NAME", help="Who decides, if not the login name.")]
Yes = Annotated[
    bool,
    typer.Option(
        "--yes", help="Do not ask for a confirmation of --all-stuck, for which only a terminal is asked."
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def check(ids: Ids = None, all_stuck: AllStuck = None, yes: Yes = False, json: Json = False) -> None:
    """Ask the provider about orders now, even after a callback.

    A worker asks; `gateway orders show` then shows the answer. Requested again within 5 seconds, also by the
    storefront, it is the same check.

    Example: gateway orders check 482910573829105
    """
    with gateway() as settings:
        waker = Waker(settings)

        def ask(order: Order) -> Done:
            asking = providers.asking_of(order.provider_id)
            requested = plans.request_check(order.id, asking)
            if requested is None:
                why = plans.why_unasked(order, asking)
                raise Problem(f"order {order.id} is {order.external_status} and cannot be checked: {why}")
            if requested is Requested.SAME:
                note = (
                    f"{order.provider_id} was asked a moment ago, which is the same check; to see the answer:"
                )
                return Done(
                    order, f"{note} gateway orders show {order.id}", {"planned": False, "woken": False}
                )
            note = "a check was requested on the command line"
            timeline.record(order.id, Source.OPERATOR, note, by=person(None))
            rung = waker.wake("check_order_status", order.id)
            when = "now" if rung else "by the next sweep"
            asked = f"{order.provider_id} will be asked about {order.provider_referans} {when}"
            note = f"{asked}; to see the answer: gateway orders show {order.id}"
            return Done(order, note, {"planned": True, "woken": rung})

        Batch(settings, chosen(ids, all_stuck, settings, yes), json).run(ask)


def pin(
    order_id: str = typer.Argument(
        metavar="ID", help="The order's id, or anything else by which `show` finds only it."
    ),
    name: As = None,
    json: Json = False,
) -> None:
    """Print the codes of an order, each with its origin.

    These are the codes that were delivered, those of former sends, and those that were kept as a conflict. What its
    providers wrote is printed whole where the timeline masks something in it, and where it could not be read. The
    reading stands on the timeline, with your name.

    Example: gateway orders pin 482910573829105
    """
    with gateway() as settings:
        found = find_order(order_id, Limits.of(settings))
        kept, wholes = resolving.codes(found.id), timeline.wholes(found.id)
        if kept or wholes:
            resolving.record_reading(found.id, by=person(name))
    if json:
        rows = [row for each in kept for row in _rows(each)]
        said = [{"at": each.at, "message": each.message, "text": each.whole} for each in wholes]
        return printing.as_json({"id": found.id, "codes": rows, "texts": said})
    for event in wholes:
        printing.say(f"{printing.at(event.at, settings.timezone)}, {event.message}")
        printing.say(f"  whole text: {event.whole}")
    if not kept:
        return printing.note(f"No code is known of order {found.id}, which is {found.external_status}.")
    for each in kept:
        came = printing.at(each.at, settings.timezone)
        printing.say(f"{each.origin}{f', {came}' if came else ''}:")
        for row in _rows(each):
            parts = (f"{label} {row[label]}" for label in ("pin", "serial", "expiresAt") if row[label])
            printing.say("  " + "  ".join((row["code"], *parts)))


def _rows(kept: Kept) -> list[dict[str, Any]]:
    return [
        {
            "code": each.code,
            "pin": each.pin,
            "serial": each.serial,
            "expiresAt": each.expires_at,
            "origin": kept.origin,
            "at": kept.at,
        }
        for each in kept.codes
    ]


def _deciding(decision: Callable[..., Decision], text: str) -> Callable[..., None]:
    """A command that takes one decision about each order."""

    def command(
        reason: Reason,
        ids: Ids = None,
        all_stuck: AllStuck = None,
        name: As = None,
        yes: Yes = False,
        json: Json = False,
    ) -> None:
        decide(partial(decision, reason=reason), ids, all_stuck, name, yes, json)

    command.__doc__ = text
    return command


accept = _deciding(
    resolving.accept,
    """Take the outcome that was kept as a conflict.

    The order becomes what that says, and its code becomes the first one.
    Look at it first: `gateway orders show ID` and `gateway orders pin ID`.

    Example: gateway orders accept 482910573829105 --reason "the panel shows it delivered"
    """,
)
dismiss = _deciding(
    resolving.dismiss,
    """Leave orders as they are; they need no person any more.

    What was kept as a conflict stays readable.

    Example: gateway orders dismiss --all-stuck reversed --reason "the customers were refunded"
    """,
)
fail = _deciding(
    resolving.fail_unless_sent_elsewhere,
    """Fail orders: nothing was delivered.

    Nothing more is asked or sent. An order of another system that has not sent it is refused: that may still send it.

    Example: gateway orders fail 482910573829105 --reason "the panel cancelled it by phone"
    """,
)
reverse = _deciding(
    resolving.reverse,
    """Reverse orders: what was delivered is taken back.

    Their codes stay readable.

    Example: gateway orders reverse 482910573829105 --reason "the provider refunded us"
    """,
)


def complete(
    reason: Reason,
    ids: Ids = None,
    all_stuck: AllStuck = None,
    name: As = None,
    yes: Yes = False,
    json: Json = False,
) -> None:
    """Complete orders, with or without codes.

    You enter the codes at a prompt, or pipe them in for a single order: one a line, bare or as a JSON object of code,
    pin, serial and expiresAt; none for a direct top-up. Codes that the order has already stay behind them.

    Example: gateway orders complete 482910573829105 --reason "bought at the other panel" < code.txt
    """
    piped = None if sys.stdin.isatty() else code_input.piped()
    if piped and (all_stuck or len(ids or []) > 1):
        raise Problem("the codes on standard input are for one order; complete one after the other")

    def act(order_id: str, *, by: str) -> Decision:
        codes = code_input.prompted(order_id) if piped is None else piped
        return resolving.complete(order_id, codes, by=by, reason=reason)

    decide(act, ids, all_stuck, name, yes, json)


def resend(
    reason: Reason,
    ids: Ids = None,
    all_stuck: AllStuck = None,
    provider_id: str | None = typer.Option(
        None, "--provider", help="Where to send it, if not to the first provider of its route."
    ),
    may_buy_twice: bool = typer.Option(
        False, "--may-buy-twice", help="Send it even where a provider may have it already."
    ),
    name: As = None,
    yes: Yes = False,
    json: Json = False,
) -> None:
    """Send orders that no provider has.

    They failed, or wait; the end of one that failed is taken back.
    Where a provider may have one, that may buy it twice, and must be allowed with --may-buy-twice: look for it in the
    provider's panel first.

    Example: gateway orders resend 482910573829105 --provider other-panel --reason "my-panel has no stock"
    """
    options: dict[str, Any] = {"provider_id": provider_id, "may_buy_twice": may_buy_twice}
    decide(partial(resolving.resend, reason=reason, **options), ids, all_stuck, name, yes, json)


def decide(
    act: Callable[..., Decision],
    ids: list[str] | None,
    all_stuck: Attention | None,
    name: str | None,
    yes: bool,
    json: bool,
) -> None:
    """Decide each of the chosen orders in the person's name: `act` takes its id, and `by`."""
    with gateway() as settings:
        by, waker = person(name), Waker(settings)

        def work(order: Order) -> Done:
            decision = act(order.id, by=by)
            now = decision.order
            is_waiting = now.external_status == ExternalStatus.NOT_SENT
            woken = waker.wake("dispatch_order", now.id) if is_waiting else None
            needs = stuck.find(now.id, Limits.of(settings))
            fields = {
                "from": decision.came_from,
                "externalStatus": now.external_status,
                "attention": needs and needs.attention,
                "changed": decision.changed,
            }
            return Done(now, f"order {now.id} {_became(decision)}; {_follows(now, needs, woken)}", fields)

        try:
            Batch(settings, chosen(ids, all_stuck, settings, yes), json).run(work)
        finally:
            waker.wake_notifier()


def _became(decision: Decision) -> str:
    now = decision.order
    if decision.came_from != now.external_status:
        return f"was {decision.came_from} and is {now.external_status} now"
    return f"is {now.external_status}" + ("" if decision.changed else " as before")


def _follows(now: Order, needs: stuck.StuckOrder | None, woken: bool | None) -> str:
    """What comes next."""
    if woken is not None:
        when = "a worker sends it now" if woken else "the next sweep sends it"
        return f"{when} to {now.provider_id}; to see it: gateway orders show {now.id}"
    if needs:
        return f"it still needs a person ({needs.attention}): gateway orders show {now.id}"
    return "nothing is left to do"


#: The commands, in the order of the help.
COMMANDS: dict[str, Callable[..., None]] = {
    "check": check,
    "pin": pin,
    "accept": accept,
    "dismiss": dismiss,
    "complete": complete,
    "fail": fail,
    "reverse": reverse,
    "resend": resend,
}
