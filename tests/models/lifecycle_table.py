"""What an outcome may do to an order, as a table in plain Python: the specification of `decided` in settle.sql."""

from dataclasses import dataclass

from models.codes import Code
from models.status import RANKS, UNKNOWN_RANK, ExternalStatus, FailureReason, Kind, Result, kind_of


@dataclass(frozen=True, slots=True)
class Standing:
    """What deciding needs to know of an order."""

    status: str
    codes: tuple[Code, ...] = ()
    message: str | None = None
    failure_reason: str | None = None
    #: `status` of the storefront: another hand may have decided an order that is open here.
    by_hand: str = "pending"
    quantity: int = 1
    #: The gateway placed it. `status` of others is their system's own, also at their end.
    is_ours: bool = True


@dataclass(frozen=True, slots=True)
class Claim:
    """What an outcome claims about an order."""

    status: ExternalStatus
    codes: tuple[Code, ...] = ()
    message: str | None = None
    #: Our own decision, not the provider's: no outcome came in time.
    timed_out: bool = False
    #: It comes from a provider that had the order before, and refused it.
    is_former: bool = False


def decide(order: Standing, outcome: Claim) -> Result:
    """What `outcome` may do to `order`.

    models/settle.sql says the same in SQL, where it holds under concurrency; a test compares the two for every
    combination.
    """
    if outcome.is_former:
        return Result.CONFLICT if outcome.status is ExternalStatus.COMPLETED else Result.STALE
    kind = kind_of(order.status)
    if kind is Kind.OPEN:
        return _decide_open(order, outcome)
    if kind_of(outcome.status) is Kind.OPEN:
        return Result.STALE
    if kind is Kind.COMPLETED:
        return _decide_completed(order, outcome)
    return _decide_failed(order, outcome)


def _decide_open(order: Standing, outcome: Claim) -> Result:
    is_completed = outcome.status is ExternalStatus.COMPLETED
    is_timeout = outcome.status is ExternalStatus.FAILED and outcome.timed_out
    if is_timeout and (order.by_hand == "approved" or not order.is_ours):
        return Result.STALE
    if kind_of(outcome.status) is not Kind.OPEN and order.by_hand != "pending":
        agrees = is_completed is (order.by_hand == "approved")
        if not agrees:
            return Result.CONFLICT
    if is_completed and order.codes and outcome.codes and not _is_more(order, outcome):
        return Result.CONFLICT
    rank = RANKS.get(order.status.lower(), UNKNOWN_RANK)
    if RANKS[outcome.status] < rank:
        return Result.STALE
    says_more = outcome.message is not None and outcome.message != order.message
    if RANKS[outcome.status] == rank and not says_more:
        return Result.DUPLICATE
    return Result.APPLIED


def _decide_completed(order: Standing, outcome: Claim) -> Result:
    if outcome.status is ExternalStatus.REVERSED:
        return Result.APPLIED
    if outcome.status is ExternalStatus.FAILED:
        return Result.STALE if outcome.timed_out else Result.CONFLICT
    if not outcome.codes:
        return Result.DUPLICATE
    if not order.is_ours and order.by_hand == "rejected" and not _is_known(order, outcome):
        return Result.CONFLICT
    if not order.codes:
        return Result.APPLIED
    return _decide_codes(order, {code.code: code for code in outcome.codes})


def _is_known(order: Standing, outcome: Claim) -> bool:
    return {code.code for code in outcome.codes} <= {code.code for code in order.codes}


def _is_more(order: Standing, outcome: Claim) -> bool:
    """Whether the codes are those that the order has, or these and more that fit."""
    given, known = {code.code for code in outcome.codes}, {code.code for code in order.codes}
    return given <= known or (given >= known and len(given) <= order.quantity)


def _decide_codes(order: Standing, given: dict[str, Code]) -> Result:
    known = {code.code: code for code in order.codes}
    if given.keys() <= known.keys():
        fills = any(code.serial and not known[name].serial for name, code in given.items())
        return Result.APPLIED if fills else Result.DUPLICATE
    fits = len(given.keys() | known.keys()) <= order.quantity
    return Result.APPLIED if given.keys() >= known.keys() and fits else Result.CONFLICT


def _decide_failed(order: Standing, outcome: Claim) -> Result:
    if outcome.status is not ExternalStatus.COMPLETED:
        return Result.DUPLICATE
    is_failed = kind_of(order.status) is Kind.FAILED
    if is_failed and order.failure_reason == FailureReason.TIMEOUT:
        return Result.APPLIED
    is_approved = is_failed and not order.is_ours and order.by_hand == "approved"
    return (
        Result.APPLIED if is_approved and (not order.codes or _is_known(order, outcome)) else Result.CONFLICT
    )
