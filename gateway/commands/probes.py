"""What the checks of `gateway doctor` have in common: each probe asks one question and returns findings."""

import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import peewee
import redis

from gateway.commands.context import GRANTS, first_line
from models.db import database, sealed

#: Time limit of a probe, in seconds.
PROBE_SECONDS = 5.0
#: Class of the SQLSTATEs of a server without disk, memory or connections.
OUT_OF_RESOURCES = "53"


class Status(StrEnum):
    """The result of a check."""

    OK = "ok"
    #: Works, but needs a look.
    WARNING = "warning"
    FAILED = "failed"
    #: Unknown, because something it needs has failed.
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the doctor's report."""

    name: str
    status: Status
    detail: str
    #: What to do about it.
    next: str | None = None

    @property
    def is_well(self) -> bool:
        """Whether what needs it can be asked."""
        return self.status in (Status.OK, Status.WARNING)


Probe = Callable[[], Sequence[Finding]]


#: What to do if a probe itself fails, by the kind of error.
ADVICE: tuple[tuple[tuple[type[Exception], ...], str], ...] = (
    (database.UNAVAILABLE, "check that DATABASE_URL is right and the server is running"),
    ((redis.RedisError,), "check that REDIS_URL is right and the server is running"),
    ((peewee.ProgrammingError,), "run: gateway migrate"),
    ((sealed.NoKeyOpens,), sealed.NoKeyOpens.cure),
    ((sealed.Unsealable,), sealed.Unsealable.cure),
)


@dataclass(frozen=True, slots=True)
class Check:
    """A probe, and the checks without which its answer would name the wrong cause."""

    name: str
    probe: Probe
    needs: tuple[str, ...] = ()
    timeout_seconds: float = PROBE_SECONDS


def run(checks: Sequence[Check]) -> list[Finding]:
    """Run them, side by side where they do not need each other.

    What needs one that failed is not asked: it would fail too, and hide the cause.
    """
    found: dict[str, list[Finding]] = {}
    waiting = list(checks)
    while waiting:
        ready = [check for check in waiting if all(need in found for need in check.needs)]
        waiting = [check for check in waiting if check not in ready]
        blocked = {check.name: _unknown(check, found) for check in ready}
        found |= {name: [finding] for name, finding in blocked.items() if finding}
        found |= together([check for check in ready if not blocked[check.name]])
    return [finding for check in checks for finding in found[check.name]]


def _unknown(check: Check, found: Mapping[str, Sequence[Finding]]) -> Finding | None:
    """What is said of a check that cannot be asked, with the first cause; None if it can."""
    for need in check.needs:
        for finding in found[need]:
            if finding.status is Status.UNKNOWN:
                return Finding(check.name, Status.UNKNOWN, finding.detail, finding.next)
            if not finding.is_well:
                cause = need.removesuffix(" writes")
                return Finding(check.name, Status.UNKNOWN, f"unknown without the {cause}", "fix that first")
    return None


def together(checks: Sequence[Check]) -> dict[str, list[Finding]]:
    """Run all at once, each in a thread of its own; one that takes longer than its timeout has failed."""
    began = time.monotonic()
    answers = [(check, _asked(check.name, check.probe)) for check in checks]
    return {check.name: _answer(check, answer, began + check.timeout_seconds) for check, answer in answers}


def _asked(name: str, probe: Probe) -> "queue.SimpleQueue[list[Finding]]":
    answer: queue.SimpleQueue[list[Finding]] = queue.SimpleQueue()
    threading.Thread(target=lambda: answer.put(_safely(name, probe)), name=name, daemon=True).start()
    return answer


def _answer(check: Check, answer: "queue.SimpleQueue[list[Finding]]", deadline: float) -> list[Finding]:
    try:
        return answer.get(timeout=max(0.0, deadline - time.monotonic()))
    except queue.Empty:
        late = f"no answer within {check.timeout_seconds:.15g} s"
        return [Finding(check.name, Status.FAILED, late, "check whether it is overloaded")]


def _safely(name: str, probe: Probe) -> list[Finding]:
    try:
        return list(probe())
    except Exception as error:
        return [Finding(name, Status.FAILED, first_line(error), _advice(error))]


def _advice(error: Exception) -> str:
    """What to do if a probe itself fails."""
    state = database.sqlstate(error) or ""
    if state.startswith(OUT_OF_RESOURCES):
        return "the database server is out of disk, memory or connections: make room there"
    if state == database.NOT_PERMITTED:
        return GRANTS
    return next((advice for kinds, advice in ADVICE if isinstance(error, kinds)), "see the logs")
