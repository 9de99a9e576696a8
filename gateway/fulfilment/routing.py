"""Which provider may have an order.

A provider is passed over only for a fault of its own: it is not configured or its settings do not work, it is down,
paused, or without balance. Any error of ours (the database is away, the keys of this process
open nothing) is raised: the work is put off, and the sweep finds it again.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import TypeVar

from gateway import log, providers
from gateway.fulfilment.worker import Worker
from models import choosing, provider
from models.claims import ClaimedOrder
from models.db import database, sealed
from models.provider import Assigned, Candidate
from models.route import Route

logger = log.get(__name__)

Found = TypeVar("Found", bound=Candidate)


def of_order(worker: Worker, order_id: str) -> Assigned | None:
    """The provider that the order is routed to, or None if it cannot be used. Raises sealed.NoKeyOpens."""
    with database.session():
        return _usable(worker, partial(provider.of_order, order_id), order_id=order_id)


def first_usable(worker: Worker, claimed: ClaimedOrder, tried: list[str]) -> tuple[Route, Candidate] | None:
    """The first route of the order's package whose provider is not in `tried` and takes orders, with that provider.

    One without balance only if no other takes them. Needs an open session. Raises sealed.NoKeyOpens.
    """
    without_balance = None
    for found, candidate in configured(worker, claimed, tried):
        if candidate.health.takes_orders and candidate.health.has_balance:
            return found, candidate
        if candidate.health.takes_orders:
            without_balance = without_balance or (found, candidate)
    return without_balance


def configured(worker: Worker, claimed: ClaimedOrder, tried: list[str]) -> Iterator[tuple[Route, Candidate]]:
    """The routes of the order's package, in their order, whose provider is not in `tried` and can be used.

    None that costs more than the order may. Whether one takes orders now is not asked. Needs an open session. Raises
    sealed.NoKeyOpens.
    """
    product, package = claimed.product_id or "", claimed.package_id or ""
    limit = claimed.limit()
    while found := choosing.next_for(
        product, package, tried, tenant_id=claimed.tenant_id, order_id=claimed.id, limit=limit
    ):
        if usable := candidate(worker, found.provider_id):
            yield found, usable
        tried = [*tried, found.provider_id]


def candidate(worker: Worker, provider_id: str) -> Candidate | None:
    """The provider and how it is doing, or None if it cannot be used. Needs an open session.

    Raises sealed.NoKeyOpens.
    """
    return _usable(worker, partial(provider.candidate, provider_id), provider_id=provider_id)


def _usable(worker: Worker, find: Callable[[], Found | None], **ids: str) -> Found | None:
    """What `find` finds; None, and an error in the log with `ids`, if no adapter can be made of it.

    Raises sealed.NoKeyOpens if the keys open nothing at all: then the fault is not the provider's.
    """
    try:
        found = find()
    except sealed.Unsealable as error:
        if not provider.are_lost(error):
            raise
        found = None
        reason: str | None = f"its credentials cannot be read: {error}"
    else:
        reason = _fault(worker, found)
    if reason:
        logger.error("A provider cannot be used.", action="no_provider", reason=reason, **ids)
    return None if reason else found


def _fault(worker: Worker, found: Candidate | None) -> str | None:
    """Why a provider that was found cannot be used; None if it can."""
    if found is None:
        return "it is not configured, or belongs to another tenant"
    return providers.fault(found.provider, worker.client)
