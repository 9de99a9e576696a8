"""Giving orders to providers, once."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace

import redis

from gateway import log, outbound, providers
from gateway.fulfilment import balances, breaker, observing, routing
from gateway.fulfilment.permits import BUSY_SECONDS, Busy
from gateway.fulfilment.worker import Worker
from gateway.providers.base import (
    FAILURE_REASONS,
    About,
    NoAnswer,
    NotNow,
    NotReached,
    NotTried,
    ProviderError,
    Refused,
    Task,
    UnknownReference,
)
from models import claims, inbox, masking, order, provider, provider_health, timeline, unsent
from models.claims import ClaimedOrder
from models.db import database
from models.outcome import ACCOUNT_MARK, Arrival, OnlyIf, Outcome, owner
from models.provider import Assigned, Candidate, Provider
from models.provider_counts import Counted
from models.status import Attention, Expects, ExternalStatus, Result, Source, is_open

logger = log.get(__name__)

#: Seconds until a send is tried again at the earliest, whatever its provider says.
SHORTEST_WAIT_SECONDS = 1.0


def dispatch(worker: Worker, order_id: str) -> None:
    """Claim the order and send it; do nothing if it is not `not_sent` any more.

    Raises Busy, redis.RedisError, sealed.NoKeyOpens, and whatever the database raises: the order is then left as it is.
    """
    assigned = routing.of_order(worker, order_id)
    if assigned is None or (assigned.status == ExternalStatus.NOT_SENT and assigned.health.obstacle()):
        assigned = _pass_over(worker, order_id, assigned)
    if assigned is None or assigned.status != ExternalStatus.NOT_SENT:
        return
    with worker.one_call(assigned.provider):
        with database.session():
            claimed = claims.claim_dispatch(
                order_id, worker.grace_seconds(assigned.provider), assigned.provider.id
            )
        if claimed:
            send(worker, claimed, assigned)


def _pass_over(worker: Worker, order_id: str, assigned: Assigned | None) -> Assigned | None:
    """Move an unsent order to the next provider of its route that takes orders; without one it waits, or is the probe.

    `assigned` is None if its provider cannot be used at all. An order that has waited for the timeout fails.
    """
    settings = worker.settings
    with database.session():
        waiting = unsent.find(order_id)
        if waiting is None:
            return None
        why = _obstacle(assigned)
        may_stay = assigned is not None and assigned.health.takes_orders
        further = routing.first_usable(worker, waiting, [*waiting.tried_providers, waiting.provider_id])
        if further and (further[1].health.has_balance or not may_stay):
            rerouted = unsent.reroute(order_id, waiting.provider_id, further[0], why)
            return provider.of_order(order_id) if rerouted else None
        reason = f"not sent within {settings.order_timeout:.15g} s: {waiting.provider_id} {why}"
        if may_stay or (
            not unsent.give_up(order_id, settings.order_timeout, reason) and _is_probe(worker, assigned)
        ):
            return assigned
        unsent.put_off(
            order_id, settings.sweep_period_seconds / 2, settings.slow_check_interval, settings.order_timeout
        )
    return None


def _obstacle(assigned: Assigned | None) -> str:
    """Why the provider gets no order now; `assigned` is None if it cannot be used at all."""
    return (assigned and assigned.health.obstacle()) or "cannot be used"


def _is_probe(worker: Worker, assigned: Assigned | None) -> bool:
    """Whether the order's provider is down, and this order finds out whether it is back."""
    if assigned is None or not assigned.health.down or assigned.health.paused_at is not None:
        return False
    settings = worker.settings
    return provider_health.claim_probe(assigned.provider.id, settings.backoff_min, settings.backoff_max)


def send(worker: Worker, claimed: ClaimedOrder, account: Candidate, passed: Sequence[str] = ()) -> None:
    """Send a claimed order and settle the answer. If the answer is unclear, the order stays `pending`, in doubt.

    `passed` are the providers that had their turn before, at this send.
    """
    log.bind(provider_id=account.provider.id)
    sent_before = outbound.calls_sent()
    following = None
    try:
        task = task_of(worker, claimed, account.provider)
        outcome = observing.send(worker, account.provider, claimed.id, task)
    except Refused as error:
        following = _refused(worker, claimed, account, error)
        if outbound.calls_sent() > sent_before:
            breaker.answered(worker, account)
    except NotNow as error:
        _put_off(worker, claimed, account, error)
        breaker.answered(worker, account)
    except ProviderError as error:
        following = _unclear(worker, claimed, account, error, passed)
    else:
        _accepted(worker, claimed, account, outcome)
        breaker.answered(worker, account)
    if following:
        _send_to_next(worker, *following, [*passed, account.provider.id])


def _unclear(
    worker: Worker, claimed: ClaimedOrder, account: Candidate, error: ProviderError, passed: Sequence[str]
) -> tuple[ClaimedOrder, Candidate] | None:
    """The order claimed for the next provider, if this one was not reached; else it is in doubt here."""
    following = _claim_for_unreached(worker, claimed, account, error, passed)
    if following is None:
        _in_doubt(worker, claimed, account, error)
    if isinstance(error, NoAnswer):
        breaker.failed(worker, account.provider.id, error)
    return following


def task_of(worker: Worker, claimed: ClaimedOrder, account: Provider) -> Task:
    """What an adapter needs of a claimed order; `account` is the provider that it is with."""
    references = (claimed.provider_referans, claimed.external_order_id)
    limit = claimed.limit()
    owners = [owner(claimed.provider_id, each) for each in references]
    return Task(
        referans=claimed.provider_referans,
        user_identifier=claimed.user_identifier or "",
        extra_field=claimed.extra_field,
        fields=claimed.fields or {},
        quantity=claimed.quantity or 1,
        external_order_id=claimed.external_order_id,
        params=claimed.route_params or {},
        field_map=claimed.field_map or {},
        codes=tuple(order.secrets(claimed.pin_code, claimed.codes, owners)),
        created_at=claimed.created_at,
        expects=claimed.expects or Expects.AUTO,
        callback_url=worker.callback_url(account),
        limit=limit if limit and limit.currency == providers.currency(account) else None,
    )


def _accepted(worker: Worker, claimed: ClaimedOrder, account: Candidate, outcome: Outcome) -> None:
    provider_id = account.provider.id
    of = providers.traits(account.provider.adapter)
    cost = f", cost {outcome.cost} {outcome.currency}" if outcome.cost is not None else ""
    first_check_delay = worker.first_check_seconds(account.provider)
    did = "accepted" if is_open(outcome.status) else "delivered"
    is_for_person = providers.needs_person(account.provider)
    arrival = Arrival(
        provider_id,
        Source.DISPATCH,
        outcome,
        order_id=claimed.id,
        next_check_seconds=first_check_delay,
        code_ask_seconds=worker.settings.backoff_min,
        may_ask_for_code=not of.ask_buys,
        note="waits for a person to complete it" if is_for_person else f"{did} by {provider_id}{cost}",
        attention=Attention.MANUAL if is_for_person else None,
    )
    with database.session():
        [settled] = worker.settle([arrival])
        if outcome.external_order_id:
            # Callbacks may come before the answer that brings the provider's own number.
            early = inbox.readable(inbox.waiting_for(provider_id, outcome.external_order_id))
            worker.settle([replace(each, may_ask_for_code=not of.ask_buys) for each in early])
        balances.keep(provider_id, claimed, outcome)
        if account.health.account_refusals:
            provider_health.account_accepted(provider_id)
    logger.info("The provider accepted the order.", action="dispatched")
    waits = is_open(outcome.status) and not is_for_person
    check_in_seconds = first_check_delay if waits else settled.ask_in_seconds
    if check_in_seconds is not None:
        worker.hints.check_later(claimed.id, check_in_seconds)


def ask_refused(worker: Worker, claimed: ClaimedOrder, account: Candidate, error: Refused) -> None:
    """An order in doubt was asked about by sending it again, and was refused: as a send that is refused."""
    following = _refused(worker, claimed, account, error)
    if following:
        _send_to_next(worker, *following, [account.provider.id])


def _put_off(worker: Worker, claimed: ClaimedOrder, account: Candidate, error: NotNow) -> None:
    """Nothing was booked: the order waits as one that was not sent; if an earlier send is in doubt, it is asked about.

    One that has waited for longer than the timeout fails.
    """
    settings, provider_id = worker.settings, account.provider.id
    retry_after = error.retry_after_seconds
    with database.session():
        wait_seconds = claims.put_off_send(
            claimed.id,
            error.text.within(f"{provider_id} does not take it now: "),
            None if retry_after is None else max(retry_after, SHORTEST_WAIT_SECONDS),
            shortest_seconds=settings.backoff_min,
            longest_seconds=settings.backoff_max,
            order_timeout_seconds=settings.order_timeout,
            provider_id=provider_id,
            referans=claimed.provider_referans,
        )
        waited = f"not sent within {settings.order_timeout:.15g} s: {provider_id} does not take it: {error}"
        is_given_up = wait_seconds is not None and unsent.give_up(claimed.id, settings.order_timeout, waited)
    if wait_seconds is None:
        _in_doubt(worker, claimed, account, error)
    elif not is_given_up:
        worker.hints.dispatch_later(claimed.id, wait_seconds)
    logger.info("The provider does not take the order now.", action="not_now", provider_id=provider_id)


def _refused(
    worker: Worker, claimed: ClaimedOrder, account: Candidate, error: Refused
) -> tuple[ClaimedOrder, Candidate] | None:
    """The order claimed for the next provider of its route; without one, or if the customer is at fault, it fails."""
    provider_id, reason = account.provider.id, error.text
    did = ACCOUNT_MARK if error.about is About.ACCOUNT else "refused"
    log.bind(reason=reason)
    if claimed.may_be_known and not _is_denied(worker, claimed, account, error):
        return None
    if error.about is not About.CUSTOMER:
        worker.counts.add(provider_id, Counted.ORDER_REFUSED, reason)
    is_final = error.about is About.CUSTOMER and error.is_certain
    with database.session():
        following = None if is_final else _claim_for_next(worker, claimed, account, did, reason)
        if following is None:
            failed = Arrival(
                provider_id,
                Source.DISPATCH,
                Outcome(
                    ExternalStatus.FAILED,
                    claimed.provider_referans,
                    message=reason,
                    failure_reason=FAILURE_REASONS[error.about],
                ),
                order_id=claimed.id,
                only_if=OnlyIf.UNTAKEN,
                note=reason.within(f"{provider_id} {did}: "),
            )
            [settled] = worker.settle([failed])
            if settled.result is Result.UNMATCHED:
                _keep_taken(claimed, account, did, reason)
    logger.info("The provider refused the order.", action="refused", about=error.about)
    if error.about is About.ACCOUNT:
        breaker.account_refused(worker, account.provider, claimed.id, error)
    return following


def _keep_taken(claimed: ClaimedOrder, account: Candidate, did: str, reason: masking.ProviderText) -> None:
    """Leave an order as it is that was refused when a callback had said already that the provider has it."""
    provider_id = account.provider.id
    note = reason.within(f"{provider_id} had taken the order, which stays as it is; then it {did}: ")
    timeline.record(claimed.id, Source.DISPATCH, note)
    claims.end_ask(claimed.id, provider_id, claimed.provider_referans)


def _is_denied(worker: Worker, claimed: ClaimedOrder, account: Candidate, error: Refused) -> bool:
    """Whether the provider that refused a resend says that it does not know the order.

    It may refuse the second send because it has booked the first. Until it denies that, no other provider gets the
    order. Where asking is sending again, it has just been asked, and nobody asks once more; but what it says of our
    account says nothing of the order.
    """
    if providers.traits(account.provider.adapter).ask_buys:
        if error.about is About.ACCOUNT:
            _in_doubt(worker, claimed, account, error)
            breaker.account_refused(worker, account.provider, claimed.id, error)
        return error.about is not About.ACCOUNT
    try:
        task = task_of(worker, claimed, account.provider)
        outcome = observing.check_one(worker, account.provider, claimed.id, task)
    except UnknownReference:
        return True
    except ProviderError as unclear:
        _in_doubt(worker, claimed, account, unclear)
        if isinstance(unclear, NoAnswer):
            breaker.failed(worker, account.provider.id, unclear)
    else:
        note = "found after it was refused"
        with database.session():
            worker.settle(
                [
                    Arrival(
                        account.provider.id,
                        Source.POLL,
                        outcome,
                        order_id=claimed.id,
                        code_ask_seconds=worker.settings.backoff_min,
                        note=note,
                    )
                ]
            )
        worker.hints.check_later(claimed.id, worker.settings.backoff_min)
    return False


def _claim_for_next(
    worker: Worker, claimed: ClaimedOrder, account: Candidate, did: str, reason: str
) -> tuple[ClaimedOrder, Candidate] | None:
    """The order claimed for the next provider of its route, with that provider, or None.

    Where none takes orders now, one that is down or paused may have it once it is back.
    """
    tried = [*(claimed.tried_providers or []), account.provider.id]
    further = routing.first_usable(worker, claimed, tried) or next(
        routing.configured(worker, claimed, tried), None
    )
    if further is None:
        return None
    route, following = further
    moved = claims.claim_next_provider(
        claimed.id,
        account.provider.id,
        route,
        reason,
        worker.grace_seconds(following.provider),
        claimed.provider_referans,
        did=did,
    )
    return (moved, following) if moved else None


def _claim_for_unreached(
    worker: Worker, claimed: ClaimedOrder, account: Candidate, error: ProviderError, passed: Sequence[str]
) -> tuple[ClaimedOrder, Candidate] | None:
    """An order that no provider can have, claimed for the next one that takes orders, with that provider; else None."""
    if not isinstance(error, NotReached):
        return None
    provider_id = account.provider.id
    with database.session():
        further = routing.first_usable(worker, claimed, [*claimed.tried_providers, *passed, provider_id])
        if further is None:
            return None
        route, following = further
        moved = claims.claim_unreached(
            claimed.id,
            provider_id,
            route,
            error.text.within("was not reached: "),
            worker.grace_seconds(following.provider),
            claimed.provider_referans,
        )
    if moved is None:
        return None
    logger.warning("The provider was not reached; the order goes to the next one.", action="not_reached")
    return moved, following


def send_elsewhere(worker: Worker, order_id: str, assigned: Assigned | None) -> bool:
    """Whether an order was taken from a provider that takes no orders now and that it never reached.

    `assigned` is None if its provider cannot be used at all.
    """
    with database.session():
        waiting = claims.find_unreached(order_id)
        if waiting is None or (assigned and waiting.provider_id != assigned.provider.id):
            return False
        further = routing.first_usable(worker, waiting, [*waiting.tried_providers, waiting.provider_id])
        if further is None:
            return False
        route, following = further
        moved = claims.claim_unreached(
            order_id,
            waiting.provider_id,
            route,
            _obstacle(assigned),
            worker.grace_seconds(following.provider),
            waiting.provider_referans,
            is_waiting=True,
        )
    if moved:
        _send_to_next(worker, moved, following, [waiting.provider_id])
    return moved is not None


def _send_to_next(
    worker: Worker, claimed: ClaimedOrder, account: Candidate, passed: Sequence[str] = ()
) -> None:
    """Take a permit and send. If none is free, leave it to the next check, which sees that nothing was sent."""
    if not account.health.takes_orders:
        _leave_unsent(worker, claimed, account, worker.settings.backoff_min)
        return
    with ExitStack() as stack:
        try:
            stack.enter_context(worker.one_call(account.provider))
        except (Busy, redis.RedisError):
            _leave_unsent(worker, claimed, account, BUSY_SECONDS)
            worker.hints.check_later(claimed.id, BUSY_SECONDS)
        else:
            send(worker, claimed, account, passed)


def _leave_unsent(worker: Worker, claimed: ClaimedOrder, account: Candidate, delay_seconds: float) -> None:
    with database.session():
        claims.in_doubt(
            claimed.id,
            delay_seconds,
            never_reached=True,
            provider_id=account.provider.id,
            referans=claimed.provider_referans,
        )


def _in_doubt(worker: Worker, claimed: ClaimedOrder, account: Candidate, error: ProviderError) -> None:
    never_reached = isinstance(error, NotReached | NotTried | NotNow)
    if not never_reached and _is_left_to_person(worker, claimed, account, error):
        return
    intent = "not reached, will send again" if never_reached else "no clear answer to the send, will ask"
    if isinstance(error, NotTried):
        intent = "not sent because of a fault on our side, will send again"
    if isinstance(error, NotNow):
        intent = "does not take it now, will send again"
    backoff_min = worker.settings.backoff_min
    with database.session():
        claims.in_doubt(
            claimed.id,
            backoff_min,
            never_reached=never_reached,
            provider_id=account.provider.id,
            referans=claimed.provider_referans,
        )
        timeline.record(claimed.id, Source.DISPATCH, error.text.within(f"{account.provider.id}: {intent}: "))
    logger.warning("The send got no clear answer.", action="in_doubt", intent=intent, error=str(error))
    worker.hints.check_later(claimed.id, backoff_min)


def _is_left_to_person(
    worker: Worker, claimed: ClaimedOrder, account: Candidate, error: ProviderError
) -> bool:
    """Whether the provider cannot be asked for the order whose answer was lost: it is neither sent again nor fails."""
    asking, provider_id = providers.asking(account.provider.adapter), account.provider.id
    if providers.traits(account.provider.adapter).can_always_ask:
        return False
    note = error.text.within(f"{provider_id}: no clear answer to the send, and it cannot be asked: ")
    with database.session():
        is_left = claims.cannot_ask(
            claimed.id, note, provider_id, claimed.provider_referans, asking, is_mine=True
        )
    if is_left:
        logger.warning("The order needs a person.", action="cannot_ask", error=str(error))
        worker.tell()
    return is_left
