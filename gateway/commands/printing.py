"""The form of answers: tables and lines for a person, JSON for a program.

Whatever is printed may contain what a provider or a player wrote, so lines and cells lose control characters, terminal
escapes and bidi overrides, and JSON has them escaped.
"""

import json
import re
import shutil
import sys
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gateway.commands.invocation import as_typed
from models import texts
from models.timeline import Event

#: Width of an output that is not a terminal, in characters; tables in files and pipes are not squeezed.
PIPE_COLUMNS = 200
#: Days for which a time in a list has no year.
DAYS_WITHOUT_YEAR = 300
#: A command within a sentence; at a terminal its words stay together, so that it can be pasted.
COMMAND = re.compile(r"(?<!\S)\S*gateway(?: [^\s;,]+)+")
#: Stands for a blank that must not become the end of a line; no printed text contains it.
GLUE = "\0"
#: What JSON may contain as it is, but a terminal should not get: line ends beyond ASCII, and characters that hide.
UNSAFE_IN_JSON = re.compile(f"[\x85\u2028\u2029]|{texts.HIDDEN.pattern}")


def say(text: str, mark: str = "") -> None:
    """One line on standard output; `mark` is ours, may be coloured, and stands in front."""
    typer.echo(mark + texts.one_line(text))


def paragraph(text: str, indent: int, mark: str = "", mark_width: int = 0) -> None:
    """One line on standard output; at a terminal, what does not fit goes on under `indent`, and commands stay whole."""
    line = texts.one_line(text)
    if sys.stdout.isatty():
        glued = COMMAND.sub(lambda found: found[0].replace(" ", GLUE), line)
        line = textwrap.fill(
            glued,
            shutil.get_terminal_size().columns,
            initial_indent=" " * mark_width,
            subsequent_indent=" " * indent,
            break_long_words=False,
            break_on_hyphens=False,
        )[mark_width:].replace(GLUE, " ")
    typer.echo(mark + line)


def block(text: str) -> None:
    """Lines of our own on standard output, unchanged."""
    typer.echo(text)


def note(text: str) -> None:
    """One line on standard error, for a person; commands in it are printed as they are typed here."""
    typer.echo(as_typed(texts.one_line(text)), err=True)


def table(
    titles: Sequence[str],
    rows: Iterable[Sequence[object]],
    empty: str,
    fold: Sequence[str] = (),
    optional: Sequence[str] = (),
) -> None:
    """A table of texts, or the line `empty` if it has no rows. Only the columns `fold` break their words, if any do.

    The columns `optional` are left out if they are empty in every row.
    """
    found = list(rows)
    shown = [
        number
        for number, title in enumerate(titles)
        if title not in optional or any(row[number] not in (None, "") for row in found)
    ]
    drawn = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    for title in (titles[number] for number in shown):
        drawn.add_column(title, overflow="fold", no_wrap=bool(fold) and title not in fold)
    for row in found:
        cells = (row[number] for number in shown)
        drawn.add_row(*(Text("-" if value in (None, "") else texts.one_line(str(value))) for value in cells))
    if not drawn.row_count:
        note(empty)
        return
    Console(width=None if sys.stdout.isatty() else PIPE_COLUMNS).print(drawn)


def as_json(document: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> None:
    """One row or many as JSON: column names become camelCase, times ISO 8601 in UTC."""
    text = json.dumps(_camel(document), ensure_ascii=False, indent=2, default=_plain)
    block(UNSAFE_IN_JSON.sub(lambda found: json.dumps(found[0])[1:-1], text))


def minute(moment: datetime | None, timezone: str) -> str | None:
    """A time in a list, where the width counts: `07-01 22:51 +03`, with its year if that is more than 300 days ago."""
    if moment is None:
        return None
    year = "%Y-" if (datetime.now(UTC) - moment).days > DAYS_WITHOUT_YEAR else ""
    return moment.astimezone(ZoneInfo(timezone)).strftime(f"{year}%m-%d %H:%M %Z")


def at(moment: datetime | None, timezone: str) -> str | None:
    """A time for people, to the second, in `timezone` and with its name: `2026-07-01 22:51:24 +03`."""
    return moment.astimezone(ZoneInfo(timezone)).strftime("%Y-%m-%d %H:%M:%S %Z") if moment else None


def duration(seconds: float) -> str:
    """A time span in its two largest units: `42 s`, `5 min`, `2 h 5 min`, `3 d 2 h`."""
    minutes = int(seconds // 60)
    if minutes < 1:
        return f"{max(0, int(seconds))} s"
    if minutes < 60:
        return f"{minutes} min"
    hours, rest = divmod(minutes, 60)
    if hours < 24:
        return f"{hours} h {rest} min" if rest else f"{hours} h"
    return f"{hours // 24} d {hours % 24} h"


def counted(count: int, what: str) -> str:
    """`1 order`, `2 orders`, `0 orders`."""
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def event(one: Event) -> dict[str, Any]:
    """An event of a timeline, for `as_json`."""
    return {
        "at": one.at,
        "source": one.source,
        "from": one.came_from,
        "to": one.went_to,
        "message": one.message,
        "by": one.by,
    }


def camel(name: str) -> str:
    """A field's name as it is shown: `provider_id` becomes `providerId`."""
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def _camel(value: Any) -> Any:
    """Rename columns only: a mapping inside a row is data, with names of its own."""
    if isinstance(value, Mapping):
        return {camel(name): _camel(item) if isinstance(item, list) else item for name, item in value.items()}
    return [_camel(item) for item in value] if isinstance(value, list) else value


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return str(value)
