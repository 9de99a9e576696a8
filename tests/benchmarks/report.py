"""The figures of one run, and their table: medians, and ratios to what they are held against."""

import platform
import statistics
from collections import defaultdict
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
)
PACKAGES += ("asyncpg", "uvicorn")


class Report:
    """Figures by what they measure and whose they are."""

    def __init__(self) -> None:
        self._figures: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
        self._plans: dict[str, str] = {}

    def add(self, what: str, whose: str, figure: float) -> None:
        """One more measurement; it is also printed, so that long work shows its progress."""
        self._figures[what][whose].append(figure)
        print(f"  {what}: {whose}: {figure:,.2f}", flush=True)

    def add_plan(self, name: str, plan: str) -> None:
        """What EXPLAIN says of a statement."""
        self._plans[name] = plan

    def median(self, what: str, whose: str) -> float:
        """Of all rounds."""
        return statistics.median(self._figures[what][whose])

    def table(self) -> str:
        """In Markdown."""
        lines = ["| figure | of | median | rounds | ours / theirs |", "|---|---|---|---|---|"]
        for what, by_whom in self._figures.items():
            ours = statistics.median(by_whom[OURS]) if OURS in by_whom else None
            for whose, figures in by_whom.items():
                median = statistics.median(figures)
                ratio = f"{ours / median:.2f}" if ours and whose != OURS else ""
                lines.append(f"| {what} | {whose} | {_number(median)} | {len(figures)} | {ratio} |")
        return "\n".join(lines)

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
