"""`gateway alerts`: what people were told of, and whether they can be."""

from dataclasses import asdict
from datetime import UTC, datetime
from uuid import uuid4

import typer

from gateway.commands import printing
from gateway.commands.context import Problem, gateway
from gateway.fulfilment import alert_channels
from gateway.fulfilment.alert_channels import NotSent
from gateway.posting import Poster
from models import alert

app = typer.Typer(help="Alerts: incidents, and where they are told.", no_args_is_help=True)


@app.command("list")
def list_(
    limit: int = typer.Option(20, min=1, max=1000, help="Number of incidents at most."),
    json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> None:
    """List the last incidents, newest first, with those that go on.

    Example: gateway alerts list
    """
    with gateway() as settings:
        found = alert.newest(limit)
    if json:
        return printing.as_json([asdict(each) for each in found])
    printing.table(
        ("Began", "Over", "Rule", "Of", "What"),
        (
            (
                printing.at(each.began_at, settings.timezone),
                printing.at(each.ended_at, settings.timezone) if each.ended_at else "goes on",
                each.rule,
                each.subject,
                each.text,
            )
            for each in found
        ),
        empty="No incidents.",
        fold=["What"],
    )


@app.command()
def test() -> None:
    """Send a test alert to every place that is configured. Exits with 1 if one does not take it.

    Places are set by ALERT_URL, ALERT_TELEGRAM_TOKEN with ALERT_TELEGRAM_CHAT, and ALERT_SMTP_URL with ALERT_EMAIL.

    Example: gateway alerts test
    """
    with gateway() as settings:
        channels = alert_channels.of(settings, Poster())
    if not channels:
        raise Problem("no place is configured; set ALERT_URL, ALERT_TELEGRAM_TOKEN or ALERT_SMTP_URL")
    now, failed = datetime.now(UTC), False
    for name, channel in channels.items():
        message = alert.Message(
            0, uuid4(), name, False, 0, 0, "test", "", "This is a test; nothing is wrong.", "/ops", now, None
        )
        try:
            channel.send(message)
        except NotSent as error:
            failed = True
            printing.say(f"{name}: not sent: {error}")
        else:
            printing.say(f"{name}: sent")
    if failed:
        raise typer.Exit(1)
