"""Asking a provider about an order of which it has not told us."""

import dramatiq

from actors.backoff import Backoff
from actors.dispatch import assigned_to, send, settle, task_of
from actors.permits import one_call
from actors.queue import enqueue_check, worth_retrying
from actors.setup import client, dispatch_grace_seconds, settings
from gateway import log, providers
from gateway.broker import QUEUES
from gateway.providers.base import NoAnswer, ProviderError, UnknownReference
from models import claims, order, plans, provider, timeline
from models.claims import ClaimedCheck
from models.db import database
from models.outcome import Arrival, Outcome
from models.provider import Assigned, Provider
from models.status import ExternalStatus, FailureReason, Source, is_open

logger = log.get(__name__)

backoff = Backoff(
    settings.backoff_min, settings.backoff_max, settings.max_checks, settings.slow_check_interval
)


@dramatiq.actor(queue_name=QUEUES["check_order_status"], priority=10, retry_when=worth_retrying)
def check_order_status(order_id: str) -> None:
    """Ask the provider, if the order's check is due; then wait for the next one as the plan says.

    A message that comes twice, early or late finds nothing due and ends here.
    """
    assigned = assigned_to(order_id)
    if assigned is None:
        _cannot_ask(order_id)
        return
    if not assigned.is_due:
        return
    with one_call(assigned.provider):
        claimed = _claim_for(assigned, order_id)
        is_open = claimed is not None and _ask(claimed, assigned)
    if claimed and is_open and claimed.next_check_seconds is not None:
        enqueue_check(order_id, claimed.next_check_seconds)


def _claim_for(assigned: Assigned, order_id: str) -> ClaimedCheck | None:
    with database.session():
        if assigned.is_down and _has_to_wait(assigned.provider, order_id):
            return None
        return _claim(order_id, assigned.provider.id)


def _has_to_wait(account: Provider, order_id: str) -> bool:
    """Its provider is down, and another check is the probe."""
    return not provider.admits(account.id, settings.backoff_min) and plans.postpone(
        order_id, settings.backoff_min, settings.order_timeout
    )


def _claim(order_id: str, provider_id: str | None) -> ClaimedCheck | None:
    return claims.claim_check(
        order_id,
        backoff.delays_seconds(),
        trust_seconds=settings.callback_trust,
        order_timeout_seconds=settings.order_timeout,
        grace_seconds=dispatch_grace_seconds,
        provider_id=provider_id,
    )


def _cannot_ask(order_id: str) -> None:
    """There is nobody to ask, and the order still fails when its time is up."""
    with database.session():
        claimed = _claim(order_id, None)
        if claimed:
            note = f"not checked: {claimed.provider_id} is no provider that can be used; see: gateway doctor"
            timeline.record(order_id, Source.POLL, note)
    if claimed and claimed.expired:
        _expire(claimed)


def _ask(claimed: ClaimedCheck, assigned: Assigned) -> bool:
    """Ask, and settle what comes. Whether the order is still open, and this was not its last check."""
    log.bind(provider_id=assigned.provider.id)
    if _send_again(claimed, assigned.provider):
        return False
    try:
        outcome = providers.check(assigned.provider, client, task_of(claimed))
    except UnknownReference as error:
        is_open = _unknown(claimed, assigned, str(error))
    except ProviderError as error:
        is_open = _learned_nothing(claimed, assigned, error)
    else:
        is_open = _learned(claimed, assigned, outcome)
    return _expire(claimed) if is_open and claimed.expired else is_open


def _learned(claimed: ClaimedCheck, assigned: Assigned, outcome: Outcome) -> bool:
    note = f"checked ({claimed.check_count}): {outcome.status}" + (
        f", {outcome.message}" if outcome.message else ""
    )
    arrival = Arrival(assigned.provider.id, Source.POLL, outcome, order_id=claimed.id, note=note)
    with database.session():
        settled = settle([arrival])[0]
        _answered(assigned)
    logger.info(
        "The provider answered the check.", action="checked", result=settled.result, status=outcome.status
    )
    return is_open(settled.went_to)


def _learned_nothing(claimed: ClaimedCheck, assigned: Assigned, error: ProviderError) -> bool:
    with database.session():
        if isinstance(error, NoAnswer):
            provider.failed(assigned.provider.id, str(error), settings.backoff_min)
        else:
            _answered(assigned)
        note = f"checked ({claimed.check_count}), nothing learned: {error}"
        timeline.record(claimed.id, Source.POLL, note)
    logger.warning("The check brought no outcome.", action="check_failed", error=str(error))
    return is_open(claimed.external_status)


def _answered(assigned: Assigned) -> None:
    """Its failures end; where there were none when we began there is nothing to write."""
    if assigned.failures:
        provider.answered(assigned.provider.id)


def _unknown(claimed: ClaimedCheck, assigned: Assigned, answer: str) -> bool:
    """Only an order in doubt is sent again, and only after two such answers, BACKOFF_MIN apart."""
    is_open = _learned_nothing(claimed, assigned, UnknownReference(answer))
    with database.session():
        claims.unknown_to_provider(claimed.id, settings.backoff_min, assigned.provider.id)
    return is_open and not _send_again(claimed, assigned.provider)


def _send_again(claimed: ClaimedCheck, account: Provider) -> bool:
    """Send an order that is certainly not at the provider. What comes after is planned by the send."""
    if claimed.external_status != ExternalStatus.PENDING or claimed.expired:
        return False
    with database.session():
        again = claims.claim_resend(claimed.id, dispatch_grace_seconds, account.id)
    if again:
        send(again, account)
    return again is not None


def _expire(claimed: ClaimedCheck) -> bool:
    """The last check brought no outcome in time. A success that comes later is still let in."""
    message = f"no outcome within {settings.order_timeout:g} s of sending"
    outcome = Outcome(ExternalStatus.FAILED, message=message)
    expired = Arrival(
        claimed.provider_id,
        Source.SWEEP,
        outcome,
        order_id=claimed.id,
        failure_reason=FailureReason.TIMEOUT,
        note=f"timeout: {message}, one last check included",
    )
    with database.session():
        settled: list[order.Settled] = settle([expired])
    logger.warning("The order timed out.", action="expired", result=settled[0].result)
    return False
