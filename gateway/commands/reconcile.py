"""`gateway reconcile`: a provider's statement, compared with our orders."""

import getpass
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from decimal import Decimal
from pathlib import Path
from typing import Any

import typer

from gateway.commands import printing
from gateway.commands.context import Problem, find_provider, gateway
from gateway.fulfilment import reconciling
from gateway.fulfilment.statements import Options, Unreadable
from gateway.settings import Settings
from models import statement
from models.statement import Finding, Found, Summary

#: Lines of each finding that are printed; `--json` has all of them.
SHOWN = 20
#: Lines that one statement reads.
PAGE = 1_000
#: What each finding is, and what to do about it.
SAID = {
    Finding.UNKNOWN: ("they have it, we have not", "Not bought by us: ask the provider who did."),
    Finding.TWICE: ("taken twice for one order", "Ask the provider for the money of the second."),
    Finding.STATE: ("ended otherwise", "Ask it again: gateway orders check ID --reason …; then decide."),
    Finding.COST: ("another amount", "If theirs is right: gateway reconcile … --take-costs --reason …"),
    Finding.MISSING: (
        "we have it, they have not",
        "Delivered, and not in this statement: ask, or wait for the next.",
    ),
}


def reconcile(
    provider_id: str = typer.Argument(metavar="PROVIDER", help="The provider whose statement it is."),
    file: Path = typer.Argument(exists=True, dir_okay=False, readable=True, help="A CSV or XLSX file."),
    referans: str | None = typer.Option(None, help="Name of the column with our reference."),
    number: str | None = typer.Option(None, help="Name of the column with the provider's own number."),
    player: str | None = typer.Option(None, help="Name of the column with the player."),
    amount: str | None = typer.Option(None, help="Name of the column with the amount."),
    currency: str | None = typer.Option(None, help="Name of the column with the currency."),
    state: str | None = typer.Option(None, help="Name of the column with the state."),
    time: str | None = typer.Option(
        None, help="Name of the column with the time, in TIMEZONE unless it says another."
    ),
    decimal: str | None = typer.Option(None, help="The decimal sign of its amounts, . or ,"),
    kind: list[str] = typer.Option(
        [], help="A word of theirs, such as bitti=completed (or failed, open). Repeatable."
    ),
    take_costs: bool = typer.Option(
        False, "--take-costs", help="Where the amount differs, take theirs as the cost."
    ),
    reason: str | None = typer.Option(None, help="Why; it stands on the timelines. With --take-costs."),
    as_: str | None = typer.Option(None, "--as", metavar="NAME", help="Your name, if not your login's."),
    json: bool = typer.Option(False, "--json", help="Print JSON, with every line that differs."),
) -> None:
    """Compare a provider's statement with our orders.

    Lines are matched by our reference or the provider's number, else by player, amount and time. Names of columns are
    guessed where they are not given, and remembered for the next statement of this provider. Exits with 1 if anything
    differs.

    Example: gateway reconcile kuzey may.csv --number "Sipariş No" --amount Tutar
    """
    if take_costs and not (reason or "").strip():
        raise typer.BadParameter("is needed with --take-costs", param_hint="--reason")
    given = Options(referans, number, player, amount, currency, state, time, _sign(decimal), _kinds(kind))
    by = as_ or getpass.getuser()
    with gateway() as settings:
        found = find_provider(provider_id)
        options = given.over(reconciling.options_of(statement.remembered(found.id)))
        statement_id = statement.begin(found.id, file.name, by, reconciling.as_kept(options))
        try:
            reconciling.compare(statement_id, file.read_bytes(), settings.timezone, _progress)
        except Unreadable as error:
            raise Problem(str(error)) from None
        taken = statement.take_costs(statement_id, by, (reason or "").strip()) if take_costs else 0
        summary = statement.summary(statement_id)
        if json:
            printing.as_json(_document(statement_id, summary))
        else:
            _print(statement_id, summary, taken, settings)
    if any(each.finding != Finding.OK for each in summary):
        raise typer.Exit(1)


def _progress(lines: int) -> None:
    if lines % (10 * statement.BATCH) == 0:
        printing.note(f"{lines} lines …")


def _sign(text: str | None) -> str | None:
    if text not in (None, ".", ","):
        raise typer.BadParameter("takes . or ,", param_hint="--decimal")
    return text


def _kinds(given: Sequence[str]) -> dict[str, str] | None:
    pairs = [each.rpartition("=") for each in given]
    if any(not word or kind not in ("completed", "failed", "open") for word, _, kind in pairs):
        raise typer.BadParameter("takes WORD=completed, WORD=failed or WORD=open", param_hint="--kind")
    return {word: kind for word, _, kind in pairs} or None


def _document(statement_id: int, summary: Sequence[Summary]) -> dict[str, Any]:
    lines = {finding.value: [asdict(each) for each in _every(statement_id, finding)] for finding in SAID}
    return {"id": statement_id, "summary": [asdict(each) for each in summary], "lines": lines}


def _every(statement_id: int, finding: Finding) -> Iterator[Found]:
    after = None
    while found := statement.found(statement_id, finding, PAGE, after):
        yield from found
        after = found[-1].line


def _print(statement_id: int, summary: Sequence[Summary], taken: int, settings: Settings) -> None:
    printing.table(
        ("Finding", "Lines", "Currency", "They", "We"),
        (
            (each.finding, each.count, each.currency or "-", _money(each.amount), _money(each.cost))
            for each in summary
        ),
        empty="The statement has no lines.",
    )
    if taken:
        printing.say(f"{printing.counted(taken, 'order')}: the cost is theirs now.")
    counts = {each.finding for each in summary}
    for finding, (what, advice) in SAID.items():
        if finding.value not in counts:
            continue
        printing.say("")
        printing.say(f"{finding}: {what}. {advice}")
        printing.table(
            ("Line", "Order", "Referans", "Number", "Player", "They", "We", "Their state", "Ours"),
            (_columns(each) for each in statement.found(statement_id, finding, SHOWN)),
            empty="",
        )


def _columns(one: Found) -> tuple[object, ...]:
    return (
        one.line if one.line > 0 else "-",
        one.order_no or one.order_id or "-",
        *(one.referans, one.external_order_id, one.player),
        f"{_money(one.amount)} {one.currency or ''}".strip(),
        f"{_money(one.cost)} {one.cost_currency or ''}".strip(),
        one.state,
        one.external_status if one.order_id else "-",
    )


def _money(amount: Decimal | None) -> str:
    return "-" if amount is None else f"{amount:,f}"
