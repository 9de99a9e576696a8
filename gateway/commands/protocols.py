"""`gateway protocols`: the languages of providers, as files."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.commands import printing, protocol_files
from gateway.commands.context import Problem, gateway, is_set_up
from gateway.commands.protocol_files import Found
from gateway.commands.protocol_samples import Ran
from gateway.providers import kinds
from gateway.providers.base import Kind, Traces
from gateway.providers.described import schema
from gateway.providers.described.kind import Described
from gateway.providers.described.patterns import Pattern
from gateway.providers.described.schema import ProtocolFile
from models import protocols, provider

app = typer.Typer(help="Protocols: the languages that providers speak.", no_args_is_help=True)

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Samples = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE.json",
        help="Its sample exchanges (default: NAME.json beside the file, or in the directory `samples` beside it).",
    ),
]


@app.command("list")
def list_(json: Json = False) -> None:
    """List the protocols: those that come with the gateway, and those that were added.

    Example: gateway protocols list
    """
    with gateway():
        rows = [_outline(name) for name in kinds.names()]
    if json:
        return printing.as_json(rows)
    printing.table(
        ("Name", "From", "Credentials", "Parameters of routes", "Callbacks", "Title"),
        (
            (
                row["name"],
                row["from"],
                _words(row["credentials"], row["optional_credentials"]),
                _words(row["params"], row["optional_params"]),
                "yes" if row["callbacks"] else "",
                row["title"],
            )
            for row in rows
        ),
        empty="",
    )
    for name in sorted(kinds.replaced()):
        printing.note(
            f"{name} was added, and is used in place of the one of this name that comes with this version. To use that"
            f" one: gateway protocols remove {name}"
        )


def _words(required: Sequence[str], optional: Sequence[str]) -> str:
    """Those that may be left out in brackets."""
    return " ".join([*required, *(f"[{each}]" for each in optional)])


def _outline(name: str) -> dict[str, Any]:
    """What a list shows of a protocol. Of one that cannot be used the title says why."""
    row = {"name": name, "from": kinds.origin(name).value, "replaces_shipped": name in kinds.replaced()}
    empty = dict.fromkeys(("credentials", "optional_credentials", "params", "optional_params"), ())
    try:
        kind = kinds.get(name)
    except kinds.Unusable as error:
        return {**row, "title": str(error), **empty, "callbacks": False}
    title = kind.file.title if isinstance(kind, Described) else TITLES.get(name, "")
    return {**row, "title": title, **_needs(kind), "callbacks": _has_callbacks(kind)}


def _needs(kind: Kind) -> dict[str, Sequence[str]]:
    return {
        "credentials": kind.CREDENTIALS,
        "optional_credentials": kind.OPTIONAL_CREDENTIALS,
        "params": kind.PARAMS,
        "optional_params": kind.OPTIONAL_PARAMS,
    }


def _has_callbacks(kind: Kind) -> bool:
    return kind.file.callback is not None if isinstance(kind, Described) else kind.HAS_SERVICE


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="A protocol from `gateway protocols list`.")],
    file: Annotated[
        bool, typer.Option("--file", help="Print its file, as a beginning for one of your own.")
    ] = False,
    samples: Annotated[bool, typer.Option("--samples", help="Print its sample exchanges.")] = False,
    json: Json = False,
) -> None:
    """Show a protocol: what a provider and its routes are given, what it can do, and what is known of it.

    \b
    Example: gateway protocols show zdk
    Example: gateway protocols show zdk --file > mine.toml
    """
    with _database_for(name):
        if not _ships(name) and name not in kinds.names():
            raise Problem(f"protocol {name} not found; see: gateway protocols list")
        if file or samples:
            found = protocol_files.by_name(name)
            return printing.block((found.file if file else found.samples or "[]").rstrip("\n"))
        row, kind = _outline(name), kinds.find(name)
    details = row | (_details(kind) if kind else {})
    if json:
        return printing.as_json(details)
    for key, value in details.items():
        if value not in (None, (), {}, ""):
            printing.say(f"{key.replace('_', ' ')}: {_shown(value)}")


def _ships(name: str) -> bool:
    return name in kinds.ADAPTERS or name in kinds.shipped()


def _database_for(name: str) -> AbstractContextManager[object]:
    """What a protocol is found with: nothing, where it ships and no database can have another one in its place."""
    return nullcontext() if _ships(name) and not is_set_up() else gateway()


def _details(kind: Kind) -> dict[str, Any]:
    """What a list does not show."""
    fields = kind.file.model_fields_set if isinstance(kind, Described) else frozenset[str]()
    calls = [each for each in ("send", "check", "balance", "catalogue", "callback") if each in fields]
    described = (
        {"source": kind.file.source, "defaults": dict(kind.file.defaults), "says_how_to": calls}
        if isinstance(kind, Described)
        else {}
    )
    return {
        "currency": kind.CURRENCY,
        "fields": kind.FIELDS,
        "traits": {name: value for name, value in asdict(kind.TRAITS).items() if value is not None},
        **described,
    }


def _shown(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_shown(each)}" for name, each in value.items())
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


@app.command("try")
def try_(
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="A protocol file, or the name of a protocol with a file.")
    ],
    samples: Samples = None,
    json: Json = False,
) -> None:
    """Run a protocol's sample exchanges, and show what is read beside what is expected. Calls nobody, stores nothing.

    The exit status is 1 if anything differs. What stands in the samples is printed, so invent their data.

    \b
    Example: gateway protocols try mine.toml
    Example: gateway protocols try mine.toml --samples exchanges.json
    Example: gateway protocols try zdk
    """
    ran = _found(file, samples).run()
    if json:
        printing.as_json([asdict(each) for each in ran])
    else:
        _print(ran)
    if any(each.differences for each in ran):
        raise typer.Exit(1)


def _found(file: str, samples: Path | None) -> Found:
    """What the argument of `try` names: a file, else a protocol. Raises Problem."""
    path = Path(file)
    if path.is_file() or "/" in file or path.suffix:
        return protocol_files.from_disk(path, samples)
    with _database_for(file):
        return protocol_files.by_name(file, samples)


def _print(ran: Sequence[Ran]) -> None:
    printing.table(
        ("", "Operation", "Exchange", "Expected", "Read"),
        (
            (
                "differs" if each.differences else "ok",
                each.op,
                each.name,
                _parts(each.expected),
                _parts({name: each.read.get(name) for name in each.expected}),
            )
            for each in ran
        ),
        empty="",
    )
    for difference in _differences(ran):
        printing.say(difference)
    different = sum(bool(each.differences) for each in ran)
    result = f"{different} of them not as expected" if different else "all as they should be"
    printing.say(f"{printing.counted(len(ran), 'exchange')}, {result}.")


def _differences(ran: Sequence[Ran]) -> Iterator[str]:
    """Where exchanges differ, one line each; a difference of several exchanges once, with the first one's name."""
    found: dict[tuple[str, str], list[str]] = {}
    for each in ran:
        for difference in each.differences:
            found.setdefault((each.op, difference), []).append(each.name)
    for (op, difference), (name, *others) in found.items():
        more = f" (and {len(others)} more)" if others else ""
        yield f"{op}, {name}{more}: {difference}"


def _parts(said: Mapping[str, Any]) -> str:
    """The result first, then each part with its name."""
    parts = [f"{name} {value}" for name, value in said.items() if name != "result"]
    return ", ".join([str(said.get("result")), *parts])


@app.command()
def add(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A protocol file, NAME.toml; the protocol is called NAME.")
    ],
    samples: Samples = None,
    json: Json = False,
) -> None:
    """Store a protocol file and its sample exchanges in the database, so that every process has it within 2 seconds.

    It is refused unless every exchange is read as expected, and at least one is a send. A file of this name that was
    added before is replaced; orders under way are asked about by the new one, so that it is refused while there are
    any that it would ask for in another way. No name of a protocol that comes with the gateway is taken, unless it was
    added before the gateway had one of that name: then the added one is in use, and is replaced.

    \b
    Example: gateway protocols add mine.toml
    Example: gateway protocols add mine.toml --samples exchanges.json
    """
    name = file.stem
    if not kinds.NAME.fullmatch(name):
        raise Problem(
            f"{file.name}: the name of a protocol takes up to 40 of a-z, 0-9 and _, beginning with a letter"
        )
    with gateway():
        if name in kinds.shipped() and name not in kinds.replaced():
            raise Problem(f"{name} comes with the gateway; give the file another name")
    found = protocol_files.from_disk(file, samples)
    ran = found.run()
    if different := [each for each in ran if each.differences]:
        for difference in _differences(different):
            printing.note(difference)
        raise Problem(
            f"{printing.counted(len(different), 'exchange')} of {len(ran)} not read as expected, so that {name} was not"
            f" added; see: gateway protocols try {file}"
        )
    if not any(each.op == "send" for each in ran):
        raise Problem(f"none of the exchanges is a send, so that {name} was not added")
    with gateway():
        with suppress(schema.BadFile):  # one that cannot be used can be replaced
            _check_open_orders(name, found.protocol, ", or give the file another name")
        is_new = protocols.add(name, found.file, found.samples or "")
    if json:
        return printing.as_json({"name": name, "exchanges": len(ran), "is_new": is_new})
    printing.say(
        f"Protocol {name} is {'added' if is_new else 'replaced'}; every process has it within 2 seconds."
    )
    if is_new:
        calls_back = " --callback none" if found.protocol.file.callback is None else ""
        printing.say(f"Next: gateway providers add ID --adapter {name} --base-url https://…{calls_back}")


@app.command()
def remove(
    name: Annotated[str, typer.Argument(help="A protocol that was added.")],
    json: Json = False,
) -> None:
    """Remove a protocol that was added. One that no provider speaks, or in whose place one comes with the gateway.

    Where a later version of the gateway comes with a protocol of this name, the added one stays in use until it is
    removed; from then on its providers speak the other one, within 2 seconds. That is refused while orders are under
    way that would be asked for in another way.

    Example: gateway protocols remove mine
    """
    with gateway():
        if protocols.file(name) is None:
            raise Problem(f"the protocol {name} was not added; see: gateway protocols list")
        if name in kinds.replaced():
            _check_removal(name)
        elif speakers := provider.speakers(name):
            raise Problem(
                f"{name} is what {', '.join(speakers)} speaks; see: gateway providers remove --help"
            )
        protocols.remove(name)
    if json:
        return printing.as_json({"name": name, "is_shipped": name in kinds.shipped()})
    now = "; the one that comes with the gateway is used" if name in kinds.shipped() else ""
    printing.say(f"Protocol {name} is removed{now}.")


def _check_removal(name: str) -> None:
    """Raises Problem if orders are under way for which the one that ships would ask in another way."""
    try:
        _check_open_orders(name, kinds.that_ships(name))
    except schema.BadFile as error:
        if protocols.orders_under_way(name):
            raise Problem(
                f"orders are under way, and what they are known by cannot be read: {error}; add a file that can be read"
            ) from None


def _check_open_orders(name: str, new: Kind | None, otherwise: str = "") -> None:
    """Raises Problem if orders are under way that the provider would be asked for under another number than it has.

    It would say that it does not know them, and they would be sent once more. `otherwise` is what else can be done.
    """
    text = protocols.file(name)
    former = _known_by(schema.load(text, name)) if text else None
    if former is None or (isinstance(new, Described) and former == _known_by(new.file)):
        return
    if count := protocols.orders_under_way(name):
        raise Problem(
            f"{printing.counted(count, 'order')} under way would be asked for by another number, or in another way,"
            f" than {name} says until now (`reference`, `traces`, `ask_buys`), and could be bought twice; pause the"
            f" providers until they are final{otherwise}"
        )


def _known_by(file: ProtocolFile) -> tuple[str, str | None, Traces, bool]:
    """What an order is known by to its provider, and what asking for it does."""
    make, read = file.reference.make, file.reference.read
    read_by = read.text if isinstance(read, Pattern) else read
    return make.text, read_by, file.traits.traces, file.traits.ask_buys


#: Of those that are code.
TITLES = {
    "znet": "znet dealer panels",
    "stock": "Codes of our own (docs/stock.md)",
    "manual": "A person fulfils the orders (docs/stock.md)",
}
