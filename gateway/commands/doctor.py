"""`gateway doctor`: checks the whole system and says what to do about each problem."""

from dataclasses import asdict, replace
from functools import partial
from itertools import chain

import typer

from gateway import settings as settings_module
from gateway.commands import order_probes, printing, probes, provider_probes, server_probes
from gateway.commands.invocation import as_typed
from gateway.commands.probes import Check, Finding, Status
from gateway.settings import Settings, SettingsError
from models.db import binding

#: Connections for the probes, which run side by side: of twenty, what two web processes and a worker leave, less one.
POOL_SIZE = 3
COLOURS = {
    Status.OK: typer.colors.GREEN,
    Status.WARNING: typer.colors.YELLOW,
    Status.FAILED: typer.colors.RED,
    Status.UNKNOWN: typer.colors.RED,
}
#: Columns of the status in front of each line.
MARK = 9
#: Checks that are told in the line of another one: that of the server which answers, but takes no writes.
SAID_BY = {"database writes": "database", "broker writes": "broker"}
#: Checks without a line of their own if they find nothing, or cannot be asked.
DETAILS = (
    *("codes", "worker keys", "gaps", "catalogues", "stocks", "last hour"),
    *("notifications", "alerts", "unknown orders", "orders of others"),
)


def doctor(
    call: bool = typer.Option(False, "--call", help="Also ask each provider for its balance."),
    json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> None:
    """Check every part of the system, one line each.

    These are settings, database, migrations, encryption, broker, workers, scheduler, sweep, orders that need a person,
    and each provider. It writes to both servers, and undoes it. Exits with 1 if a check fails; its line says why and
    what to do. What cannot be known because something else has failed is `unknown`. Works with any part of the system
    down. docs/operations.md explains each line.

    Example: gateway doctor --call
    """
    findings = examine(call)
    healthy = all(finding.is_well for finding in findings)
    if json:
        printing.as_json({"ok": healthy, "checks": [asdict(finding) for finding in findings]})
    else:
        width = max(len(finding.name) for finding in findings)
        for finding in findings:
            printing.paragraph(_text(finding, width), MARK + width + 1, _mark(finding), MARK)
    raise typer.Exit(0 if healthy else 1)


def examine(call: bool) -> list[Finding]:
    """Every finding, from top to bottom, within five times PROBE_SECONDS."""
    found, settings = _settings()
    if settings is None:
        return [found]
    # The pool is left to the end of this process: closing it would wait for a server that hangs.
    binding.bind_from(settings, pool_size=POOL_SIZE, name="referans-doctor")
    findings = probes.run(_checks(settings, call))
    return [found, *_merged(findings)]


def _checks(settings: Settings, call: bool) -> list[Check]:
    """In the order of the report. What a check needs is named by first causes first."""
    stored, written = ("database", "migrations"), ("database", "database writes", "migrations")
    running = (*written, "broker", "broker writes", "workers")
    return [
        Check("database", partial(server_probes.postgres, settings)),
        Check("database writes", partial(server_probes.database_writes, settings), stored),
        Check("migrations", partial(server_probes.migrations, settings), ("database",)),
        Check("pooler", partial(server_probes.pooler, settings), ("database",)),
        Check("encryption", partial(server_probes.encryption, settings), stored),
        Check("codes", partial(server_probes.pin_codes, settings), stored),
        Check("broker", partial(server_probes.redis_server, settings)),
        Check("broker writes", partial(server_probes.broker_writes, settings), ("broker",)),
        Check("workers", partial(server_probes.workers, settings), ("broker", "broker writes")),
        Check("worker keys", partial(server_probes.worker_keys, settings), ("encryption", "workers")),
        Check("scheduler", partial(server_probes.scheduler, settings), running),
        Check("sweep", partial(server_probes.sweep, settings), running),
        Check("providers", partial(_providers, call), (*stored, "encryption"), 2 * probes.PROBE_SECONDS),
        Check("gaps", partial(provider_probes.gaps, settings), stored),
        Check("catalogues", partial(provider_probes.catalogues, settings), stored),
        Check("stocks", partial(provider_probes.stocks, settings), stored),
        Check("last hour", partial(provider_probes.last_hour, settings), stored),
        Check("notifications", partial(order_probes.notifications, settings), stored),
        Check("alerts", partial(order_probes.alerts, settings), stored),
        Check("unknown orders", partial(order_probes.denied_orders, settings), stored),
        Check("orders of others", partial(order_probes.orders_of_others, settings), stored),
        Check("stuck orders", partial(order_probes.stuck_orders, settings), stored),
    ]


def _merged(findings: list[Finding]) -> list[Finding]:
    """Without the lines that only repeat what another one says."""
    failed = {SAID_BY[each.name]: each for each in findings if each.name in SAID_BY and not each.is_well}
    return [
        _with_worse(each, failed.get(each.name))
        for each in findings
        if each.name not in SAID_BY and not (each.status is Status.UNKNOWN and each.name in DETAILS)
    ]


def _with_worse(finding: Finding, worse: Finding | None) -> Finding:
    """A server that answers, with what it does not take."""
    if worse is None or worse.status is Status.UNKNOWN or not finding.is_well:
        return finding
    return replace(worse, name=finding.name, detail=f"{finding.detail}: {worse.detail}")


def _providers(call: bool) -> list[Finding]:
    """A line for each provider, side by side since they may be asked over the network."""
    accounts = provider_probes.known()
    if not accounts:
        return [Finding("providers", Status.WARNING, "none", "add one: gateway providers add --help")]
    asked = [
        Check(f"provider {account.id}", partial(provider_probes.state, account, call=call))
        for account in accounts
    ]
    found = [finding for findings in probes.together(asked).values() for finding in findings]
    of_all = (
        provider_probes.callback_formats(accounts),
        provider_probes.in_clear(),
        provider_probes.protocols(),
    )
    return [*found, *chain.from_iterable(of_all)]


def _settings() -> tuple[Finding, Settings | None]:
    """A finding about the settings, and the settings unless one is invalid; a missing one does not stop the doctor."""
    found: Settings | None = None
    try:
        found = settings_module.load(require=())
        settings_module.load()
    except SettingsError as error:
        advice = "set it in the environment of the processes"
        return Finding("settings", Status.FAILED, str(error), advice), found
    if notes := settings_module.notes():
        return Finding("settings", Status.WARNING, "; ".join(notes)), found
    return Finding("settings", Status.OK, "valid"), found


def _mark(finding: Finding) -> str:
    return typer.style(f"{finding.status.value:<{MARK}}", fg=COLOURS[finding.status])


def _text(finding: Finding, width: int) -> str:
    further = f"; {as_typed(finding.next)}" if finding.next and finding.status is not Status.OK else ""
    return f"{finding.name:<{width}} {finding.detail}{further}"
