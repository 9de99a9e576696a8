"""Giving orders to providers, once."""

from contextlib import ExitStack

import redis

from gateway import log, providers
from gateway.fulfilment import routing
from gateway.fulfilment.permits import BUSY_SECONDS, Busy
from gateway.fulfilment.worker import Worker
from gateway.providers.base import (
    NoAnswer,
    NotReached,
    NotTried,
    ProviderError,
    Refused,
    Task,
    UnknownReference,
)
from models import claims, inbox, provider, provider_health, timeline, unsent
from models.claims import ClaimedOrder
from models.db import database
from models.outcome import Arrival, Outcome
from models.provider import Assigned, Provider
from models.status import Attention, ExternalStatus, Source, is_open

logger = log.get(__name__)


def dispatch(worker: Worker, order_id: str) -> None:
    """Claim the order and send it; do nothing if it is not `not_sent` any more.

    Raises Busy, redis.RedisError, sealed.NoKeyOpens, and whatever the database raises: the order is then left as it is.
    """
    assigned = routing.of_order(worker, order_id) or _reroute(worker, order_id)
    if assigned is None or assigned.status != ExternalStatus.NOT_SENT:
        return
    with worker.permits.one_call(assigned.provider):
        with database.session():
            claimed = claims.claim_dispatch(order_id, worker.dispatch_grace_seconds, assigned.provider.id)
        if claimed:
            send(worker, claimed, assigned.provider)


def _reroute(worker: Worker, order_id: str) -> Assigned | None:
    """Move an unsent order to the next usable provider of its route; without one it waits, up to the timeout."""
    settings = worker.settings
    with database.session():
        waiting = unsent.find(order_id)
        if waiting is None:
            return None
        if further := routing.first_usable(worker, waiting, [waiting.provider_id]):
            rerouted = unsent.reroute(order_id, waiting.provider_id, further[0])
            return provider.of_order(order_id) if rerouted else None
        reason = f"not sent within {settings.order_timeout:g} s: {waiting.provider_id} cannot be used"
        if not unsent.give_up(order_id, settings.order_timeout, reason):
            unsent.put_off(order_id, settings.sweep_period_seconds / 2, settings.order_timeout)
    return None


def send(worker: Worker, claimed: ClaimedOrder, account: Provider) -> None:
    """Send a claimed order and settle the answer. If the answer is unclear, the order stays `pending`, in doubt."""
    log.bind(provider_id=account.id)
    try:
        outcome = providers.send(account, worker.client, task_of(claimed))
    except Refused as error:
        _refused(worker, claimed, account, str(error))
    except ProviderError as error:
        _in_doubt(worker, claimed, account, error)
    else:
        _accepted(worker, claimed, account, outcome)


def task_of(claimed: ClaimedOrder) -> Task:
    """What an adapter needs of a claimed order."""
    return Task(
        referans=claimed.provider_referans,
        user_identifier=claimed.user_identifier or "",
        extra_field=claimed.extra_field,
        quantity=claimed.quantity or 1,
        external_order_id=claimed.external_order_id,
        params=claimed.route_params or {},
        field_map=claimed.field_map or {},
    )


def _accepted(worker: Worker, claimed: ClaimedOrder, account: Provider, outcome: Outcome) -> None:
    cost = f", cost {outcome.cost} {outcome.currency}" if outcome.cost is not None else ""
    first_check_delay = worker.settings.first_check_delay
    did = "accepted" if is_open(outcome.status) else "delivered"
    is_for_person = providers.needs_person(account)
    arrival = Arrival(
        account.id,
        Source.DISPATCH,
        outcome,
        order_id=claimed.id,
        next_check_seconds=first_check_delay,
        code_ask_seconds=worker.settings.backoff_min,
        note="waits for a person to complete it" if is_for_person else f"{did} by {account.id}{cost}",
        attention=Attention.MANUAL if is_for_person else None,
    )
    with database.session():
        [settled] = worker.settle([arrival])
        if outcome.external_order_id:
            # Callbacks may come before the answer that brings the provider's own number.
            worker.settle(inbox.readable(inbox.waiting_for(account.id, outcome.external_order_id)))
        provider_health.answered(account.id)
    logger.info("The provider accepted the order.", action="dispatched")
    waits = is_open(outcome.status) and not is_for_person
    check_in_seconds = first_check_delay if waits else settled.ask_in_seconds
    if check_in_seconds is not None:
        worker.hints.check_later(claimed.id, check_in_seconds)


def _refused(worker: Worker, claimed: ClaimedOrder, account: Provider, reason: str) -> None:
    """Give the order to the next usable provider of its route; without one it has failed."""
    log.bind(reason=reason)
    if claimed.may_be_known and not _is_denied(worker, claimed, account):
        return
    with database.session():
        provider_health.answered(account.id)
        following = _claim_for_next(worker, claimed, account, reason)
        if following is None:
            failed = Outcome(ExternalStatus.FAILED, claimed.provider_referans, message=reason)
            note = f"{account.id} refused: {reason}"
            worker.settle([Arrival(account.id, Source.DISPATCH, failed, order_id=claimed.id, note=note)])
    logger.info("The provider refused the order.", action="refused")
    if following:
        _send_to_next(worker, *following)


def _is_denied(worker: Worker, claimed: ClaimedOrder, account: Provider) -> bool:
    """Whether the provider that refused a resend says that it does not know the order.

    It may refuse the second send because it has booked the first. Until it denies that, no other provider gets the
    order.
    """
    try:
        outcome = providers.check(account, worker.client, task_of(claimed))
    except UnknownReference:
        return True
    except ProviderError as error:
        _in_doubt(worker, claimed, account, error)
    else:
        note = "found after it was refused"
        with database.session():
            worker.settle(
                [
                    Arrival(
                        account.id,
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
    worker: Worker, claimed: ClaimedOrder, account: Provider, reason: str
) -> tuple[ClaimedOrder, Provider] | None:
    """The order claimed for the next usable provider, with that provider, or None."""
    tried = [*(claimed.tried_providers or []), account.id]
    further = routing.first_usable(worker, claimed, tried)
    if further is None:
        return None
    route, following = further
    moved = claims.claim_next_provider(
        claimed.id, account.id, route, reason, worker.dispatch_grace_seconds, claimed.provider_referans
    )
    return (moved, following) if moved else None


def _send_to_next(worker: Worker, claimed: ClaimedOrder, account: Provider) -> None:
    """Take a permit and send. If none is free, leave it to the next check, which sees that nothing was sent."""
    with ExitStack() as stack:
        try:
            stack.enter_context(worker.permits.one_call(account))
        except (Busy, redis.RedisError):
            with database.session():
                claims.in_doubt(
                    claimed.id,
                    BUSY_SECONDS,
                    never_reached=True,
                    provider_id=account.id,
                    referans=claimed.provider_referans,
                )
            worker.hints.check_later(claimed.id, BUSY_SECONDS)
        else:
            send(worker, claimed, account)


def _in_doubt(worker: Worker, claimed: ClaimedOrder, account: Provider, error: ProviderError) -> None:
    never_reached = isinstance(error, NotReached | NotTried)
    intent = "not reached, will send again" if never_reached else "no clear answer to the send, will ask"
    if isinstance(error, NotTried):
        intent = "not sent because of a fault on our side, will send again"
    backoff_min = worker.settings.backoff_min
    with database.session():
        if isinstance(error, NoAnswer):
            provider_health.failed(account.id, str(error), backoff_min)
        claims.in_doubt(
            claimed.id,
            backoff_min,
            never_reached=never_reached,
            provider_id=account.id,
            referans=claimed.provider_referans,
        )
        timeline.record(claimed.id, Source.DISPATCH, f"{account.id}: {intent}: {error}")
    logger.warning("The send got no clear answer.", action="in_doubt", intent=intent, error=str(error))
    worker.hints.check_later(claimed.id, backoff_min)
