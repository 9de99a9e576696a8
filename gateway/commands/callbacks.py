"""`gateway callbacks`: what providers sent, and settling it again."""

import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import typer

from gateway import outbound
from gateway.callbacks import masked, replaying
from gateway.callbacks.replaying import Replay, Replayed
from gateway.commands import durations, printing, sending
from gateway.commands.batch import Waker
from gateway.commands.context import Problem, find_order, find_provider, gateway
from gateway.settings import Settings
from models import inbox, order
from models.codes import Code
from models.inbox import Callback, Filter, Kept, WholeCallback
from models.outcome import Outcome
from models.status import ExternalStatus
from models.stuck import Limits

app = typer.Typer(help="Callbacks: what providers sent.", no_args_is_help=True)

#: Largest id (a PostgreSQL bigint).
MAX_ID = 2**63 - 1
#: What `show` does not print as it is kept.
HIDDEN = ("dedupe_key", "outcome", "raw", "raw_of")
#: A long replay prints its progress after each so many callbacks.
PROGRESS_EVERY = 1000


@app.command("list")
def list_(
    provider_id: str | None = typer.Option(None, "--provider", help="Only those of this provider."),
    result: Kept | None = typer.Option(None, help="Only those with this result."),
    order_id: str | None = typer.Option(None, "--order", metavar="ID", help="Only those of this order."),
    since: str | None = typer.Option(None, help=durations.SINCE_HELP),
    limit: int = typer.Option(50, min=1, max=1000, help="Number of callbacks at most."),
    json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> None:
    """List the kept callbacks, newest first. `show` prints what they contain.

    Example: gateway callbacks list --result conflict --since 7d
    """
    with gateway() as settings:
        order_id = find_order(order_id, Limits.of(settings)).id if order_id is not None else None
        wanted = Filter(provider_id, result, order_id, durations.since(since, settings.timezone))
        found = inbox.page(wanted, limit)
    if json:
        return printing.as_json([_listed(row) for row in found])
    printing.table(
        ("ID", "Received", "Provider", "Result", "Status", "Reference", "Order", "Reason"),
        (_columns(row, settings) for row in found),
        empty="No callbacks.",
        fold=["Order", "Reason"],
    )


def _listed(one: Callback) -> dict[str, Any]:
    """A callback in a list: why it is invalid, but not the provider's message, which may contain a PIN."""
    shown = {name: value for name, value in asdict(one).items() if name != "message"}
    return shown | {"reason": _reason(one)}


def _reason(one: Callback) -> str | None:
    return one.message if one.result == Kept.INVALID else None


def _columns(one: Callback, settings: Settings) -> tuple[object, ...]:
    received = printing.minute(one.received_at, settings.timezone)
    about = (one.provider_id, one.result, one.status, one.reference, one.order_id)
    return (one.id, received, *about, _reason(one))


@app.command()
def show(
    callback_id: int = typer.Argument(
        metavar="ID", min=1, max=MAX_ID, help="The id from `gateway callbacks list`."
    ),
    json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> None:
    """Show a callback: its content, its order, and what it changed. PINs and secrets are masked.

    Example: gateway callbacks show 1817
    """
    with gateway() as settings:
        shown = _whole(_by_id([callback_id])[0])
    if json:
        return printing.as_json(shown)
    _print_callback(shown, settings)


def _whole(one: WholeCallback) -> dict[str, Any]:
    found = order.find(one.order_id) if one.order_id else None
    said = inbox.arrival(one)
    known = masked.known(one, said, found)
    events = [printing.event(event) for event in inbox.events(one)]
    return {
        **{name: value for name, value in asdict(one).items() if name not in HIDDEN},
        "message": masked.clean(one.message, known),
        "hasPin": bool(said and said.outcome.codes),
        "order": found
        and {
            "id": found.id,
            "providerId": found.provider_id,
            "externalStatus": found.external_status,
            "status": found.status,
        },
        "did": [event | {"message": masked.clean(event["message"], known)} for event in events],
        "raw": masked.raw(one, known),
    }


def _print_callback(shown: dict[str, Any], settings: Settings) -> None:
    for name, value in shown.items():
        if value not in (None, "") and not isinstance(value, (dict, list)):
            moment = printing.at(value, settings.timezone) if hasattr(value, "astimezone") else value
            printing.say(f"{name:<18} {moment}")
    if shown["order"]:
        printing.say(
            f"{'now':<18} {shown['order']['externalStatus']}; see: gateway orders show {shown['order_id']}"
        )
    printing.say("")
    printing.table(
        ("At", "Status", "Message"),
        (
            (printing.at(e["at"], settings.timezone), f"{e['from']} → {e['to']}", e["message"])
            for e in shown["did"]
        ),
        empty="No order was changed.",
        fold=["Message"],
    )
    printing.say("")
    printing.as_json(shown["raw"])


@app.command()
def replay(
    callback_ids: list[int] = typer.Argument(
        None, metavar="[ID]…", min=1, max=MAX_ID, help="Ids from `gateway callbacks list`."
    ),
    since: str | None = typer.Option(None, help=durations.SINCE_HELP),
    result: Kept | None = typer.Option(None, help="With --since: only those with this result."),
    dry_run: bool = typer.Option(False, "--dry-run", help="Print what would be tried, and change nothing."),
    json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> None:
    """Settle callbacks again, oldest first: unmatched ones whose order is known now, and invalid ones that can be
    read now. Callbacks that are settled already change nothing, so a replay can be repeated safely.

    Example: gateway callbacks replay --since 2d --result invalid
    """
    if bool(callback_ids) == bool(since):
        raise typer.BadParameter("takes the ids of callbacks, or --since, but not both", param_hint="ID")
    if result and not since:
        raise typer.BadParameter("can only be used with --since", param_hint="--result")
    with gateway() as settings:
        rows = _chosen(callback_ids) if callback_ids else _since(since, result, settings)
        again = Replay(settings.order_timeout, dry_run)
        done = []
        for one in (one for batch in rows for one in again.run(batch)):
            done.append(one)
            if not json:
                became = f"{one.before} → {one.after}" if one.changed else one.after
                printing.say(f"{one.id:>8}  {one.provider_id}  {one.reference or '-'}  {became}: {one.note}")
        if not dry_run:
            Waker(settings).wake_notifier()
    _sum_up(done, dry_run, json)
    if any(one.failed for one in done):
        raise typer.Exit(1)


def _by_id(ids: list[int]) -> list[WholeCallback]:
    found = inbox.find(ids)
    if missing := sorted(set(ids) - {one.id for one in found}):
        numbers = ", ".join(map(str, missing))
        raise Problem(
            f"callback {numbers} not found; it may be past its retention; see: gateway callbacks list"
        )
    return found


def _chosen(ids: list[int]) -> Iterator[list[WholeCallback]]:
    found = _by_id(ids)
    for start in range(0, len(found), replaying.BATCH):
        yield found[start : start + replaying.BATCH]


def _since(text: str | None, result: Kept | None, settings: Settings) -> Iterator[list[WholeCallback]]:
    """Batches of the callbacks that are there now; those that come meanwhile are not included."""
    wanted = Filter(result=result, since=durations.since(text, settings.timezone))
    extent = inbox.extent(wanted)
    after_id, seen = (extent.first_id - 1 if extent else 0), 0
    while extent and (batch := inbox.between(wanted, after_id, extent.last_id, replaying.BATCH)):
        yield batch
        after_id, seen = batch[-1].id, seen + len(batch)
        if seen % PROGRESS_EVERY == 0 and seen < extent.count:
            printing.note(f"{seen} of {extent.count} …")


def _sum_up(done: list[Replayed], dry_run: bool, json: bool) -> None:
    counts = Counter(one.after.value for one in done)
    summary = {"callbacks": len(done), "changed": sum(one.changed for one in done), "now": dict(counts)}
    if json:
        return printing.as_json(
            {"callbacks": [asdict(one) for one in done], "dry_run": dry_run, "summary": summary}
        )
    now = ", ".join(f"{count} {name}" for name, count in counts.most_common()) or "none"
    changed = "dry run, nothing changed" if dry_run else f"{summary['changed']} changed"
    printing.say(f"{printing.counted(len(done), 'callback')}, {changed}: {now}")


@app.command()
def send(
    provider_id: str = typer.Argument(metavar="PROVIDER", help="A provider from `gateway providers list`."),
    referans: str = typer.Argument(metavar="REFERANS", help="The reference of the order."),
    status: ExternalStatus = typer.Option(help="The status it reports."),
    message: str | None = typer.Option(None, help="The message it reports."),
    pin_from_stdin: bool = typer.Option(
        False, "--pin-from-stdin", help="Read the PIN from standard input; in a terminal it is prompted for."
    ),
    url: str | None = typer.Option(None, help="Base URL of the gateway, if not PUBLIC_URL."),
    json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> None:
    """Send a test callback to the gateway over HTTP, signed as the provider signs. It is settled like any other
    callback, and changes the order.

    Example: gateway callbacks send sandbox 482910573829105 --status completed
    """
    if status is ExternalStatus.NOT_SENT:
        raise typer.BadParameter("cannot be reported by a provider", param_hint="--status")
    with gateway() as settings:
        account = find_provider(provider_id)
    pin = sending.read_pin(sys.stdin, pin_from_stdin, asks=status is ExternalStatus.COMPLETED)
    outcome = Outcome(status, referans, codes=(Code(pin),) if pin else (), message=message)
    try:
        answer = sending.send(account, outcome, url or settings.public_url, outbound.Client())
    except (outbound.OutboundError, outbound.LocalFault) as error:
        raise Problem(f"{error}; is the gateway running? its base URL can be set with --url") from None
    if json:
        printing.as_json(asdict(answer))
    else:
        printing.say(f"HTTP {answer.status} from {answer.url}: {answer.text}")
    if not 200 <= answer.status < 300:
        raise typer.Exit(1)
