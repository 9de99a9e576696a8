"""`gateway orders`: find orders, see their timelines, have them checked, and decide what a person must."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import datetime
from itertools import groupby
from typing import Any

import typer

from gateway.commands import advice, deciding, durations, printing
from gateway.commands.advice import Step
from gateway.commands.context import find_orders, gateway
from gateway.commands.invocation import as_typed
from gateway.commands.options import tenant as read_tenant
from gateway.settings import Settings
from models import listing, lookup, others, stuck, timeline
from models.listing import Filter
from models.order import Order, count_codes
from models.status import Attention, ExternalStatus
from models.stuck import Limits, StuckOrder
from models.tenants import View

app = typer.Typer(
    help="Orders: their state, their timelines, which ones need a person, and what a person decides.",
    no_args_is_help=True,
)

#: Fields of an order that a command never prints; how many codes there are is shown instead.
HIDDEN = ("pin_code", "codes")
#: Events in a row that say the same and are all shown.
REPEATS = 3
#: What differs between checks that learn the same.
CHECK_NUMBER = re.compile(r"\(\d+\)")
#: Orders that `show` lists beside the newest one.
OTHERS = 20


@app.command("list")
def list_(
    only_stuck: bool = typer.Option(
        False, "--stuck", help="Only orders that need a person, each with the reason and what to do."
    ),
    attention: Attention | None = typer.Option(None, help="Like --stuck, and only those of this kind."),
    user: str | None = typer.Option(None, help="Only those of this player (userIdentifier)."),
    reference: str | None = typer.Option(None, help="Only those with this reference of the storefront."),
    provider_id: str | None = typer.Option(None, "--provider", help="Only those of this provider."),
    product_id: str | None = typer.Option(None, "--product", help="Only those of this product."),
    status: ExternalStatus | None = typer.Option(None, help="Only those with this externalStatus."),
    tenant_id: str | None = typer.Option(
        None, "--tenant", parser=read_tenant, metavar="UUID", help="Only those of this tenant."
    ),
    since: str | None = typer.Option(None, help=durations.SINCE_HELP),
    until: str | None = typer.Option(None, help=durations.UNTIL_HELP),
    limit: int = typer.Option(50, min=1, max=1000, help="Highest number of orders to list."),
    json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> None:
    """List orders, or those that need a person.

    Newest first; with --stuck the gravest kind first, and of one kind the longest waiting.

    Example: gateway orders list --user 5123456789 --since 2d
    """
    with gateway() as settings:
        after = durations.since(since, settings.timezone)
        before = durations.since(until, settings.timezone, "--until")
        wanted = Filter(status, provider_id, user, product_id, reference, after, before)
        if not only_stuck and attention is None:
            page = listing.page(wanted, View(tenant_id), Limits.of(settings), limit)
            return _list(page.orders, settings, json)
        if wanted != Filter(provider_id=provider_id):
            raise typer.BadParameter(
                "takes no other filter than --attention, --provider and --tenant", param_hint="--stuck"
            )
        found = stuck.orders(Limits.of(settings), limit, attention, provider_id, tenant_id)
    if json:
        return printing.as_json([_shown(order) | explained(order) for order in found])
    said = ""
    for order in found:
        said = _say_stuck(order, settings, said)
    _sum_up(found, limit)


def _list(found: Sequence[Order], settings: Settings, json: bool) -> None:
    if json:
        return printing.as_json([_shown(order) for order in found])
    printing.table(
        ("ID", "Provider", "Status", "Attention", "Player", "Created"),
        (
            (
                each.id,
                each.provider_id,
                each.external_status,
                each.attention,
                each.user_identifier,
                printing.minute(each.created_at, settings.timezone),
            )
            for each in found
        ),
        empty="No orders.",
        fold=["Player"],
    )


def _say_stuck(order: StuckOrder, settings: Settings, before: str) -> str:
    """Print an order, and its advice unless `before` had the same, apart from the order's id; returns the advice."""
    since = printing.at(order.since, settings.timezone)
    about = (order.id, order.external_status, order.provider_id or "-", f"since {since}")
    printing.say("  ".join((f"{order.attention:<13}", *about)))
    steps = advice.next_steps(order)
    said = repr((order.attention, order.why, steps)).replace(order.id, "ID")
    if said == before:
        printing.say("  the same as above, with this id")
    else:
        _say_advice(order.why, steps)
    return said


def _say_advice(why: str, steps: list[Step]) -> None:
    printing.paragraph(f"  {why}", indent=2)
    for step in steps:
        printing.paragraph(f"  - {step.when}: {as_typed(step.command)}", indent=4)


def _sum_up(found: list[StuckOrder], limit: int) -> None:
    if not found:
        return printing.note("No order needs a person.")
    kinds = ", ".join(f"{many} {kind}" for kind, many in Counter(each.attention for each in found).items())
    more = f"; at most {limit} are listed" if len(found) == limit else ""
    printing.note(f"{len(found)} need a person: {kinds}{more}")


def explained(order: StuckOrder | None) -> dict[str, Any]:
    """Why an order needs a person and what to do, as a program reads it."""
    if order is None:
        return {"why": None, "next": []}
    return {"why": order.why, "next": [as_typed(step.command) for step in advice.next_steps(order)]}


#: What a stuck order has more than an order; `why` says it.
_DETAILS = (
    *("waits_seconds", "overdue_seconds", "check_count", "is_ours", "has_provider", "is_nowhere"),
    *("is_down", "provider_error", "paused_by", "pause_reason"),
)


def _shown(order: Order) -> dict[str, Any]:
    """An order as a program reads it: how many codes it has, but not the codes."""
    shown = {
        name: value for name, value in asdict(order).items() if name not in HIDDEN and name not in _DETAILS
    }
    return {**shown, "has_pin": bool(count_codes(order)), "code_count": count_codes(order)}


@app.command()
def show(
    order_id: str = typer.Argument(
        metavar="ID",
        help="The order's id, number or referans, its provider's number, the storefront's reference, or the player.",
    ),
    json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> None:
    """Show an order, what to do about it, and its timeline.

    Where several are meant, the newest is shown and the others are listed. The timeline has the oldest event first.
    Codes are never shown: see `gateway orders pin`.

    Example: gateway orders show 5123456789
    """
    with gateway() as settings:
        limits = Limits.of(settings)
        found, *further = find_orders(order_id, limits, OTHERS + 1)
        given = asdict(lookup.given(found.id))
        events = timeline.events(found.id)
        needs, hands = stuck.find(found.id, limits), others.hands(found.id)
    if json:
        rows = [printing.event(each) for each in events]
        named = {"others": [_shown(each) for each in further]}
        return printing.as_json({**_shown(found), **given, **explained(needs), "events": rows} | named)
    for name, value in {**_shown(found), **given}.items():
        if value not in (None, "", {}):
            printing.say(f"{printing.camel(name):<18} {_plain(value, settings.timezone)}")
    printing.say("")
    steps = advice.next_steps(needs) if needs else advice.otherwise(found, hands)
    _say_advice(
        needs.why if needs else advice.why(found, hands),
        [step for step in steps if not step.command.startswith("gateway orders show")],
    )
    printing.say("")
    printing.table(
        ("At", "Source", "Status", "By", "What happened"),
        _rows(events, settings.timezone),
        empty="Its timeline is empty.",
        fold=["What happened"],
    )
    if further:
        printing.say("")
        many = f"the {OTHERS} newest of them" if len(further) == OTHERS else str(len(further))
        printing.say(f"Other orders that {order_id} names ({many}):")
        _list(further, settings, json=False)


def _plain(value: object, timezone: str) -> object:
    """For a person: a time in `timezone`, and what has names as `name=value`."""
    if isinstance(value, datetime):
        return printing.at(value, timezone)
    if isinstance(value, dict):
        return " ".join(f"{name}={each}" for name, each in value.items())
    return value


def _rows(events: list[timeline.Event], timezone: str) -> Iterator[tuple[object, ...]]:
    """A row for each event; of many in a row that say the same, the first and the last one."""
    for _, same in groupby(
        events, lambda e: (e.source, _move(e), e.by, CHECK_NUMBER.sub("", e.message or ""))
    ):
        run = list(same)
        left_out = len(run) - 2 if len(run) > REPEATS else 0
        for number, each in enumerate(run):
            if left_out and number == 1:
                yield ("…", each.source, "", "", f"… {left_out} more of these …")
            if not left_out or number in (0, len(run) - 1):
                yield (
                    printing.at(each.at, timezone),
                    each.source,
                    _move(each),
                    each.by,
                    each.message,
                )


def _move(event: timeline.Event) -> str:
    if event.came_from and event.came_from != event.went_to:
        return f"{event.came_from} → {event.went_to}"
    return event.went_to or ""


for name, command in deciding.COMMANDS.items():
    app.command(name)(command)
