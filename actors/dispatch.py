"""Giving orders to providers, once."""

from typing import Any

import dramatiq

from actors.middleware import worth_retrying
from actors.permits import one_call
from actors.queue import enqueue_check
from actors.setup import client, dispatch_grace_seconds, settings
from gateway import log, providers
from gateway.broker import QUEUES
from gateway.providers.base import NoAnswer, NotReached, ProviderError, Refused, Task
from models import database, inbox, order, plan, provider, route, sealed, timeline
from models.outcome import Arrival, Outcome
from models.provider import Provider
from models.status import ExternalStatus, Source

logger = log.get(__name__)


@dramatiq.actor(queue_name=QUEUES["dispatch_order"], priority=0, retry_when=worth_retrying)
def dispatch_order(order_id: str) -> None:
    """Claim the order and send it; does nothing where somebody else has."""
    account = account_of(order_id)
    if account is None:
        return
    with one_call(account):
        with database.session():
            claimed = plan.claim_dispatch(order_id, dispatch_grace_seconds)
        if claimed:
            send(claimed, account)


def account_of(order_id: str) -> Provider | None:
    """The provider to call for an order. None, and an error in the log, where there is none that can be used."""
    try:
        with database.session():
            account = provider.of_order(order_id)
    except sealed.Unsealable as error:
        account, reason = None, str(error)
    else:
        reason = "it does not exist"
    if account is None:
        logger.error("The order's provider cannot be used.", action="no_provider", reason=reason)
    return account


def send(claimed: dict[str, Any], account: Provider) -> None:
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


def task_of(claimed: dict[str, Any]) -> Task:
    """What an adapter needs of a claimed order."""
    return Task(
        referans=claimed["referans"],
        user_identifier=claimed["user_identifier"] or "",
        extra_field=claimed["extra_field"],
        quantity=claimed["quantity"] or 1,
        external_order_id=claimed["external_order_id"],
        params=claimed["params"] or {},
    )


def settle(arrivals: list[Arrival]) -> list[order.Settled]:
    """Settle with this process's settings."""
    return order.settle(arrivals, order_timeout_seconds=settings.order_timeout)


def _accepted(claimed: dict[str, Any], account: Provider, outcome: Outcome) -> None:
    cost = f", cost {outcome.cost} {outcome.currency}" if outcome.cost is not None else ""
    arrival = Arrival(
        account.id,
        Source.DISPATCH,
        outcome,
        order_id=claimed["id"],
        next_check_seconds=settings.first_check_delay,
        note=f"accepted by {account.id}{cost}",
    )
    with database.session():
        settle([arrival])
        _settle_what_waited(account, outcome)
        provider.answered(account.id)
    logger.info("The provider accepted the order.", action="dispatched")
    enqueue_check(claimed["id"], settings.first_check_delay)


def _settle_what_waited(account: Provider, outcome: Outcome) -> None:
    """Callbacks that were quicker than the answer that told us the provider's own number."""
    if outcome.external_order_id:
        waiting = inbox.waiting_for(account.id, outcome.external_order_id)
        settle(waiting) if waiting else None


def _refused(claimed: dict[str, Any], account: Provider, reason: str) -> None:
    log.bind(reason=reason)
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
                        claimed["id"],
                        note=f"{account.id} refused: {reason}",
                    )
                ]
            )
    logger.info("The provider refused the order.", action="refused")
    if further:
        send(*further)


def _next_provider(
    claimed: dict[str, Any], account: Provider, reason: str
) -> tuple[dict[str, Any], Provider] | None:
    """The order claimed for the next provider of its route, or None where there is none."""
    tried = [*(claimed["tried"] or []), account.id]
    found = route.next_for(claimed["product_id"] or "", claimed["package_id"] or "", tried)
    following = provider.find(found["provider_id"]) if found else None
    if found is None or following is None:
        return None
    moved = plan.claim_next_provider(claimed["id"], account.id, found, reason, dispatch_grace_seconds)
    return (moved, following) if moved else None


def _in_doubt(claimed: dict[str, Any], account: Provider, error: ProviderError) -> None:
    with database.session():
        if isinstance(error, NoAnswer):
            provider.failed(account.id, str(error), settings.backoff_min)
        never_reached = isinstance(error, NotReached)
        plan.in_doubt(claimed["id"], settings.backoff_min, never_reached=never_reached)
        intent = "not reached, will send again" if never_reached else "no clear answer to the send, will ask"
        timeline.record(claimed["id"], Source.DISPATCH, f"{account.id}: {intent}: {error}")
    logger.warning("The send got no clear answer.", action="in_doubt", intent=intent, error=str(error))
    enqueue_check(claimed["id"], settings.backoff_min)
