"""`gateway stock`: codes of our own, loaded from standard input and sold by providers of the adapter `stock`."""

import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import typer

from gateway.commands import printing
from gateway.commands.context import Problem, gateway
from gateway.said import Said
from models import code_lines, stock, texts
from models.code_lines import InvalidLine
from models.stock import Level, NewCode

app = typer.Typer(help="Own stock: codes that you have bought and sell yourself.", no_args_is_help=True)

#: What the name of a stock may look like.
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
CURRENCY = re.compile(r"[A-Z]{3,10}")
#: Invalid lines that an error names.
MAX_NAMED = 5
#: A long load prints its progress after each so many codes.
PROGRESS_EVERY = 10_000


@dataclass(frozen=True, slots=True)
class Read:
    """What standard input contains: codes, and what is wrong with its other lines, by their numbers."""

    codes: list[NewCode]
    faults: list[str]


def _name(value: str) -> str:
    if not NAME.fullmatch(value):
        raise typer.BadParameter(
            "takes 1 to 100 letters, digits, dots, - and _, beginning with one of the first two"
        )
    return value


def _cost(value: str | None) -> Decimal | None:
    if value is None:
        return None
    amount = texts.clean_money(value)
    if amount is None or amount < 0:
        raise typer.BadParameter("takes an amount such as 9.50", param_hint="--cost")
    return amount


def _currency(value: str | None) -> str | None:
    if value is not None and not CURRENCY.fullmatch(value.upper()):
        raise typer.BadParameter("takes a code of 3 to 10 letters, such as USD")
    return value and value.upper()


@app.command()
def load(
    name: str = typer.Argument(
        help="The stock: the id of its provider, or the name that routes pick with --param stock=NAME.",
        callback=_name,
    ),
    cost: str | None = typer.Option(None, metavar="AMOUNT", help="What each of the codes has cost."),
    currency: str | None = typer.Option(
        None, metavar="CODE", help="The currency of --cost.", callback=_currency
    ),
    json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> None:
    """Load codes from standard input: one bare code or one JSON object a line.

    An object has the fields code, pin, serial and expires_at, of which one of the first three is enough; expires_at
    is a date or a time such as 2027-12-31 or 2027-12-31T20:00:00Z. A date is valid to its end in TIMEZONE. Blank
    lines are skipped, and so are codes that were loaded before, into any stock; the number of them is printed. If
    any line is invalid, its number is named and nothing is loaded.

    Orders get the codes in the order in which they were loaded. One provider can sell several products: give each a
    stock of its own, and let its route name it.

    \b
    Example: gateway stock load pubg-60 --cost 0.85 --currency USD < codes.txt
    sold by: gateway providers add own --adapter stock
             gateway routes add pubg 60uc own --param stock=pubg-60
    """
    each = _cost_of_each(cost, currency)
    with gateway() as settings:
        found = _read(_input(), ZoneInfo(settings.timezone))
        if found.faults:
            raise Problem(f"nothing was loaded: {_summary(found.faults)}")
        if not settings.encryption_keys:
            printing.note("ENCRYPTION_KEYS is not set: the codes are stored in plain text.")
        try:
            loaded = stock.load(
                name, found.codes, cost=each, currency=currency, progress=_progress(len(found.codes))
            )
        except stock.LoadUnderWay:
            raise Problem(
                "another load is under way, and nothing was loaded; try again when it has ended"
            ) from None
        level = next((level for level in stock.levels() if level.name == name), None)
    expired = sum(new.expires_at is not None and new.expires_at <= datetime.now(UTC) for new in found.codes)
    _print_loaded(name, loaded, expired, level, json)


def _cost_of_each(cost: str | None, currency: str | None) -> Decimal | None:
    if (cost is None) != (currency is None):
        raise typer.BadParameter("--cost and --currency are given together", param_hint="--cost")
    return _cost(cost)


def _input() -> str:
    """Standard input as text. Raises Problem."""
    if sys.stdin.isatty():
        printing.note("Enter one code a line; end with Ctrl-D.")
    try:
        return sys.stdin.buffer.read().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise Problem(f"nothing was loaded: line {line} is not UTF-8 text") from None


def _read(text: str, timezone: ZoneInfo) -> Read:
    found = Read([], [])
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            found.codes.append(_new_code(line.strip(), timezone))
        except InvalidLine as error:
            found.faults.append(f"line {number}: {error}")
    return found


def _new_code(line: str, timezone: ZoneInfo) -> NewCode:
    """Raises InvalidLine."""
    code = code_lines.code_in(line)
    return NewCode(code, _expiry(code.expires_at, timezone) if code.expires_at is not None else None)


def _expiry(said: Any, timezone: ZoneInfo) -> datetime | None:
    """The moment from which a code is not sold. Raises InvalidLine."""
    try:
        day = date.fromisoformat(said)
    except (TypeError, ValueError):
        day = None
    try:
        if day is not None:
            return datetime.combine(day + timedelta(days=1), time(), timezone)
        moment = datetime.fromisoformat(said)
    except (TypeError, ValueError, OverflowError):
        raise InvalidLine(Said("expires_at must be a date or a time such as 2027-12-31")) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=timezone)


def _summary(faults: Sequence[str]) -> str:
    more = f"; and {len(faults) - MAX_NAMED} more lines" if len(faults) > MAX_NAMED else ""
    return "; ".join(faults[:MAX_NAMED]) + more


def _progress(count: int) -> Any:
    def told(done: int) -> None:
        if done % PROGRESS_EVERY == 0 and done < count:
            printing.note(f"{done} of {count} …")

    return told


def _print_loaded(name: str, loaded: stock.Loaded, expired: int, level: Level | None, json: bool) -> None:
    available = level.available if level else 0
    if json:
        printing.as_json({"name": name, **asdict(loaded), "expired": expired, "available": available})
    else:
        known = f", {loaded.known} were known already and skipped" if loaded.known else ""
        printing.say(
            f"Loaded {printing.counted(loaded.added, 'code')} into {name}{known}; {available} available."
        )
    if expired:
        printing.note(f"Already expired and not sold: {printing.counted(expired, 'code')} of this load.")
    if level is None or not level.provider_ids:
        printing.note(
            f"No order takes from {name} yet: gateway routes add PRODUCT PACKAGE PROVIDER --param stock={name}"
        )


@app.command("list")
def list_(json: bool = typer.Option(False, "--json", help="Print JSON.")) -> None:
    """List the stocks: how many codes are available, expired, sold, and taken by orders that are not completed.

    Codes of an order that failed or was reversed stay taken: somebody may have seen them.

    Example: gateway stock list
    """
    with gateway() as settings:
        found = stock.every()
    if json:
        return printing.as_json([{**asdict(each), "is_low": each.is_low} for each in found])
    printing.table(
        ("Stock", "Providers", "Available", "Warn below", "Expired", "Taken", "Sold", "Cost", "Oldest"),
        (
            (
                each.name,
                " ".join(each.provider_ids),
                f"{each.available} (low)" if each.is_low else each.available,
                each.low_stock,
                each.expired,
                each.taken,
                each.sold,
                ", ".join(_amounts(each.cost)),
                printing.at(each.oldest_at, settings.timezone),
            )
            for each in found
        ),
        empty="No stock yet. Load one: gateway stock load --help",
    )


def _amounts(cost: dict[str, str]) -> Iterator[str]:
    return (f"{amount} {currency}" for currency, amount in sorted(cost.items()))
