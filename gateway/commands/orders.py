"""`gateway orders`: find orders, see their timelines, have them checked."""

from dataclasses import asdict
from typing import Any

import redis
import typer

from gateway import broker
from gateway.commands import printing
from gateway.commands.context import Problem, find_order, gateway
from gateway.commands.invocation import as_typed
from gateway.settings import Settings
from models import lookup, plans, stuck, timeline
from models.order import Order, count_codes
from models.status import ExternalStatus, Source

app = typer.Typer(
    help="Orders: their state, their timelines, and which ones are stuck.", no_args_is_help=True
)

#: Time limit of a hint to the workers, in seconds.
BELL_SECONDS = 3.0
#: Fields of an order that a command never prints; how many codes there are is shown instead.
HIDDEN = ("pin_code", "codes")


@app.command("list")
def list_(
    only_stuck: bool = typer.Option(
        False, "--stuck", help="Only stuck orders, each with the reason and what to do."
    ),
    status: ExternalStatus | None = typer.Option(None, help="Only those with this externalStatus."),
    limit: int = typer.Option(50, min=1, max=1000, help="Highest number of orders to list."),
    json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> None:
    """List orders, newest first, or those that are stuck, longest overdue first.

    Example: gateway orders list --stuck
    """
    if only_stuck and status:
        raise typer.BadParameter("cannot be combined with --status", param_hint="--stuck")
    if only_stuck:
        return _list_stuck(limit, json)
    with gateway() as settings:
        found = lookup.page(lookup.Filter(external_status=status), limit)
    if json:
        return printing.as_json([_shown(order) for order in found])
    printing.table(
        ("ID", "Provider", "Status", "Attention", "Created"),
        (
            (
                each.id,
                each.provider_id,
                each.external_status,
                each.attention,
                printing.at(each.created_at, settings.timezone),
            )
            for each in found
        ),
        empty="No orders.",
    )


def _list_stuck(limit: int, json: bool) -> None:
    with gateway() as settings:
        found = stuck.orders(limits(settings), limit)
    if json:
        return printing.as_json([{**_shown(order), "reasons": order.reasons()} for order in found])
    printing.table(
        ("ID", "Status", "Reason"),
        ((each.id, each.external_status, as_typed("; ".join(each.reasons()))) for each in found),
        empty="No order is stuck.",
        fold="Reason",
    )


def limits(settings: Settings) -> stuck.Limits:
    """From when on an order counts as stuck, by these settings."""
    return stuck.Limits(settings.sweep_period_seconds, settings.max_checks)


def _shown(order: Order) -> dict[str, Any]:
    """An order as a program reads it: how many codes it has, but not the codes."""
    shown = {name: value for name, value in asdict(order).items() if name not in HIDDEN}
    return {**shown, "has_pin": bool(order.pin_code), "code_count": count_codes(order)}


@app.command()
def show(
    order_id: str = typer.Argument(
        metavar="ID", help="The order's id, or its referans (the number its provider knows it by)."
    ),
    json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> None:
    """Show an order and its timeline, oldest event first. Its codes are never shown.

    Example: gateway orders show 482910573829105
    """
    with gateway() as settings:
        found = find_order(order_id)
        events = timeline.events(found.id)
    if json:
        return printing.as_json({**_shown(found), "events": [printing.event(each) for each in events]})
    for name, value in _shown(found).items():
        if value not in (None, ""):
            moment = printing.at(value, settings.timezone) if hasattr(value, "astimezone") else value
            printing.say(f"{printing.camel(name):<18} {moment}")
    printing.say("")
    printing.table(
        ("At", "Source", "Status", "What happened"),
        ((printing.at(e.at, settings.timezone), e.source, _move(e), e.message) for e in events),
        empty="Its timeline is empty.",
        fold="What happened",
    )


def _move(event: timeline.Event) -> str:
    if event.came_from and event.came_from != event.went_to:
        return f"{event.came_from} → {event.went_to}"
    return event.went_to or ""


@app.command()
def check(
    order_id: str = typer.Argument(
        metavar="ID", help="The order's id, or its referans (the number its provider knows it by)."
    ),
    json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> None:
    """Ask the provider about an order now, even after a callback.

    A worker asks; `gateway orders show` then shows the answer.

    Example: gateway orders check 482910573829105
    """
    with gateway() as settings:
        found = find_order(order_id)
        if not plans.request_check(found.id):
            raise Problem(
                f"order {found.id} is {found.external_status} and cannot be checked: {plans.why_unasked(found)}"
            )
        timeline.record(found.id, Source.OPERATOR, "a check was requested on the command line")
    rung = _ring(settings, found.id)
    if json:
        return printing.as_json({"id": found.id, "planned": True, "woken": rung})
    when = "now" if rung else "by the next sweep"
    printing.say(f"{found.provider_id} will be asked about {found.provider_referans} {when}.")
    printing.say(as_typed(f"To see the answer: gateway orders show {found.id}"))


def _ring(settings: Settings, order_id: str) -> bool:
    """True if a worker was told; otherwise the sweep finds the planned check."""
    if not settings.redis_url.get_secret_value():
        return False
    try:
        broker.ping(settings)
    except redis.RedisError:
        return False
    broker.install(broker.Bell(broker.make_broker(settings, strict=True)))
    broker.wake("check_order_status", order_id)
    return broker.drain(BELL_SECONDS)
