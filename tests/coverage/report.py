"""What has run, held against what can run."""

import tomllib
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path

from tests.coverage.executable import executable

#: The least share of a package's lines that must run.
LEAST_PERCENT = 99
#: The most lines of a range that are shown; of a longer one, the first.
SHOWN_LINES = 3


@dataclass(frozen=True, slots=True)
class Accepted:
    """Lines that need not run, and why."""

    file: str
    within: str
    lines: tuple[str, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class File:
    """The lines of one file."""

    name: str
    #: Every line's text, without its indentation; the first is number 1.
    texts: tuple[str, ...]
    executable: tuple[int, ...]
    #: Those of `executable` that have not run and are not accepted.
    missing: tuple[int, ...]
    #: Those that have not run and are accepted, with the reason.
    accepted: Mapping[int, str]

    @property
    def counted(self) -> int:
        return len(self.executable) - len(self.accepted)

    def ranges(self) -> list[tuple[int, ...]]:
        """The missing lines; a run of them without another executable line between is one range."""
        found: list[tuple[int, ...]] = []
        for before, number in zip((0, *self.executable), self.executable, strict=False):
            if number in self.missing:
                joins = bool(found) and found[-1][-1] == before
                found[-1:] = [(*found[-1], number)] if joins else [*found[-1:], (number,)]
        return found


@dataclass(frozen=True, slots=True)
class Package:
    """The lines of one directory and those below it."""

    name: str
    files: tuple[File, ...]

    @property
    def counted(self) -> int:
        return sum(file.counted for file in self.files)

    @property
    def missing(self) -> int:
        return sum(len(file.missing) for file in self.files)

    @property
    def percent(self) -> float:
        """The share of the counted lines that have run; 0 for a package without lines."""
        return 100 * (1 - self.missing / self.counted) if self.counted else 0.0

    @property
    def is_enough(self) -> bool:
        return self.percent >= LEAST_PERCENT


def read_accepted(path: Path) -> list[Accepted]:
    """The entries of `accepted.toml`."""
    entries = tomllib.loads(path.read_text()).get("accepted", [])
    return [Accepted(**entry | {"lines": tuple(entry["lines"])}) for entry in entries]


def examine(
    root: Path, package: str, has_run: Mapping[str, AbstractSet[int]], accepted: list[Accepted]
) -> Package:
    """Compare the files of `package`, a directory below `root`, with what has run."""
    names = [path.relative_to(root).as_posix() for path in sorted((root / package).rglob("*.py"))]
    return Package(
        package, tuple(_examine(root, name, has_run.get(name, frozenset()), accepted) for name in names)
    )


def _examine(root: Path, name: str, has_run: AbstractSet[int], accepted: list[Accepted]) -> File:
    texts = tuple(line.strip() for line in (root / name).read_text().splitlines())
    reasons = {(a.within, text): a.reason for a in accepted if a.file == name for text in a.lines}
    can_run = executable(root / name)
    not_run = {
        number: (within, texts[number - 1]) for number, within in can_run.items() if number not in has_run
    }
    return File(
        name,
        texts,
        tuple(can_run),
        tuple(number for number, line in not_run.items() if line not in reasons),
        {number: reasons[line] for number, line in not_run.items() if line in reasons},
    )


def outdated(root: Path, accepted: list[Accepted]) -> Iterator[str]:
    """A sentence for each accepted line that is not in the code."""
    for entry in accepted:
        path = root / entry.file
        texts = [line.strip() for line in path.read_text().splitlines()] if path.exists() else []
        lines = executable(path) if texts else {}
        present = {texts[number - 1] for number, within in lines.items() if within == entry.within}
        for text in entry.lines:
            if text not in present:
                yield f"accepted.toml: {entry.file} has no line {text!r} in {entry.within!r} that can run."


def render(packages: list[Package]) -> Iterator[str]:
    """The report, line by line: the missing lines of each file, the accepted ones, and the shares."""
    files = [file for package in packages for file in package.files]
    for file in files:
        if file.missing:
            yield file.name if len(file.missing) < file.counted else f"{file.name} (never imported)"
            for numbers in file.ranges():
                yield from _render_range(file, numbers)
            yield ""
    for file in files:
        for number, reason in file.accepted.items():
            yield f"accepted: {file.name}:{number}  {file.texts[number - 1]}  ({reason})"
    for package in packages:
        accepted = sum(len(file.accepted) for file in package.files)
        yield (
            f"{package.name:<20} {package.percent:6.2f} %   {package.missing} of {package.counted} lines have not run"
            f"{f', and {accepted} accepted' if accepted else ''}"
        )


def _render_range(file: File, numbers: tuple[int, ...]) -> Iterator[str]:
    span = f"{numbers[0]}-{numbers[-1]}" if len(numbers) > 1 else f"{numbers[0]}"
    shown = numbers if len(numbers) <= SHOWN_LINES else numbers[:1]
    for number in shown:
        yield f"  {span if number == numbers[0] else '':>9}  {file.texts[number - 1]}"
    if len(shown) < len(numbers):
        yield f"  {'':>9}  … {len(numbers) - len(shown)} more"
