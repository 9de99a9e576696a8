"""Which provider may have an order."""

from collections.abc import Callable
from functools import partial
from typing import TypeVar

from gateway import log, providers
from gateway.fulfilment.worker import Worker
from models import provider, route
from models.claims import ClaimedOrder
from models.db import database
from models.provider import Assigned, Provider
from models.route import Route

logger = log.get(__name__)

Found = TypeVar("Found", Provider, Assigned)


def of_order(worker: Worker, order_id: str) -> Assigned | None:
    """The provider that the order is routed to, or None if it cannot be used."""
    with database.session():
        return _usable(worker, partial(provider.of_order, order_id), order_id=order_id)


def first_usable(worker: Worker, claimed: ClaimedOrder, tried: list[str]) -> tuple[Route, Provider] | None:
    """The first route of the order's package whose provider is not in `tried` and can be used, with that provider.

    Needs an open session.
    """
    product, package = claimed.product_id or "", claimed.package_id or ""
    while found := route.next_for(product, package, tried):
        find = partial(provider.find, found.provider_id)
        if account := _usable(worker, find, provider_id=found.provider_id):
            return found, account
        tried = [*tried, found.provider_id]
    return None


def _usable(worker: Worker, find: Callable[[], Found | None], **ids: str) -> Found | None:
    """What `find` finds; None, and an error in the log with `ids`, if no adapter can be made of it."""
    try:
        found = find()
        if found is None:
            reason: str | None = "it is not configured"
        else:
            account = found if isinstance(found, Provider) else found.provider
            reason = providers.fault(account, worker.client)
    except ValueError as error:  # its credentials are missing, or sealed under a key that is not configured
        found, reason = None, str(error)
    if reason:
        logger.error("A provider cannot be used.", action="no_provider", reason=reason, **ids)
    return None if reason else found
