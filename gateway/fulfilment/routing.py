"""Which provider may have an order.

A provider is passed over only for a fault of its own. Any error of ours (the database is away, the keys of this process
open nothing) is raised: the work is put off, and the sweep finds it again.
"""

from collections.abc import Callable
from functools import partial
from typing import TypeVar

from gateway import log, providers
from gateway.fulfilment.worker import Worker
from models import provider, route
from models.claims import ClaimedOrder
from models.db import database, sealed
from models.provider import Assigned, Provider
from models.route import Route

logger = log.get(__name__)

Found = TypeVar("Found", Provider, Assigned)


def of_order(worker: Worker, order_id: str) -> Assigned | None:
    """The provider that the order is routed to, or None if it cannot be used. Raises sealed.NoKeyOpens."""
    with database.session():
        return _usable(worker, partial(provider.of_order, order_id), order_id=order_id)


def first_usable(worker: Worker, claimed: ClaimedOrder, tried: list[str]) -> tuple[Route, Provider] | None:
    """The first route of the order's package whose provider is not in `tried` and can be used, with that provider.

    Needs an open session. Raises sealed.NoKeyOpens.
    """
    product, package = claimed.product_id or "", claimed.package_id or ""
    while found := route.next_for(product, package, tried):
        find = partial(provider.find, found.provider_id)
        if account := _usable(worker, find, provider_id=found.provider_id):
            return found, account
        tried = [*tried, found.provider_id]
    return None


def _usable(worker: Worker, find: Callable[[], Found | None], **ids: str) -> Found | None:
    """What `find` finds; None, and an error in the log with `ids`, if no adapter can be made of it.

    Raises sealed.NoKeyOpens if the keys open nothing at all: then the fault is not the provider's.
    """
    try:
        found = find()
    except sealed.Unsealable as error:
        if isinstance(error, sealed.NoKeyOpens) and not provider.keys_open_anything():
            raise
        found = None
        reason: str | None = f"its credentials cannot be read: {error}"
    else:
        reason = _fault(worker, found)
    if reason:
        logger.error("A provider cannot be used.", action="no_provider", reason=reason, **ids)
    return None if reason else found


def _fault(worker: Worker, found: Provider | Assigned | None) -> str | None:
    """Why a provider that was found cannot be used; None if it can."""
    if found is None:
        return "it is not configured"
    return providers.fault(found if isinstance(found, Provider) else found.provider, worker.client)
