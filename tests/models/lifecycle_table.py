"""What an outcome may do to an order, as a table in plain Python: the specification of `decided` in settle.sql."""

from dataclasses import dataclass

from models.status import KINDS, RANKS, ExternalStatus, FailureReason, Kind, Result


@dataclass(frozen=True, slots=True)
class Standing:
    """What deciding needs to know of an order."""

    status: str
    pin: str | None = None
    message: str | None = None
    failure_reason: str | None = None


@dataclass(frozen=True, slots=True)
class Claim:
    """What an outcome claims about an order."""

    status: ExternalStatus
    pin: str | None = None
    message: str | None = None
    #: Our own decision, not the provider's: no outcome came in time.
    timed_out: bool = False


def decide(order: Standing, outcome: Claim) -> Result:
    """What `outcome` may do to `order`.

    models/settle.sql says the same in SQL, where it holds under concurrency; a test compares the two for every
    combination.
    """
    if KINDS[order.status] is Kind.OPEN:
        return _decide_open(order, outcome)
    if KINDS[outcome.status] is Kind.OPEN:
        return Result.STALE
    if KINDS[order.status] is Kind.COMPLETED:
        return _decide_completed(order, outcome)
    return _decide_failed(order, outcome)


def _decide_open(order: Standing, outcome: Claim) -> Result:
    if RANKS[outcome.status] < RANKS[order.status]:
        return Result.STALE
    says_more = outcome.message is not None and outcome.message != order.message
    if RANKS[outcome.status] == RANKS[order.status] and not says_more:
        return Result.DUPLICATE
    return Result.APPLIED


def _decide_completed(order: Standing, outcome: Claim) -> Result:
    if outcome.status is ExternalStatus.FAILED:
        return Result.STALE if outcome.timed_out else Result.CONFLICT
    if outcome.pin is None or outcome.pin == order.pin:
        return Result.DUPLICATE
    return Result.CONFLICT if order.pin else Result.APPLIED


def _decide_failed(order: Standing, outcome: Claim) -> Result:
    if outcome.status is ExternalStatus.FAILED:
        return Result.DUPLICATE
    return Result.APPLIED if order.failure_reason == FailureReason.TIMEOUT else Result.CONFLICT
