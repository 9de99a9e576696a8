"""Runs a parser on many inputs, and tells what must not be."""

import gc
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import psutil

from tests.acceptance.fuzz.mutating import inputs

#: Seconds of processor time that one input may take; of some tries the shortest counts.
MOST_SECONDS, TRIES = 0.5, 3
#: MiB by which the process may grow.
MOST_MIB = 50
#: Share of the inputs after which growth is measured: before, caches fill.
WARM_SHARE = 0.05
#: Bytes of an input that a fault shows.
SHOWN_BYTES = 300
HEAD = f"{'parser':<34}{'inputs':>8}{'read':>8}{'refused':>8}{'faults':>8}{'slowest ms':>11}{'growth MiB':>11}{'s':>6}"


@dataclass(frozen=True)
class Parser:
    """Something that reads what comes from outside."""

    name: str
    samples: Sequence[bytes]
    read: Callable[[bytes], object]
    #: Its own errors; any other is a fault.
    errors: tuple[type[BaseException], ...] = ()
    #: Bytes of the largest input that reaches it.
    most_bytes: int = 64 * 1024


@dataclass
class Report:
    """What came of the inputs of one parser."""

    name: str
    inputs: int = 0
    read: int = 0
    slowest_seconds: float = 0.0
    growth_mib: float = 0.0
    seconds: float = 0.0
    refused: Counter[str] = field(default_factory=Counter)
    #: Where errors came from that are not the parser's own, how often, and the first input of each.
    raised: Counter[str] = field(default_factory=Counter)
    first: dict[str, bytes] = field(default_factory=dict)

    def faults(self) -> Iterator[str]:
        """What must not be."""
        for place, many in self.raised.most_common():
            yield f"{self.name}: {place}, {many} times, first of {self.first[place][:SHOWN_BYTES]!r}"
        if self.growth_mib > MOST_MIB:
            yield f"{self.name}: the process grew by {self.growth_mib:.0f} MiB"

    def row(self) -> str:
        """A line of the table."""
        return (
            f"{self.name:<34}{self.inputs:>8}{self.read:>8}{self.refused.total():>8}{self.raised.total():>8}"
            f"{1000 * self.slowest_seconds:>11.1f}{self.growth_mib:>11.1f}{self.seconds:>6.0f}"
        )


def run(parser: Parser, seed: object, count: int) -> Report:
    """Let the parser read `count` inputs."""
    report, begun = Report(parser.name), time.monotonic()
    made = inputs(parser.samples, f"{seed} {parser.name}", count, parser.most_bytes)
    _read_all(parser, (next(made) for _ in range(int(count * WARM_SHARE))), report)
    before = _mib()
    _read_all(parser, made, report)
    report.growth_mib = max(0.0, _mib() - before)
    report.seconds = time.monotonic() - begun
    return report


def _read_all(parser: Parser, made: Iterable[bytes], report: Report) -> None:
    for data in made:
        report.inputs += 1
        seconds = _read(parser, data, report)
        if seconds > MOST_SECONDS:
            quiet = Report(parser.name)
            seconds = min(seconds, *(_read(parser, data, quiet) for _ in range(TRIES - 1)))
        report.slowest_seconds = max(report.slowest_seconds, seconds)
        if seconds > MOST_SECONDS:
            _fault(report, f"took {seconds:.1f} s", data)


def _read(parser: Parser, data: bytes, report: Report) -> float:
    """Seconds of processor time."""
    begun = time.process_time()
    try:
        parser.read(data)
        report.read += 1
    except parser.errors as error:
        report.refused[type(error).__name__] += 1
    except Exception as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        _fault(report, f"{type(error).__name__} from {last.filename.rpartition('/')[2]}:{last.lineno}", data)
    return time.process_time() - begun


def _fault(report: Report, place: str, data: bytes) -> None:
    report.raised[place] += 1
    report.first.setdefault(place, data)


def _mib() -> float:
    gc.collect()
    return float(psutil.Process().memory_info().rss) / 2**20
