"""`gateway notifications`: what the storefront is told, and telling it again."""

import json as jsonlib
import sys
from collections.abc import Iterator
from dataclasses import asdict
from typing import Annotated, Any

import typer

from gateway import log, shown
from gateway.commands import durations, options, printing
from gateway.commands.batch import Waker
from gateway.commands.context import Problem, find_order, gateway
from gateway.commands.invocation import as_typed
from gateway.inputs import http_url
from gateway.settings import Settings
from models import outbox
from models.order import DEFAULT_RECEIVER
from models.outbox import Filter, Notification, Receiver, State
from models.stuck import Limits

app = typer.Typer(help="Notifications: what the storefront is told.", no_args_is_help=True)

#: Notifications that one statement has delivered again; a long redelivery prints its progress after each so many.
BATCH = 500
#: Largest number (a PostgreSQL bigint) has one digit more.
MAX_DIGITS = 18

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
OfOrder = Annotated[str | None, typer.Option("--order", metavar="ID", help="Only those of this order.")]


@app.command("list")
def list_(
    dead: bool = typer.Option(False, "--dead", help="Only those that are not tried any more."),
    waiting: bool = typer.Option(False, "--waiting", help="Only those that are still to be delivered."),
    order_id: OfOrder = None,
    since: str | None = typer.Option(None, help=durations.SINCE_HELP),
    limit: int = typer.Option(50, min=1, max=1000, help="Number of notifications at most."),
    json: Json = False,
) -> None:
    """List notifications, newest first, and the receivers that fail.

    One that is dead was tried ten times, or its receiver is gone or disabled: `redeliver` has it delivered again. Tries
    are those since it was last delivered again; `show` lists all.

    Example: gateway notifications list --dead --since 7d
    """
    states = tuple(state for state, wanted in ((State.DEAD, dead), (State.WAITING, waiting)) if wanted)
    with gateway() as settings:
        wanted = _filter(settings, states or None, order_id, since)
        found, failing = outbox.page(wanted, limit), outbox.receivers()
    if json:
        return printing.as_json([_shown(each) for each in found])
    printing.table(
        ("ID", "Made", "Type", "Order", "To", "State", "Tries", "Next", "Last answer"),
        (
            (
                each.id,
                printing.minute(each.created_at, settings.timezone),
                each.type,
                each.order_id,
                each.receiver,
                each.state,
                each.tries,
                printing.minute(each.next_try_at, settings.timezone),
                each.error or (f"HTTP {each.status}" if each.status else None),
            )
            for each in found
        ),
        empty="No notifications.",
    )
    for receiver in failing:
        printing.note(_how_it_does(receiver, settings))


def _how_it_does(receiver: Receiver, settings: Settings) -> str:
    waiting = printing.counted(receiver.waiting, "notification")
    if receiver.disabled_at:
        at = printing.at(receiver.disabled_at, settings.timezone)
        enable = f"gateway notifications enable {receiver.receiver}"
        return as_typed(f"{receiver.receiver} is disabled since {at}: {receiver.last_error}; {enable}")
    since = printing.at(receiver.failing_since, settings.timezone)
    return f"{receiver.receiver} has failed since {since}: {receiver.last_error}; {waiting} waiting"


@app.command()
def show(
    name: str = typer.Argument(metavar="ID", help="Its number, or the `webhook-id` that the receiver got."),
    json: Json = False,
) -> None:
    """Show a notification: what it says, each try, and what the receiver answered.

    Codes are not in it, even if NOTIFY_WITH_PIN sends them.

    Example: gateway notifications show 4711
    """
    with gateway() as settings:
        found = _find(name)
        tries = outbox.deliveries(found.id)
    document = {
        "type": found.type,
        "timestamp": shown.plain(found.created_at),
        "data": shown.show_order(outbox.order_of(found.payload)),
    }
    if json:
        return printing.as_json(
            {**_shown(found), "body": document, "deliveries": [asdict(each) for each in tries]}
        )
    printing.say(f"{outbox.webhook_id(found)}: {found.type} of order {found.order_id}, {found.state}")
    printing.say(f"to {_target(found, settings)}")
    for each in tries:
        said = f"HTTP {each.status}" if each.status else each.error
        at = printing.at(each.at, settings.timezone)
        printing.say(f"{at}  {said}, {each.duration_ms} ms{f': {each.answer}' if each.answer else ''}")
    if found.next_try_at:
        printing.say(f"next try: {printing.at(found.next_try_at, settings.timezone)}")
    printing.block(jsonlib.dumps(document, ensure_ascii=False, indent=2))


def _target(found: Notification, settings: Settings) -> str:
    """Where it goes; of a query and of credentials, nothing is shown."""
    if found.url is None:
        return f"NOTIFY_URL ({_shown_url(settings.notify_url) if settings.notify_url else 'not set'})"
    return _shown_url(found.url)


def _shown_url(url: str) -> str:
    return log.mask(url.partition("?")[0].partition("#")[0])


@app.command()
def redeliver(
    by: options.Person,
    names: Annotated[
        list[str] | None, typer.Argument(metavar="ID", help="Numbers, or `webhook-id`s.")
    ] = None,
    since: str | None = typer.Option(None, help=durations.SINCE_HELP),
    order_id: OfOrder = None,
    everything: bool = typer.Option(
        False, "--all", help="With --since or --order: those that were delivered, too, and not only the dead."
    ),
    waiting: bool = typer.Option(
        False,
        "--waiting",
        help="With --since or --order: those that are still to be delivered, now, and not the dead.",
    ),
    yes: bool = typer.Option(
        False, "--yes", help="Do not ask for a confirmation, for which only a terminal is asked."
    ),
    json: Json = False,
) -> None:
    """Have notifications delivered again: some, or those since a time that are dead.

    How many there are is said first. Each has its own `webhook-id` again, so that a receiver which has it knows it, and
    shows the order as it was then. An order that needed a person because of them does not any more.

    Example: gateway notifications redeliver --since 2d

    Example, once a receiver is up again: gateway notifications redeliver --since 2d --waiting
    """
    if (
        bool(names) == bool(since or order_id)
        or (names and (everything or waiting))
        or (everything and waiting)
    ):
        raise typer.BadParameter(
            "takes ids, or --since or --order, with or without one of --all and --waiting", param_hint="ID"
        )
    with gateway() as settings:
        if names:
            chosen = iter([[_find(name).id for name in names]])
            count = len(names)
        else:
            states = (State.DEAD, State.DELIVERED) if everything else (State.DEAD,)
            wanted = _filter(settings, (State.WAITING,) if waiting else states, order_id, since)
            count, chosen = outbox.count(wanted), _batches(wanted)
            _confirm(count, " or ".join(wanted.states or ()), yes)
            left = 0 if waiting else outbox.count(_filter(settings, (State.WAITING,), order_id, since))
            if left:
                printing.note(
                    f"{printing.counted(left, 'notification')} still to be delivered: tried again without this,"
                    " and now with --waiting (see: gateway notifications list --waiting)."
                )
        done: list[int] = []
        for batch in chosen:
            done += outbox.redeliver(batch, by)
            if len(done) < count:
                printing.note(f"{len(done)} of {count} …")
        rung = Waker(settings).wake_notifier() if done else False
        _warn_of_disabled()
    if json:
        return printing.as_json({"redelivered": done, "woken": rung})
    if not done:
        return printing.say("No notification will be delivered again.")
    when = "now" if rung else "within seconds, once a worker runs"
    printing.say(f"{printing.counted(len(done), 'notification')} will be delivered again {when}.")
    see = f"show {done[0]}" if len(done) == 1 else "list"
    printing.note(as_typed(f"What the receiver answers is shown by: gateway notifications {see}"))


def _confirm(count: int, what: str, yes: bool) -> None:
    printing.note(f"{printing.counted(count, 'notification')} {'is' if count == 1 else 'are'} {what}.")
    if count and sys.stdin.isatty() and not yes:
        typer.confirm("Go on?", abort=True, err=True)


def _batches(wanted: Filter) -> Iterator[list[int]]:
    """Those that are there now, oldest first: an older one of an order is delivered before a newer one."""
    last = outbox.last_id()
    after = 0
    while batch := outbox.ids(Filter(wanted.states, wanted.order_id, wanted.since, after_id=after), BATCH):
        after = batch[-1]
        yield [each for each in batch if each <= last]


def _warn_of_disabled() -> None:
    for each in outbox.receivers():
        if each.disabled_at:
            enable = f"gateway notifications enable {each.receiver}"
            printing.note(as_typed(f"{each.receiver} is disabled, and gets nothing until: {enable}"))


@app.command()
def enable(
    url: str = typer.Argument(metavar="URL", help="The URL, or NOTIFY_URL; scheme, host and port count."),
    json: Json = False,
) -> None:
    """Let a receiver get notifications again that was disabled after 120 hours of failure.

    Those that have died meanwhile stay dead: `redeliver` has them delivered.

    Example: gateway notifications enable https://shop.example
    """
    with gateway() as settings:
        receiver = _receiver(url, settings)
        enabled = outbox.enable(receiver)
        rung = Waker(settings).wake_notifier()
    if json:
        return printing.as_json({"receiver": receiver, "enabled": enabled, "woken": rung})
    if enabled:
        printing.say(f"{receiver} gets notifications again.")
    else:
        printing.note(f"{receiver} was not disabled.")


def _receiver(url: str, settings: Settings) -> str:
    """The name of a receiver in the outbox. Raises Problem."""
    if url.strip().upper() == DEFAULT_RECEIVER:
        return DEFAULT_RECEIVER
    try:
        parts = http_url(url.strip())
    except ValueError as error:
        raise Problem(f"{url} {error}") from None
    name = f"{parts.scheme}://{parts.netloc}".lower()
    own = settings.notify_url and http_url(settings.notify_url)
    if own and name == f"{own.scheme}://{own.netloc}".lower() and not _is_known(name):
        return DEFAULT_RECEIVER
    return name


def _is_known(name: str) -> bool:
    return any(each.receiver == name for each in outbox.receivers())


def _filter(
    settings: Settings, states: tuple[State, ...] | None, order_id: str | None, since: str | None
) -> Filter:
    """Raises Problem, typer.BadParameter."""
    of_order = find_order(order_id, Limits.of(settings)).id if order_id is not None else None
    return Filter(states, of_order, durations.since(since, settings.timezone))


def _find(name: str) -> outbox.WholeNotification:
    found = outbox.find(name.strip())
    if found is None:
        raise Problem(
            f"notification {name} not found; it may be past NOTIFY_RETENTION; see: gateway notifications list"
        )
    return found


def _shown(each: Notification) -> dict[str, Any]:
    return {
        "id": each.id,
        "webhook_id": outbox.webhook_id(each),
        "type": each.type,
        "order_id": each.order_id,
        "receiver": each.receiver,
        "state": each.state,
        "tries": each.tries,
        "created_at": each.created_at,
        "next_try_at": each.next_try_at,
        "ended_at": each.ended_at,
        "status": each.status,
        "error": each.error,
    }
