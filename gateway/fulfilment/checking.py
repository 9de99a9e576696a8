"""Asking a provider for an order whose outcome it has not reported."""

from gateway import log, providers
from gateway.fulfilment import breaker, routing
from gateway.fulfilment.dispatching import send, send_elsewhere, task_of
from gateway.fulfilment.worker import Worker
from gateway.providers.base import About, NoAnswer, NotTried, ProviderError, QuestionRefused, UnknownReference
from models import claims, masking, plans, provider_health, timeline
from models.claims import ClaimedCheck, ClaimedCodeAsk, ClaimedOrder
from models.db import database
from models.order import Settled
from models.outcome import ACCOUNT_MARK, Arrival, Outcome
from models.provider import Assigned
from models.status import ExternalStatus, FailureReason, Result, Source, is_open

logger = log.get(__name__)


def check(worker: Worker, order_id: str) -> None:
    """Ask the provider, if the order's check is due.

    A message that comes twice, early or late finds nothing due and ends here. Raises Busy, redis.RedisError,
    sealed.NoKeyOpens, and whatever the database raises: the order is then asked about later, and does not time out.
    """
    assigned = routing.of_order(worker, order_id)
    if assigned is None:
        _cannot_ask(worker, order_id)
        return
    if not assigned.is_due:
        return
    if providers.needs_person(assigned.provider) and _is_left_to_person(order_id):
        return worker.tell()
    if not assigned.health.takes_orders and _is_unsent_still(worker, order_id, assigned):
        return
    with worker.permits.one_call(assigned.provider):
        with database.session():
            if assigned.health.down and _must_wait(worker, assigned, order_id):
                return
            completed = not is_open(assigned.status)
            code_ask = _claim_code_ask(worker, order_id, assigned.provider.id) if completed else None
            claimed = None if code_ask else _claim(worker, order_id, assigned.provider.id)
        if code_ask:
            again_seconds = _ask_for_code(worker, code_ask, assigned)
        else:
            again_seconds = _ask(worker, claimed, assigned) if claimed else None
    if again_seconds is not None:
        worker.hints.check_later(order_id, again_seconds)


def _is_left_to_person(order_id: str) -> bool:
    with database.session():
        return plans.leave_to_person(order_id)


def _is_unsent_still(worker: Worker, order_id: str, assigned: Assigned) -> bool:
    """Whether the order never reached its provider, which takes no orders now: it went to the next, or was put off."""
    if assigned.status != ExternalStatus.PENDING:
        return False
    if send_elsewhere(worker, order_id, assigned):
        return True
    settings = worker.settings
    with database.session():
        return (
            assigned.health.paused_at is not None
            and claims.find_unreached(order_id) is not None
            and plans.postpone(order_id, settings.slow_check_interval, settings.order_timeout)
        )


def _must_wait(worker: Worker, assigned: Assigned, order_id: str) -> bool:
    """Whether the order's check was put off: its provider is down, and another check is the probe.

    One that never reached it is taken up when the provider is back.
    """
    settings = worker.settings
    if provider_health.claim_probe(assigned.provider.id, settings.backoff_min, settings.backoff_max):
        return False
    is_unreached = assigned.status == ExternalStatus.PENDING and claims.find_unreached(order_id)
    delay_seconds = settings.slow_check_interval if is_unreached else settings.backoff_min
    return plans.postpone(order_id, delay_seconds, settings.order_timeout)


def _claim(worker: Worker, order_id: str, provider_id: str | None) -> ClaimedCheck | None:
    return claims.claim_check(
        order_id,
        worker.backoff.delays_seconds(worker.uniform),
        trust_seconds=worker.settings.callback_trust,
        order_timeout_seconds=worker.settings.order_timeout,
        grace_seconds=worker.dispatch_grace_seconds,
        provider_id=provider_id,
    )


def _claim_code_ask(worker: Worker, order_id: str, provider_id: str | None) -> ClaimedCodeAsk | None:
    return claims.claim_code_ask(
        order_id,
        worker.backoff.delays_seconds(worker.uniform),
        backoff_min_seconds=worker.settings.backoff_min,
        grace_seconds=worker.dispatch_grace_seconds,
        provider_id=provider_id,
    )


def _cannot_ask(worker: Worker, order_id: str) -> None:
    """The provider cannot be asked, by a fault of its own. The order still fails when its time is up.

    One that never reached it goes to the next. A completed one that waits for its code has been asked for in vain.
    """
    if send_elsewhere(worker, order_id, None):
        return
    with database.session():
        claimed = _claim(worker, order_id, None)
        code_ask = None if claimed else _claim_code_ask(worker, order_id, None)
        if taken := claimed or code_ask:
            note = f"not checked: the provider {taken.provider_id} cannot be used; see: gateway doctor"
            timeline.record(order_id, Source.POLL, note)
        if code_ask and code_ask.is_last:
            claims.end_code_asks(order_id)
    if claimed and claimed.expired:
        _expire(worker, claimed, f"its provider {claimed.provider_id} could not be asked")


def _ask_for_code(worker: Worker, claimed: ClaimedCodeAsk, assigned: Assigned) -> float | None:
    """Ask for the code of a completed order. Seconds until it is to be asked for again, if it is."""
    log.bind(provider_id=assigned.provider.id)
    if claimed.given_up:
        logger.warning("The order completed without its code.", action="no_code")
        worker.tell()
        return None
    is_answered = False
    try:
        outcome = providers.check(assigned.provider, worker.client, task_of(claimed))
    except ProviderError as error:
        _learned_nothing(worker, claimed, assigned, error)
        if isinstance(error, NotTried):
            return claimed.next_check_seconds
    else:
        settled = _learned(worker, claimed, assigned, outcome)
        if settled.result is Result.APPLIED or settled.ask_in_seconds is not None:
            return settled.ask_in_seconds
        # It has said all that it has, or contradicts itself, which is told once.
        is_told = bool(outcome.codes) and not outcome.unreadable_code
        is_answered = is_told or settled.result is Result.CONFLICT
    if not claimed.is_last and not is_answered:
        return claimed.next_check_seconds
    with database.session():
        claims.end_code_asks(claimed.id, assigned.provider.id, claimed.provider_referans)
    return None


def _ask(worker: Worker, claimed: ClaimedCheck, assigned: Assigned) -> float | None:
    """Ask, and settle the answer. Seconds until the order is to be asked about again, if it is."""
    log.bind(provider_id=assigned.provider.id)
    if _send_again(worker, claimed, assigned):
        return None
    try:
        outcome = providers.check(assigned.provider, worker.client, task_of(claimed))
    except NotTried as error:
        _learned_nothing(worker, claimed, assigned, error)
        return claimed.next_check_seconds
    except UnknownReference as error:
        still_open = _unknown(worker, claimed, assigned, error)
    except ProviderError as error:
        _learned_nothing(worker, claimed, assigned, error)
        still_open = is_open(claimed.external_status)
    else:
        settled = _settled(worker, claimed, assigned, outcome)
        if settled and (settled.ask_in_seconds is not None or settled.result is Result.CONFLICT):
            return settled.ask_in_seconds
        still_open = settled is None or is_open(settled.went_to)
    if still_open and claimed.expired:
        _expire(worker, claimed, "one last check included")
        return None
    return claimed.next_check_seconds if still_open else None


def _asked(claimed: ClaimedOrder) -> str:
    """What was done, for the timeline."""
    is_for_code = isinstance(claimed, ClaimedCodeAsk)
    return "asked for its code" if is_for_code else f"checked ({claimed.check_count})"


def _settled(worker: Worker, claimed: ClaimedCheck, assigned: Assigned, outcome: Outcome) -> Settled | None:
    """What became of the answer; None if it was only noted.

    Where the last check of another system's order brings no end, what that system says of it stays.
    """
    if not (claimed.expired and claimed.is_theirs and is_open(outcome.status)):
        return _learned(worker, claimed, assigned, outcome)
    with database.session():
        timeline.record(claimed.id, Source.POLL, f"{_asked(claimed)}: {outcome.status}")
    breaker.answered(worker, assigned)
    return None


def _learned(worker: Worker, claimed: ClaimedOrder, assigned: Assigned, outcome: Outcome) -> Settled:
    note = masking.ours(outcome.note() or "").within(
        f"{_asked(claimed)}: {outcome.status}{', ' if outcome.message else ''}"
    )
    arrival = Arrival(
        assigned.provider.id,
        Source.POLL,
        outcome,
        order_id=claimed.id,
        code_ask_seconds=worker.settings.backoff_min,
        note=note,
    )
    with database.session():
        settled = worker.settle([arrival])[0]
    breaker.answered(worker, assigned)
    logger.info(
        "The provider answered the check.", action="checked", result=settled.result, status=outcome.status
    )
    return settled


def _learned_nothing(worker: Worker, claimed: ClaimedOrder, assigned: Assigned, error: ProviderError) -> None:
    provider_id = assigned.provider.id
    with database.session():
        checked = "not checked" if isinstance(error, NotTried) else _asked(claimed)
        is_account = isinstance(error, QuestionRefused) and error.about is About.ACCOUNT
        learned = f"nothing learned, {provider_id} {ACCOUNT_MARK}" if is_account else "nothing learned"
        timeline.record(claimed.id, Source.POLL, error.text.within(f"{checked}, {learned}: "))
        if is_account:
            provider_health.account_trouble(provider_id, str(error))
    if isinstance(error, NoAnswer):
        breaker.failed(worker, provider_id, error)
    elif isinstance(error, QuestionRefused | UnknownReference):
        breaker.answered(worker, assigned)
    logger.warning("The check brought no outcome.", action="check_failed", error=str(error))


def _unknown(worker: Worker, claimed: ClaimedCheck, assigned: Assigned, error: UnknownReference) -> bool:
    """Whether the order is still open. Only one in doubt is sent again, after two such answers, BACKOFF_MIN apart."""
    _learned_nothing(worker, claimed, assigned, error)
    with database.session():
        claims.unknown_to_provider(
            claimed.id, worker.settings.backoff_min, assigned.provider.id, claimed.provider_referans
        )
    return is_open(claimed.external_status) and not _send_again(worker, claimed, assigned)


def _send_again(worker: Worker, claimed: ClaimedCheck, assigned: Assigned) -> bool:
    """Send an order that is certainly not at the provider; whether it was. The send plans what comes after.

    A provider that is paused gets no orders, not even again.
    """
    is_paused = assigned.health.paused_at is not None
    if is_paused or claimed.external_status != ExternalStatus.PENDING or claimed.expired:
        return False
    with database.session():
        again = claims.claim_resend(
            claimed.id, worker.dispatch_grace_seconds, assigned.provider.id, claimed.provider_referans
        )
    if again:
        send(worker, again, assigned)
    return again is not None


def _expire(worker: Worker, claimed: ClaimedCheck, last_check: str) -> None:
    """Fail an order whose time is up; the timeline says what became of its `last_check`.

    A later success still applies. Where our own trouble kept the last check from being tried, the order must wait.
    """
    message = f"no outcome within {worker.settings.order_timeout:g} s of sending"
    expired = Arrival(
        claimed.provider_id,
        Source.SWEEP,
        Outcome(ExternalStatus.FAILED, claimed.provider_referans, message=masking.ours(message)),
        order_id=claimed.id,
        failure_reason=FailureReason.TIMEOUT,
        note=f"timeout: {message}, {last_check}",
    )
    with database.session():
        settled = worker.settle([expired])[0]
    logger.warning("The order timed out.", action="expired", result=settled.result)
