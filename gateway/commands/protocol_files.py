"""Protocol files and their sample exchanges, from a person's disk, from those that ship, and from the database."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.commands import printing, protocol_samples
from gateway.commands.context import Problem
from gateway.commands.protocol_samples import BadSample, Ran
from gateway.providers import kinds
from gateway.providers.described import schema
from gateway.providers.described.kind import Described
from gateway.providers.described.schema import BadFile
from models import protocols

#: Bytes of a file of sample exchanges.
MAX_SAMPLES = 1024 * 1024
#: Where samples stand beside the file that they prove.
FOLDER = "samples"


@dataclass(frozen=True, slots=True)
class Found:
    """A protocol, the text of its file, and its sample exchanges with their text; None where it has none."""

    protocol: Described
    file: str
    exchanges: Sequence[Mapping[str, Any]] | None
    samples: str | None

    def run(self) -> list[Ran]:
        """Run the exchanges. Raises Problem."""
        if self.exchanges is None:
            raise Problem(
                f"{self.protocol.name} has no sample exchanges; put them into {self.protocol.name}.json beside it, or"
                " name their file: --samples FILE.json"
            )
        try:
            return protocol_samples.run(self.protocol, self.exchanges)
        except BadSample as error:
            raise Problem(str(error)) from None


def from_disk(path: Path, samples: Path | None) -> Found:
    """The file at `path` with the exchanges at `samples`, else those beside it. Raises Problem.

    Beside it means NAME.json in the same directory, or in its directory `samples`.
    """
    text = _text(path, schema.MAX_FILE)
    try:
        protocol = Described(path.stem, schema.load(text, path.name))
    except BadFile as error:
        raise _mistakes(path, str(error)) from None
    beside = (path.with_suffix(".json"), path.parent / FOLDER / f"{path.stem}.json")
    where = samples or next((each for each in beside if each.is_file()), None)
    said = _text(where, MAX_SAMPLES) if where else None
    return Found(protocol, text, _exchanges(said, str(where)) if said is not None else None, said)


def by_name(name: str, samples: Path | None = None) -> Found:
    """A protocol that ships or was added, with the exchanges at `samples`, else its own. Raises Problem.

    Needs an open session.
    """
    if name in kinds.ADAPTERS and name not in kinds.replaced():
        raise Problem(f"{name} is a part of the gateway's code: it has no file and no sample exchanges")
    try:
        protocol = kinds.get(name)
    except kinds.Unusable as error:
        raise Problem(f"{error}; see: gateway protocols list") from None
    if not isinstance(protocol, Described):
        raise Problem(f"{name} has no file")
    text, said = _own(name)
    if samples:
        said = _text(samples, MAX_SAMPLES)
    return Found(protocol, text, _exchanges(said, name) if said is not None else None, said)


def _own(name: str) -> tuple[str, str | None]:
    """The text of the file and of the samples."""
    if kinds.origin(name) is kinds.Origin.FILE:
        beside = kinds.SHIPPED.joinpath(FOLDER, f"{name}.json")
        said = beside.read_text(encoding="utf-8") if beside.is_file() else None
        return kinds.SHIPPED.joinpath(f"{name}.toml").read_text(encoding="utf-8"), said
    added = protocols.find(name)
    if added is None:
        raise Problem(f"the protocol {name} was removed meanwhile")
    return added.file, added.samples


def _text(path: Path, most: int) -> str:
    """What a person's file says. Raises Problem."""
    try:
        content = path.read_bytes()[: most + 1]
        if len(content) > most:
            raise Problem(f"{path} is larger than {most // 1024} KiB")
        text = content.decode("utf-8-sig")
    except OSError as error:
        raise Problem(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise Problem(f"{path} is not UTF-8 text") from None
    if "\0" in text:
        raise Problem(f"{path} contains an invalid character (NUL)")
    return text


def _exchanges(text: str, where: str) -> list[Mapping[str, Any]]:
    """Raises Problem."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Problem(f"the samples of {where} are not JSON: {error}") from None
    if not isinstance(found, list) or not found or not all(isinstance(each, dict) for each in found):
        raise Problem(f"the samples of {where} are not a list of objects, one for each exchange")
    return found


def _mistakes(path: Path, said: str) -> Problem:
    """A problem of one line, after the mistakes if they are several."""
    first, *others = said.splitlines()
    if not others:
        return Problem(first)
    for line in (first, *others):
        printing.note(line)
    return Problem(f"{path.name} has {len(others) + 1} mistakes")
