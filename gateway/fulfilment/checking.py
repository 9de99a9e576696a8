"""Asking a provider for an order whose outcome it has not reported."""

from gateway import log, providers
from gateway.fulfilment import routing
from gateway.fulfilment.dispatching import send, task_of
from gateway.fulfilment.worker import Worker
from gateway.providers.base import NoAnswer, ProviderError, UnknownReference
from models import claims, plans, provider, timeline
from models.claims import ClaimedCheck
from models.db import database
from models.outcome import Arrival, Outcome
from models.provider import Assigned, Provider
from models.status import OPEN_STATUSES, ExternalStatus, FailureReason, Source

logger = log.get(__name__)


def check(worker: Worker, order_id: str) -> None:
    """Ask the provider, if the order's check is due. Raises Busy, redis.RedisError.

    A message that comes twice, early or late finds nothing due and ends here.
    """
    assigned = routing.of_order(worker, order_id)
    if assigned is None:
        _cannot_ask(worker, order_id)
        return
    if not assigned.is_due:
        return
    with worker.permits.one_call(assigned.provider):
        with database.session():
            if assigned.is_down and _must_wait(worker, assigned.provider, order_id):
                return
            claimed = _claim(worker, order_id, assigned.provider.id)
        is_open = claimed is not None and _ask(worker, claimed, assigned)
    if claimed and is_open and claimed.next_check_seconds is not None:
        worker.hints.check_later(order_id, claimed.next_check_seconds)


def _must_wait(worker: Worker, account: Provider, order_id: str) -> bool:
    """Whether the order's check was put off: its provider is down, and another check is the probe."""
    backoff_min = worker.settings.backoff_min
    return not provider.admits(account.id, backoff_min) and plans.postpone(
        order_id, backoff_min, worker.settings.order_timeout
    )


def _claim(worker: Worker, order_id: str, provider_id: str | None) -> ClaimedCheck | None:
    return claims.claim_check(
        order_id,
        worker.backoff.delays_seconds(worker.uniform),
        trust_seconds=worker.settings.callback_trust,
        order_timeout_seconds=worker.settings.order_timeout,
        grace_seconds=worker.dispatch_grace_seconds,
        provider_id=provider_id,
    )


def _cannot_ask(worker: Worker, order_id: str) -> None:
    """No provider can be asked. The order still fails when its time is up."""
    with database.session():
        claimed = _claim(worker, order_id, None)
        if claimed:
            note = f"not checked: the provider {claimed.provider_id} cannot be used; see: gateway doctor"
            timeline.record(order_id, Source.POLL, note)
    if claimed and claimed.expired:
        _expire(worker, claimed)


def _ask(worker: Worker, claimed: ClaimedCheck, assigned: Assigned) -> bool:
    """Ask, and settle the answer. Whether the order is still open, and this was not its last check."""
    log.bind(provider_id=assigned.provider.id)
    if _send_again(worker, claimed, assigned.provider):
        return False
    try:
        outcome = providers.check(assigned.provider, worker.client, task_of(claimed))
    except UnknownReference as error:
        is_open = _unknown(worker, claimed, assigned, error)
    except ProviderError as error:
        is_open = _learned_nothing(worker, claimed, assigned, error)
    else:
        is_open = _learned(worker, claimed, assigned, outcome)
    if is_open and claimed.expired:
        _expire(worker, claimed)
        return False
    return is_open


def _learned(worker: Worker, claimed: ClaimedCheck, assigned: Assigned, outcome: Outcome) -> bool:
    said = f", {outcome.message}" if outcome.message else ""
    note = f"checked ({claimed.check_count}): {outcome.status}{said}"
    arrival = Arrival(assigned.provider.id, Source.POLL, outcome, order_id=claimed.id, note=note)
    with database.session():
        settled = worker.settle([arrival])[0]
        _note_answer(assigned)
    logger.info(
        "The provider answered the check.", action="checked", result=settled.result, status=outcome.status
    )
    return settled.went_to in OPEN_STATUSES


def _learned_nothing(worker: Worker, claimed: ClaimedCheck, assigned: Assigned, error: ProviderError) -> bool:
    with database.session():
        if isinstance(error, NoAnswer):
            provider.failed(assigned.provider.id, str(error), worker.settings.backoff_min)
        else:
            _note_answer(assigned)
        note = f"checked ({claimed.check_count}), nothing learned: {error}"
        timeline.record(claimed.id, Source.POLL, note)
    logger.warning("The check brought no outcome.", action="check_failed", error=str(error))
    return claimed.external_status in OPEN_STATUSES


def _note_answer(assigned: Assigned) -> None:
    """The provider is up. Nothing is written if it had no failures when the check began."""
    if assigned.failures:
        provider.answered(assigned.provider.id)


def _unknown(worker: Worker, claimed: ClaimedCheck, assigned: Assigned, error: UnknownReference) -> bool:
    """Only an order in doubt is sent again, and only after two such answers, BACKOFF_MIN apart."""
    is_open = _learned_nothing(worker, claimed, assigned, error)
    with database.session():
        claims.unknown_to_provider(claimed.id, worker.settings.backoff_min, assigned.provider.id)
    return is_open and not _send_again(worker, claimed, assigned.provider)


def _send_again(worker: Worker, claimed: ClaimedCheck, account: Provider) -> bool:
    """Send an order that is certainly not at the provider; whether it was. The send plans what comes after."""
    if claimed.external_status != ExternalStatus.PENDING or claimed.expired:
        return False
    with database.session():
        again = claims.claim_resend(claimed.id, worker.dispatch_grace_seconds, account.id)
    if again:
        send(worker, again, account)
    return again is not None


def _expire(worker: Worker, claimed: ClaimedCheck) -> None:
    """Fail an order whose last check brought no outcome. A later success still applies."""
    message = f"no outcome within {worker.settings.order_timeout:g} s of sending"
    expired = Arrival(
        claimed.provider_id,
        Source.SWEEP,
        Outcome(ExternalStatus.FAILED, message=message),
        order_id=claimed.id,
        failure_reason=FailureReason.TIMEOUT,
        note=f"timeout: {message}, one last check included",
    )
    with database.session():
        settled = worker.settle([expired])[0]
    logger.warning("The order timed out.", action="expired", result=settled.result)
