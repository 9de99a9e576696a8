"""The figures of one run, and their table: medians, ratios to what they are held against, and what was wanted."""

import platform
import statistics
from collections import defaultdict
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import psutil

OURS = "Referans"
PACKAGES = (
    "gunicorn",
    "gevent",
    "falcon",
    "psycopg2-binary",
    "dramatiq",
    "redis",
    "django",
    "celery",
    "fastapi",
    "asyncpg",
    "uvicorn",
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A bound on a figure, or on the ratio of ours to it."""

    bound: float
    at_most: bool
    of_ratio: bool

    def __str__(self) -> str:
        return f"{'≤' if self.at_most else '≥'} {self.bound:.15g}"

    def is_met_by(self, value: float) -> bool:
        return value <= self.bound if self.at_most else value >= self.bound


class Report:
    """Figures by what they measure and whose they are."""

    def __init__(self) -> None:
        self._figures: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
        self._wanted: dict[tuple[str, str], Wanted] = {}
        self._plans: dict[str, str] = {}

    def add(self, what: str, whose: str, figure: float) -> None:
        """One more measurement; it is also printed, so that long work shows its progress."""
        self._figures[what][whose].append(figure)
        print(f"  {what}: {whose}: {figure:,.2f}", flush=True)

    def want(
        self, what: str, whose: str, *, at_least: float | None = None, at_most: float | None = None
    ) -> None:
        """A bound on that figure itself."""
        self._want(what, whose, at_least, at_most, of_ratio=False)

    def want_ratio(
        self, what: str, whose: str, *, at_least: float | None = None, at_most: float | None = None
    ) -> None:
        """A bound on our figure, divided by that one."""
        self._want(what, whose, at_least, at_most, of_ratio=True)

    def _want(
        self, what: str, whose: str, at_least: float | None, at_most: float | None, *, of_ratio: bool
    ) -> None:
        bound = at_least if at_least is not None else at_most
        assert bound is not None
        self._wanted[what, whose] = Wanted(bound, at_least is None, of_ratio)

    def add_plan(self, name: str, plan: str) -> None:
        """What EXPLAIN says of a statement."""
        self._plans[name] = plan

    def names(self, what: str) -> list[str]:
        """The contestants with figures."""
        return list(self._figures[what])

    def median(self, what: str, whose: str) -> float:
        """Of all rounds."""
        return statistics.median(self._figures[what][whose])

    def table(self) -> str:
        """In Markdown."""
        lines = [
            "| figure | of | median | rounds | ours / theirs | wanted | |",
            "|---|---|---|---|---|---|---|",
        ]
        lines += [self._line(what, whose) for what, by_whom in self._figures.items() for whose in by_whom]
        return "\n".join(lines)

    def _line(self, what: str, whose: str) -> str:
        figures, median = self._figures[what][whose], self.median(what, whose)
        has_ratio = whose != OURS and OURS in self._figures[what] and median
        ratio = self.median(what, OURS) / median if has_ratio else None
        wanted = self._wanted.get((what, whose))
        value = ratio if wanted and wanted.of_ratio else median
        met = "" if wanted is None or value is None else "met" if wanted.is_met_by(value) else "**missed**"
        shown = "" if ratio is None else f"{ratio:.2f}"
        return f"| {what} | {whose} | {_number(median)} | {len(figures)} | {shown} | {wanted or ''} | {met} |"

    def document(self, postgres: str, words: str) -> str:
        """The page of the documentation."""
        versions = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
        machine = (
            f"{platform.machine()}, {psutil.cpu_count()} cores, {psutil.virtual_memory().total >> 30} GiB"
        )
        plans = "\n\n".join(f"### {name}\n\n```\n{plan}\n```" for name, plan in self._plans.items())
        return (
            f"{words}\n\n{self.table()}\n\n## Machine and versions\n\n{machine}; Python {platform.python_version()};"
            f" {postgres}; {versions}.\n\n## Plans\n\n{plans}\n"
        )


def write(path: Path, text: str) -> None:
    """Replace the page; the part behind the mark is written by people and stays."""
    mark = "<!-- written by hand from here -->"
    kept = path.read_text().partition(mark)[2] if path.exists() else "\n"
    path.write_text(f"{text}\n{mark}{kept}")


def _number(figure: float) -> str:
    return f"{figure:,.0f}" if figure >= 100 else f"{figure:.2f}"
