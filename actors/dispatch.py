"""Giving orders to providers, once."""

from contextlib import ExitStack

import dramatiq
import redis

from actors.permits import one_call
from actors.queue import BUSY_SECONDS, Busy, enqueue_check, worth_retrying
from actors.setup import client, dispatch_grace_seconds, settings
from gateway import log, providers
from gateway.broker import QUEUES
from gateway.providers.base import NoAnswer, NotReached, ProviderError, Refused, Task, UnknownReference
from models import claims, inbox, order, provider, route, timeline, unsent
from models.claims import ClaimedOrder
from models.db import database
from models.outcome import Arrival, Outcome
from models.provider import Assigned, Provider
from models.route import Route
from models.status import ExternalStatus, Source

logger = log.get(__name__)


@dramatiq.actor(queue_name=QUEUES["dispatch_order"], priority=0, retry_when=worth_retrying)
def dispatch_order(order_id: str) -> None:
    """Claim the order and send it; does nothing where somebody else has."""
    assigned = assigned_to(order_id) or _rerouted(order_id)
    if assigned is None or assigned.status != ExternalStatus.NOT_SENT:
        return
    with one_call(assigned.provider):
        with database.session():
            claimed = claims.claim_dispatch(order_id, dispatch_grace_seconds, assigned.provider.id)
        if claimed:
            send(claimed, assigned.provider)


def assigned_to(order_id: str) -> Assigned | None:
    """The provider to call for an order. None, and an error in the log, where there is none that can be used."""
    try:
        with database.session():
            assigned = provider.of_order(order_id)
        reason = providers.fault(assigned.provider, client) if assigned else "there is no such provider"
    except ValueError as error:  # sealed under another key, or no credentials at all
        assigned, reason = None, str(error)
    if reason:
        logger.error("The order's provider cannot be used.", action="no_provider", reason=reason)
    return None if reason else assigned


def _rerouted(order_id: str) -> Assigned | None:
    """The order with the next provider of its route that can be used; without one it waits, up to the timeout."""
    with database.session():
        waiting = unsent.find(order_id)
        if waiting is None:
            return None
        further = _next_usable(waiting, [waiting.provider_id])
        if further and unsent.reroute(order_id, waiting.provider_id, further[0]):
            return provider.of_order(order_id)
        if not further:
            _leave(waiting)
    return None


def _leave(waiting: ClaimedOrder) -> None:
    reason = f"not sent within {settings.order_timeout:g} s: {waiting.provider_id} cannot be used"
    if not unsent.give_up(waiting.id, settings.order_timeout, reason):
        unsent.put_off(waiting.id, settings.sweep_period_seconds / 2, settings.order_timeout)


def send(claimed: ClaimedOrder, account: Provider) -> None:
    """Send a claimed order and settle the answer. Where it is unclear the order stays `pending`, in doubt."""
    log.bind(provider_id=account.id)
    try:
        outcome = providers.send(account, client, task_of(claimed))
    except Refused as error:
        _refused(claimed, account, str(error))
    except ProviderError as error:
        _in_doubt(claimed, account, error)
    else:
        _accepted(claimed, account, outcome)


def task_of(claimed: ClaimedOrder) -> Task:
    """What an adapter needs of a claimed order."""
    return Task(
        referans=claimed.provider_referans,
        user_identifier=claimed.user_identifier or "",
        extra_field=claimed.extra_field,
        quantity=claimed.quantity or 1,
        external_order_id=claimed.external_order_id,
        params=claimed.route_params or {},
    )


def settle(arrivals: list[Arrival]) -> list[order.Settled]:
    """Settle with this process's settings."""
    return order.settle(arrivals, order_timeout_seconds=settings.order_timeout)


def _accepted(claimed: ClaimedOrder, account: Provider, outcome: Outcome) -> None:
    cost = f", cost {outcome.cost} {outcome.currency}" if outcome.cost is not None else ""
    arrival = Arrival(
        account.id,
        Source.DISPATCH,
        outcome,
        order_id=claimed.id,
        next_check_seconds=settings.first_check_delay,
        note=f"accepted by {account.id}{cost}",
    )
    with database.session():
        settle([arrival])
        _settle_what_waited(account, outcome)
        provider.answered(account.id)
    logger.info("The provider accepted the order.", action="dispatched")
    enqueue_check(claimed.id, settings.first_check_delay)


def _settle_what_waited(account: Provider, outcome: Outcome) -> None:
    """Callbacks that were quicker than the answer that told us the provider's own number."""
    if outcome.external_order_id:
        waiting = inbox.readable(inbox.waiting_for(account.id, outcome.external_order_id))
        settle(waiting) if waiting else None


def _refused(claimed: ClaimedOrder, account: Provider, reason: str) -> None:
    log.bind(reason=reason)
    if claimed.may_be_known and not _is_denied(claimed, account):
        return
    with database.session():
        provider.answered(account.id)
        further = _next_provider(claimed, account, reason)
        if further is None:
            failed = Outcome(ExternalStatus.FAILED, message=reason)
            settle(
                [
                    Arrival(
                        account.id,
                        Source.DISPATCH,
                        failed,
                        claimed.id,
                        note=f"{account.id} refused: {reason}",
                    )
                ]
            )
    logger.info("The provider refused the order.", action="refused")
    if further:
        _send_next(*further)


def _is_denied(claimed: ClaimedOrder, account: Provider) -> bool:
    """Whether the provider still does not know an order that it was sent before, and now refuses.

    It may refuse the second because it has booked the first: nobody else gets it before that is clear.
    """
    try:
        outcome = providers.check(account, client, task_of(claimed))
    except UnknownReference:
        return True
    except ProviderError as error:
        _in_doubt(claimed, account, error)
    else:
        with database.session():
            settle([Arrival(account.id, Source.POLL, outcome, claimed.id, note="found after it was refused")])
        enqueue_check(claimed.id, settings.backoff_min)
    return False


def _send_next(claimed: ClaimedOrder, account: Provider) -> None:
    """With a permit of its own; where there is none just now, a check finds that nothing was sent, and sends it."""
    with ExitStack() as stack:
        try:
            stack.enter_context(one_call(account))
        except (Busy, redis.RedisError):
            with database.session():
                claims.in_doubt(claimed.id, BUSY_SECONDS, never_reached=True, provider_id=account.id)
            enqueue_check(claimed.id, BUSY_SECONDS)
        else:
            send(claimed, account)


def _next_provider(
    claimed: ClaimedOrder, account: Provider, reason: str
) -> tuple[ClaimedOrder, Provider] | None:
    """The order claimed for the next provider of its route, or None where there is none."""
    further = _next_usable(claimed, [*(claimed.tried_providers or []), account.id])
    if further is None:
        return None
    found, following = further
    moved = claims.claim_next_provider(claimed.id, account.id, found, reason, dispatch_grace_seconds)
    return (moved, following) if moved else None


def _next_usable(claimed: ClaimedOrder, tried: list[str]) -> tuple[Route, Provider] | None:
    """The next route of the order's package, with its provider; those that cannot be used are passed over."""
    product, package = claimed.product_id or "", claimed.package_id or ""
    while found := route.next_for(product, package, tried):
        if following := _usable(found.provider_id):
            return found, following
        tried = [*tried, found.provider_id]
    return None


def _usable(provider_id: str) -> Provider | None:
    try:
        account = provider.find(provider_id)
        reason = providers.fault(account, client) if account else "there is no such provider"
    except ValueError as error:
        account, reason = None, str(error)
    if reason:
        logger.error(
            "A provider cannot be used.", action="no_provider", provider_id=provider_id, reason=reason
        )
    return None if reason else account


def _in_doubt(claimed: ClaimedOrder, account: Provider, error: ProviderError) -> None:
    with database.session():
        if isinstance(error, NoAnswer):
            provider.failed(account.id, str(error), settings.backoff_min)
        never_reached = isinstance(error, NotReached)
        claims.in_doubt(claimed.id, settings.backoff_min, never_reached=never_reached, provider_id=account.id)
        intent = "not reached, will send again" if never_reached else "no clear answer to the send, will ask"
        timeline.record(claimed.id, Source.DISPATCH, f"{account.id}: {intent}: {error}")
    logger.warning("The send got no clear answer.", action="in_doubt", intent=intent, error=str(error))
    enqueue_check(claimed.id, settings.backoff_min)
