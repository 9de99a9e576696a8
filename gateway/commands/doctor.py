"""`gateway doctor`: checks the whole system and says what to do about each problem."""

from collections.abc import Callable
from dataclasses import asdict
from functools import partial

import typer

from gateway import settings as settings_module
from gateway.commands import printing, probes
from gateway.commands.context import Problem
from gateway.commands.invocation import as_typed
from gateway.commands.probes import Finding, Status
from gateway.settings import Settings, SettingsError
from models.db import binding

#: Connections for the probes, which run side by side.
POOL_SIZE = 6
COLOURS = {
    Status.OK: typer.colors.GREEN,
    Status.WARNING: typer.colors.YELLOW,
    Status.FAILED: typer.colors.RED,
    Status.UNKNOWN: typer.colors.RED,
}
#: Probes that need the database, in the order of the report.
ON_DATABASE: dict[str, Callable[[Settings], Finding]] = {
    "migrations": probes.migrations,
    "scheduler": probes.scheduler,
    "sweep": probes.sweep,
    "stuck orders": probes.stuck_orders,
}
#: The lines of the report from top to bottom; providers and the rest follow.
ORDER = ("settings", "database", "migrations", "broker", "workers", "scheduler", "sweep")


def doctor(
    call: bool = typer.Option(False, "--call", help="Also ask each provider for its balance."),
    json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> None:
    """Check every part of the system, one line each.

    These are settings, database, migrations, broker, workers, scheduler, sweep, providers and stuck orders.
    Exits with 1 if a check fails; its line says what to do next. Works with any part of the system down.

    Example: gateway doctor --call
    """
    findings = examine(call)
    healthy = all(finding.status in (Status.OK, Status.WARNING) for finding in findings)
    if json:
        printing.as_json({"ok": healthy, "checks": [asdict(finding) for finding in findings]})
    else:
        for finding in findings:
            printing.say(_text(finding), mark=_mark(finding))
    raise typer.Exit(0 if healthy else 1)


def examine(call: bool) -> list[Finding]:
    """Every finding, from top to bottom, within three times PROBE_SECONDS."""
    found, settings = _settings()
    if settings is None:
        return [found]
    # The pool is left to the end of this process: closing it would wait for a server that hangs.
    binding.bind_from(settings, pool_size=POOL_SIZE, name="referans-doctor")
    servers = probes.together(
        {"database": partial(probes.postgres, settings), "broker": partial(probes.redis_server, settings)}
    )
    findings = [found, *servers, *_on_servers(settings, *servers), probes.encryption(settings)]
    return sorted([*findings, *_on_providers(servers[0], call)], key=_position)


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


def _on_servers(settings: Settings, postgres: Finding, broker: Finding) -> list[Finding]:
    """The probes that need a server, if it answers."""
    needs = {name: (postgres, probe) for name, probe in ON_DATABASE.items()} | {
        "workers": (broker, probes.workers)
    }
    askable = {
        n: partial(probe, settings) for n, (server, probe) in needs.items() if server.status is Status.OK
    }
    skipped = [_unknown(n, server) for n, (server, _) in needs.items() if server.status is not Status.OK]
    return [*probes.together(askable), *skipped]


def _on_providers(postgres: Finding, call: bool) -> list[Finding]:
    if postgres.status is not Status.OK:
        return [_unknown("providers", postgres)]
    try:
        accounts = probes.providers()
    except Problem as problem:
        return [Finding("providers", Status.FAILED, str(problem))]
    if not accounts:
        return [Finding("providers", Status.WARNING, "none", "add one: gateway providers add --help")]
    probe = probes.balance if call else probes.health
    found = probes.together({f"provider {account.id}": partial(probe, account) for account in accounts})
    return [*found, probes.callback_formats(accounts)]


def _unknown(name: str, because: Finding) -> Finding:
    return Finding(name, Status.UNKNOWN, f"unknown without the {because.name}", "fix that first")


def _position(finding: Finding) -> int:
    if finding.name in ORDER:
        return ORDER.index(finding.name)
    return len(ORDER) if finding.name.startswith("provider") else len(ORDER) + 1


def _mark(finding: Finding) -> str:
    return typer.style(f"{finding.status.value:<8} ", fg=COLOURS[finding.status])


def _text(finding: Finding) -> str:
    further = f"; {as_typed(finding.next)}" if finding.next and finding.status is not Status.OK else ""
    return f"{finding.name:<16} {finding.detail}{further}"
