"""Which faults are due, under way and over."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.acceptance.storm.faults import FAULTS, Script
from tests.acceptance.storm.plan import PlannedFault
from tests.acceptance.storm.stage import Stage


@dataclass(frozen=True, slots=True)
class UnderWay:
    """A fault that has begun, and when (in seconds of the storm) its script goes on."""

    resume_at: float
    planned: PlannedFault
    script: Script


@dataclass
class Weather:
    """One thread runs every fault, so that every process it starts has a parent that stays."""

    stage: Stage
    waiting: list[PlannedFault]
    echo: Callable[[str], None]
    under_way: list[UnderWay] = field(default_factory=list)
    #: How many of each kind have ended.
    injected: Counter[str] = field(default_factory=Counter)

    def step(self, now_seconds: float) -> None:
        """Begin what is due, as soon as nothing else happens to its targets, and go on with the rest."""
        for due in [one for one in self.waiting if one.at_seconds <= now_seconds]:
            if self._may(due):
                self.waiting.remove(due)
                self.echo(due.kind)
                script = FAULTS[due.kind].run(self.stage, due.chance)
                self.under_way.append(UnderWay(now_seconds, due, script))
        self.under_way = [each for one in self.under_way if (each := self._go_on(one, now_seconds))]

    def is_over(self) -> bool:
        """Whether everything planned has happened and is mended."""
        return not self.waiting and not self.under_way

    def _may(self, fault: PlannedFault) -> bool:
        busy = (FAULTS[other.planned.kind].targets for other in self.under_way)
        return FAULTS[fault.kind].targets.isdisjoint(frozenset[str]().union(*busy))

    def _go_on(self, fault: UnderWay, now_seconds: float) -> UnderWay | None:
        if now_seconds < fault.resume_at:
            return fault
        pause_seconds = next(fault.script, None)
        if pause_seconds is not None:
            return UnderWay(now_seconds + pause_seconds, fault.planned, fault.script)
        self.injected[fault.planned.kind] += 1
        return None
