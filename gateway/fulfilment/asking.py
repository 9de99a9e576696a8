"""Asking a provider for orders, and what becomes of its answers."""

from collections.abc import Sequence

from gateway import log, providers
from gateway.fulfilment import breaker, observing
from gateway.fulfilment.dispatching import SHORTEST_WAIT_SECONDS, ask_refused, send, task_of
from gateway.fulfilment.worker import Worker
from gateway.providers.base import (
    About,
    NoAnswer,
    NotNow,
    NotTried,
    ProviderError,
    QuestionRefused,
    Refused,
    Traces,
    UnknownReference,
)
from models import claims, masking, provider_health, timeline
from models.claims import ClaimedCheck, ClaimedCodeAsk, ClaimedOrder
from models.db import database
from models.order import Settled
from models.outcome import ACCOUNT_MARK, Arrival, Outcome
from models.provider import Assigned, Provider
from models.status import ExternalStatus, FailureReason, Result, Source, is_open

logger = log.get(__name__)

#: Errors that are an answer all the same: the provider is up.
ANSWERS = (QuestionRefused, Refused, NotNow, UnknownReference)
#: By order, the seconds until it is to be asked about again; None if it is not, or if other work is planned for it.
Again = dict[str, float | None]


def ask_for_code(worker: Worker, claimed: ClaimedCodeAsk, assigned: Assigned) -> float | None:
    """Ask for the code of a completed order. Seconds until it is to be asked for again, if it is."""
    log.bind(provider_id=assigned.provider.id)
    if claimed.given_up:
        logger.warning("The order completed without its code.", action="no_code")
        worker.tell()
        return None
    is_answered = False
    [learned] = _asked_provider(worker, [claimed], assigned)
    if isinstance(learned, ProviderError):
        _learned_nothing(worker, [(claimed, learned)], assigned)
        if isinstance(learned, NotTried):
            return claimed.next_check_seconds
        if isinstance(learned, NotNow):
            return _put_off(worker, [(claimed, learned)], assigned, is_planned=claimed.is_planned)[claimed.id]
    else:
        [settled] = _learned(worker, [(claimed, learned)], assigned)
        if settled.result is Result.APPLIED or settled.ask_in_seconds is not None:
            return settled.ask_in_seconds
        # It has said all that it has, or contradicts itself, which is told once.
        is_told = bool(learned.codes) and not learned.unreadable_code
        is_answered = is_told or settled.result is Result.CONFLICT
    if not claimed.is_last and not is_answered:
        return claimed.next_check_seconds
    needs_person = claimed.must_have_code and not is_answered
    with database.session():
        claims.end_code_asks(
            claimed.id, assigned.provider.id, claimed.provider_referans, needs_person=needs_person
        )
    return 0 if needs_person else None


def ask_all(worker: Worker, claimed: Sequence[ClaimedCheck], assigned: Assigned) -> Again:
    """Ask, and settle the answers. Seconds until each order is to be asked about again, if it is."""
    log.bind(provider_id=assigned.provider.id)
    together: list[ClaimedCheck] = []
    again_seconds: Again = {}
    for each in claimed:
        if _send_again(worker, each, assigned):
            again_seconds[each.id] = None
        elif each.may_ask:
            together.append(each)
        else:
            again_seconds[each.id] = _unasked(worker, each, assigned)
    if len(together) > 1 and (alone := [each for each in together if not _fits(each, assigned)]):
        together = [each for each in together if each not in alone]
        again_seconds |= _ask(worker, alone, assigned)
    return again_seconds | (_ask(worker, together, assigned) if together else {})


def _fits(claimed: ClaimedCheck, assigned: Assigned) -> bool:
    """Whether it can be asked about together with others."""
    of = providers.traits(assigned.provider.adapter)
    return of.max_check > 1 and not (of.many_by_own_number and claimed.external_order_id is None)


def _ask(worker: Worker, claimed: Sequence[ClaimedCheck], assigned: Assigned) -> Again:
    """Ask about orders in one question. Seconds until each is to be asked about again, if it is."""
    learned = list(zip(claimed, _asked_provider(worker, claimed, assigned), strict=True))
    outcomes = [(one, said) for one, said in learned if isinstance(said, Outcome)]
    errors = [(one, said) for one, said in learned if isinstance(said, ProviderError)]
    again_seconds = _after_outcomes(worker, outcomes, assigned) | _after_errors(worker, errors, assigned)
    expired = [one for one in claimed if one.expired and one.id not in again_seconds]
    if expired:
        expire(worker, expired, "one last check included")
    planned = {one.id: None if one.expired else one.next_check_seconds for one in claimed}
    return planned | again_seconds


def _after_outcomes(
    worker: Worker, outcomes: Sequence[tuple[ClaimedCheck, Outcome]], assigned: Assigned
) -> Again:
    """For orders whose plan has changed, or which are not open any more, the seconds until they are asked about."""
    again_seconds: Again = {}
    for (one, _), settled in zip(outcomes, _settled(worker, outcomes, assigned), strict=True):
        if settled is None:
            continue
        is_decided = settled.ask_in_seconds is not None or settled.result is Result.CONFLICT
        if is_decided or not is_open(settled.went_to):
            again_seconds[one.id] = settled.ask_in_seconds
    return again_seconds


def _after_errors(
    worker: Worker, errors: Sequence[tuple[ClaimedCheck, ProviderError]], assigned: Assigned
) -> Again:
    """The same where a question brought no outcome; and for those whose check was not tried."""
    _learned_nothing(worker, errors, assigned)
    put_off = [(one, said) for one, said in errors if isinstance(said, NotNow) and _may_wait(worker, one)]
    again_seconds = _put_off(worker, put_off, assigned)
    for one, error in errors:
        if isinstance(error, NotTried):
            again_seconds[one.id] = one.next_check_seconds
        elif one.id not in again_seconds and not _is_open_after(
            worker, one, assigned, error, is_alone=len(errors) == 1
        ):
            again_seconds[one.id] = None
    return again_seconds


def _asked_provider(
    worker: Worker, claimed: Sequence[ClaimedOrder], assigned: Assigned
) -> list[Outcome | ProviderError]:
    account = assigned.provider
    tasks = [task_of(worker, each, account) for each in claimed]
    return observing.check(worker, account, [each.id for each in claimed], tasks)


def _is_open_after(
    worker: Worker, claimed: ClaimedCheck, assigned: Assigned, error: ProviderError, *, is_alone: bool
) -> bool:
    """Whether the order is still open, and with this provider, after a question that brought no outcome.

    Only one that was asked about alone is sent again at once: a permit is for one call.
    """
    if isinstance(error, UnknownReference):
        return _unknown(worker, claimed, assigned, is_alone=is_alone)
    if providers.traits(assigned.provider.adapter).ask_buys:
        return _is_open_after_send(worker, claimed, assigned, error)
    return is_open(claimed.external_status)


def _is_open_after_send(
    worker: Worker, claimed: ClaimedCheck, assigned: Assigned, error: ProviderError
) -> bool:
    """The same where the question was a send: of an order in doubt its refusal is one of the order."""
    if isinstance(error, Refused) and claimed.external_status == ExternalStatus.PENDING:
        ask_refused(worker, claimed, assigned, error)
        return False
    with database.session():
        claims.end_ask(claimed.id, assigned.provider.id, claimed.provider_referans)
    return True


def _may_wait(worker: Worker, claimed: ClaimedCheck) -> bool:
    """Whether a "not now" puts the check off. A last check that is put off for too long has been tried."""
    return claimed.expired_for_seconds < worker.settings.slow_check_interval


def _put_off(
    worker: Worker,
    put_off: Sequence[tuple[ClaimedOrder, NotNow]],
    assigned: Assigned,
    *,
    is_planned: bool = True,
) -> Again:
    """Ask later: when the provider says, else after BACKOFF_MIN. Seconds until then."""
    if not put_off:
        return {}
    said = put_off[0][1].retry_after_seconds
    delay_seconds = max(worker.settings.backoff_min if said is None else said, SHORTEST_WAIT_SECONDS)
    with database.session():
        claims.put_off_checks(
            [one.id for one, _ in put_off],
            delay_seconds,
            provider_id=assigned.provider.id,
            order_timeout_seconds=worker.settings.order_timeout,
            buys=providers.traits(assigned.provider.adapter).ask_buys,
            is_planned=is_planned,
        )
    return {one.id: delay_seconds for one, _ in put_off}


def _unasked(worker: Worker, claimed: ClaimedCheck, assigned: Assigned) -> float | None:
    """The provider may not be asked for the order. Seconds until its plan is due.

    An order whose answer was lost, or whose time is up, needs a person if the provider cannot say what became of it.
    """
    if (claimed.expired or _is_lost(claimed, assigned.provider)) and is_left_to_person(
        worker, claimed, assigned.provider
    ):
        return None
    if claimed.expired:
        buys = providers.traits(assigned.provider.adapter).ask_buys
        why = "asking again may buy it again" if buys else "it cannot be asked any more"
        expire(worker, [claimed], f"its provider was not asked, as {why}")
        return None
    return claimed.next_check_seconds if is_open(claimed.external_status) else None


def _is_lost(claimed: ClaimedCheck, account: Provider) -> bool:
    """Whether the answer to the send, or the number that it should have brought, is lost."""
    is_in_doubt = claimed.external_status == ExternalStatus.PENDING
    return is_in_doubt or providers.traits(account.adapter).traces is Traces.OWN_NUMBER


def is_left_to_person(worker: Worker, claimed: ClaimedCheck, account: Provider) -> bool:
    """Whether the order is left to a person, since its provider cannot be asked for it."""
    if providers.traits(account.adapter).can_always_ask or claimed.is_theirs:
        return False
    note = f"{account.id} may have it, and cannot be asked for it: a person is needed"
    with database.session():
        is_left = claims.cannot_ask(
            claimed.id, note, account.id, claimed.provider_referans, providers.asking(account.adapter)
        )
    if is_left:
        worker.tell()
    return is_left


def _asked(claimed: ClaimedOrder) -> str:
    """What was done, for the timeline."""
    is_for_code = isinstance(claimed, ClaimedCodeAsk)
    return "asked for its code" if is_for_code else f"checked ({claimed.check_count})"


def _settled(
    worker: Worker, outcomes: Sequence[tuple[ClaimedCheck, Outcome]], assigned: Assigned
) -> list[Settled | None]:
    """What became of each answer; None if it was only noted.

    Where the last check of another system's order brings no end, what that system says of it stays.
    """
    noted = {one.id for one, said in outcomes if one.expired and one.is_theirs and is_open(said.status)}
    if noted:
        with database.session():
            for one, said in outcomes:
                if one.id in noted:
                    timeline.record(one.id, Source.POLL, f"{_asked(one)}: {said.status}")
        breaker.answered(worker, assigned)
    kept = [(one, said) for one, said in outcomes if one.id not in noted]
    settled = iter(_learned(worker, kept, assigned) if kept else ())
    return [None if one.id in noted else next(settled) for one, _ in outcomes]


def _learned(
    worker: Worker, outcomes: Sequence[tuple[ClaimedOrder, Outcome]], assigned: Assigned
) -> list[Settled]:
    """Settle what was learned, in one statement."""
    buys = providers.traits(assigned.provider.adapter).ask_buys
    arrivals = [
        Arrival(
            assigned.provider.id,
            Source.POLL,
            said,
            order_id=one.id,
            code_ask_seconds=worker.settings.backoff_min,
            may_ask_for_code=not buys,
            ends_send=buys,
            note=masking.ours(said.note() or "").within(
                f"{_asked(one)}: {said.status}{', ' if said.message else ''}"
            ),
        )
        for one, said in outcomes
    ]
    with database.session():
        settled = worker.settle(arrivals)
    breaker.answered(worker, assigned)
    for (one, said), each in zip(outcomes, settled, strict=True):
        logger.info(
            "The provider answered the check.",
            action="checked",
            order_id=one.id,
            result=each.result,
            status=said.status,
        )
    return settled


def _learned_nothing(
    worker: Worker, errors: Sequence[tuple[ClaimedOrder, ProviderError]], assigned: Assigned
) -> None:
    """Record what kept each order from an outcome. However many they are, they were one call."""
    if not errors:
        return
    account = assigned.provider
    with database.session():
        for one, error in errors:
            checked = "not checked" if isinstance(error, NotTried) else _asked(one)
            about = f", {account.id} {ACCOUNT_MARK}" if _is_about_account(error) else ""
            learned = "not known there" if isinstance(error, UnknownReference) else "nothing learned"
            timeline.record(one.id, Source.POLL, error.text.within(f"{checked}, {learned}{about}: "))
        if about_account := [error for _, error in errors if _is_about_account(error)]:
            provider_health.account_trouble(account.id, str(about_account[0]))
    if failed := [error for _, error in errors if isinstance(error, NoAnswer)]:
        breaker.failed(worker, account.id, failed[0])
    elif any(isinstance(error, ANSWERS) for _, error in errors):
        breaker.answered(worker, assigned)
    _, error = errors[0]
    logger.warning(
        "The check brought no outcome.", action="check_failed", error=str(error), count=len(errors)
    )


def _unknown(worker: Worker, claimed: ClaimedCheck, assigned: Assigned, *, is_alone: bool) -> bool:
    """Whether the order is still open. Only one in doubt is sent again, after two such answers, BACKOFF_MIN apart."""
    with database.session():
        claims.unknown_to_provider(
            claimed.id, worker.settings.backoff_min, assigned.provider.id, claimed.provider_referans
        )
    if not is_open(claimed.external_status):
        return False
    return not (is_alone and _send_again(worker, claimed, assigned))


def _send_again(worker: Worker, claimed: ClaimedCheck, assigned: Assigned) -> bool:
    """Send an order that is certainly not at the provider; whether it was. The send plans what comes after.

    A provider that is paused gets no orders, not even again.
    """
    is_paused = assigned.health.paused_at is not None
    if is_paused or claimed.external_status != ExternalStatus.PENDING or claimed.expired:
        return False
    with database.session():
        again = claims.claim_resend(
            claimed.id,
            worker.grace_seconds(assigned.provider),
            assigned.provider.id,
            claimed.provider_referans,
        )
    if again:
        send(worker, again, assigned)
    return again is not None


def _is_about_account(error: ProviderError) -> bool:
    return isinstance(error, QuestionRefused | Refused) and error.about is About.ACCOUNT


def expire(worker: Worker, claimed: Sequence[ClaimedCheck], last_check: str) -> None:
    """Fail orders whose time is up; the timeline says what became of the `last_check`.

    A later success still applies. Where our own trouble kept the last check from being tried, the order must wait.
    """
    message = f"no outcome within {worker.settings.order_timeout:.15g} s of sending"
    expired = [
        Arrival(
            one.provider_id,
            Source.SWEEP,
            Outcome(ExternalStatus.FAILED, one.provider_referans, message=masking.ours(message)),
            order_id=one.id,
            failure_reason=FailureReason.TIMEOUT,
            note=f"timeout: {message}, {last_check}",
        )
        for one in claimed
    ]
    with database.session():
        settled = worker.settle(expired)
    for one, each in zip(claimed, settled, strict=True):
        logger.warning("The order timed out.", action="expired", order_id=one.id, result=each.result)
