"""What each call says of its provider: that it is up, or that it failed once more.

Redis counts the calls. PostgreSQL is written to only when one fails, and by the first answer after that.
"""

from gateway import log, providers
from gateway.fulfilment.worker import Worker
from gateway.providers.base import Refused
from models import balances, provider_health
from models.db import database
from models.provider import Candidate, Provider

logger = log.get(__name__)


def answered(worker: Worker, found: Candidate) -> None:
    """A call was answered that began when its provider was as `found`: of an open breaker, that makes it a probe."""
    provider_id, health = found.provider.id, found.health
    failed_before = worker.permits.window.answered(provider_id)
    if not (failed_before or health.failures or health.down):
        return
    with database.session():
        is_back = provider_health.answered(provider_id, was_asked_since=health.down)
    if is_back:
        worker.permits.window.forget(provider_id)
        logger.warning("The provider answers again.", action="provider_up", provider_id=provider_id)


def failed(worker: Worker, provider_id: str, error: Exception) -> None:
    """A call got no readable answer."""
    counts = worker.permits.window.failed(provider_id)
    too_many = counts is not None and counts.too_many_failed
    with database.session():
        is_down = provider_health.failed(
            provider_id, str(error), worker.settings.backoff_min, too_many=too_many
        )
    if is_down:
        logger.error(
            "The provider is down: it gets no orders until it answers a probe.",
            action="provider_down",
            provider_id=provider_id,
            error=str(error),
        )


def account_refused(worker: Worker, account: Provider, order_id: str, error: Refused) -> None:
    """The provider refused a send because of our account, as it will every other: it may be paused for that."""
    provider_id = account.id
    with database.session():
        is_paused = provider_health.account_refused(
            provider_id,
            str(error),
            worker.settings.backoff_max,
            is_certain=error.is_certain,
            lacks_balance=error.lacks_balance,
            order_id=order_id,
            currency=providers.currency(account),
        )
        balances.ask_soon(provider_id)
    if is_paused:
        logger.error(
            "The provider refuses our account: it is paused and gets no orders.",
            action="provider_paused",
            provider_id=provider_id,
            reason=str(error),
        )
