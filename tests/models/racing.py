"""What processes do that race for the same orders; each runs `race` in a Python of its own."""

from collections import Counter
from collections.abc import Callable
from typing import Any

from models import claims, order, resolving, unsent
from models.codes import Code
from models.db import database
from models.outcome import Arrival, Outcome
from models.resolving import ChangedMeanwhile, Decision, NotPossible
from models.status import ExternalStatus, FailureReason, Source
from tests import factories
from tests.conftest import KEY

#: Processes that race.
RACERS = 3


def _callback(one: dict[str, Any], status: ExternalStatus, pin: str | None, key: str) -> str:
    outcome = Outcome(status, one["provider_referans"], codes=(Code(pin),) if pin else ())
    arrival = Arrival(factories.SANDBOX, Source.CALLBACK, outcome, dedupe_key=f"{one['id']}/{key}", raw="{}")
    return _settle(arrival)


def _settle(arrival: Arrival) -> str:
    settled = order.settle([arrival], order_timeout_seconds=factories.ORDER_TIMEOUT_SECONDS)
    return str(settled[0].result)


def same_callback(one: dict[str, Any], racer: int) -> str:
    """A provider that calls two web processes back at once."""
    return _callback(one, ExternalStatus.COMPLETED, "PIN-0", "same")


def two_pins(one: dict[str, Any], racer: int) -> str:
    """Two deliveries that contradict each other."""
    return _callback(one, ExternalStatus.COMPLETED, f"PIN-{racer}", f"{racer}")


def success_and_failure(one: dict[str, Any], racer: int) -> str:
    """One says yes, the others say no."""
    status = ExternalStatus.FAILED if racer else ExternalStatus.COMPLETED
    return _callback(one, status, None if racer else "PIN-0", f"{racer}")


def success_and_timeout(one: dict[str, Any], racer: int) -> str:
    """The callback comes in the moment in which the order is given up."""
    if racer == 0:
        return _callback(one, ExternalStatus.COMPLETED, "PIN-0", "late")
    expired = Outcome(ExternalStatus.FAILED, message="no outcome in time")
    reason = FailureReason.TIMEOUT
    return _settle(
        Arrival(factories.SANDBOX, Source.SWEEP, expired, order_id=one["id"], failure_reason=reason)
    )


def callback_and_check(one: dict[str, Any], racer: int) -> str:
    """The callback comes while a check brings the same."""
    if racer == 0:
        return _callback(one, ExternalStatus.COMPLETED, "PIN-0", "callback")
    found = Outcome(ExternalStatus.COMPLETED, one["provider_referans"], codes=(Code("PIN-0"),))
    return _settle(Arrival(factories.SANDBOX, Source.POLL, found, order_id=one["id"]))


def dispatch_claims(one: dict[str, Any], racer: int) -> str:
    """A message that came twice."""
    return "won" if claims.claim_dispatch(one["id"], 60) else "lost"


def dispatch_and_cancel(one: dict[str, Any], racer: int) -> str:
    """The storefront takes the order back in the moment in which it is sent."""
    won = claims.claim_dispatch(one["id"], 60) if racer else _cancel(one["id"])
    return "won" if won else "lost"


def dispatch_and_give_up(one: dict[str, Any], racer: int) -> str:
    """A provider takes the order in the moment in which its time is up."""
    won = claims.claim_dispatch(one["id"], 60) if racer else unsent.give_up(one["id"], 0, "no provider")
    return "won" if won else "lost"


def _cancel(order_id: str) -> bool:
    return unsent.cancel(order_id, "tests", order_timeout_seconds=factories.ORDER_TIMEOUT_SECONDS)


def check_claims(one: dict[str, Any], racer: int) -> str:
    """A check that two messages ask for."""
    claimed = claims.claim_check(
        one["id"], [60.0], trust_seconds=600, order_timeout_seconds=86400, grace_seconds=60
    )
    return "won" if claimed else "lost"


#: What the person before each racer does.
ACTS: tuple[Callable[..., Decision], ...] = (resolving.complete, resolving.fail, resolving.reverse)


def _decide(act: Callable[..., Decision], one: dict[str, Any], racer: int, **given: Any) -> str:
    """By a person who has seen the order as it stood before the race."""
    try:
        made = act(one["id"], by=f"person {racer}", reason="a race", seen=one["version"], **given)
    except ChangedMeanwhile:
        return "told"
    return "decided" if made.changed else "nothing"


def people(one: dict[str, Any], racer: int) -> str:
    """Three people decide the same order, each another end."""
    return _decide(ACTS[racer], one, racer)


def people_who_dismiss(one: dict[str, Any], racer: int) -> str:
    """Of three people two dismiss what the third fails."""
    return _decide(resolving.dismiss if racer else resolving.fail, one, racer)


def people_who_accept(one: dict[str, Any], racer: int) -> str:
    """Three people accept the same outcome."""
    return _decide(resolving.accept, one, racer)


def people_who_resend(one: dict[str, Any], racer: int) -> str:
    """Three people have the same order sent again."""
    return _decide(resolving.resend, one, racer, may_buy_twice=True)


def person_and_callback(one: dict[str, Any], racer: int) -> str:
    """A person fails the order in the moment in which its provider delivers, and another has it sent again."""
    if racer == 0:
        return _callback(one, ExternalStatus.COMPLETED, "PIN-0", "delivered")
    act = resolving.fail if racer == 1 else resolving.resend
    return _decide(act, one, racer, **({"may_buy_twice": True} if racer == 2 else {}))


def person_and_claim(one: dict[str, Any], racer: int) -> str:
    """A person fails the order in the moment in which a worker takes it for sending."""
    if racer:
        for _ in range(
            racer
        ):  # a person's decision reads first too: without it the worker nearly always wins
            resolving.version(one["id"])
        return dispatch_claims(one, racer)
    try:
        return _decide(resolving.fail, one, racer)
    except NotPossible:
        return "told"


#: Each takes an order as `factories` makes it and the number of the racer.
DISCIPLINES = {
    act.__name__: act
    for act in (
        same_callback,
        two_pins,
        success_and_failure,
        success_and_timeout,
        callback_and_check,
        dispatch_claims,
        dispatch_and_cancel,
        dispatch_and_give_up,
        check_claims,
        people,
        people_who_dismiss,
        people_who_accept,
        people_who_resend,
        person_and_callback,
        person_and_claim,
    )
}


def race(
    database_url: str, racer: int, heats: list[tuple[str, dict[str, Any]]], start: Any, results: Any
) -> None:
    """Take part in every heat, each at the same instant as all other racers, and hand in what came of it."""
    got = []
    turns: Counter[str] = Counter()
    with factories.bound(database_url, pool_size=1, keys=[KEY]):
        for discipline, one in heats:
            start.wait(60)
            # Who is woken first would otherwise play the same part each time.
            got.append(DISCIPLINES[discipline](one, (racer + turns[discipline]) % RACERS))
            turns[discipline] += 1
    results.put((racer, got))


def reset(ids: list[str]) -> None:
    """Let these orders' checks be due."""
    database.rows(
        "UPDATE product_orders SET \"nextCheckAt\" = now() - interval '1 s' WHERE id = ANY (%s::uuid[])",
        (ids,),
    )
