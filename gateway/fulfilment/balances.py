"""Our balance with each provider: asked for, kept from the answers to sends, and its chain followed for gaps."""

from collections.abc import Iterator
from decimal import Decimal

import redis

from gateway import log, outbound, providers
from gateway.fulfilment import breaker, routing
from gateway.fulfilment.permits import Busy
from gateway.fulfilment.worker import Worker
from gateway.providers import kinds
from gateway.providers.base import About, Balance, NoAnswer, ProviderError, QuestionRefused
from models import balance_ledger, balances, provider, provider_health
from models.balances import Told
from models.claims import ClaimedOrder
from models.db import database
from models.outcome import Outcome
from models.provider import Candidate

logger = log.get(__name__)

#: Seconds between two questions for the balance of a provider.
ASK_SECONDS = 3600
#: Seconds of one sweep for such questions; a provider that hangs is asked once in that time.
MAX_ASKING_SECONDS = 60


def keep(provider_id: str, claimed: ClaimedOrder, outcome: Outcome) -> None:
    """Keep the balance that the answer to a send told, if it did. Needs an open session."""
    if outcome.remaining is not None:
        told = Told(outcome.remaining, outcome.currency, outcome.cost)
        balances.keep(provider_id, told, claimed.claimed_at, claimed.id)


def ask(worker: Worker, found: Candidate) -> Balance:
    """Ask the provider for our balance, as a probe, and keep it; what else the answer says of it is kept, too.

    Needs a permit. Raises ProviderError.
    """
    with database.session():
        asking = balances.begin_asking(found.provider.id)
    return _ask(worker, found, asking, is_probe=True)


def _ask(worker: Worker, found: Candidate, asking: balances.Asking, *, is_probe: bool = False) -> Balance:
    provider_id, sent_before = found.provider.id, outbound.calls_sent()
    try:
        balance = providers.balance(found.provider, worker.client)
    except NoAnswer as error:
        breaker.failed(worker, provider_id, error)
        raise
    except QuestionRefused as error:
        if outbound.calls_sent() > sent_before:  # else its protocol has no such question
            breaker.answered(worker, found)
        if error.about is About.ACCOUNT:
            with database.session():
                provider_health.account_trouble(provider_id, str(error))
        raise
    breaker.answered(worker, found)
    with database.session():
        told = Told(balance.amount, balance.currency, Decimal(0))
        is_resumed = balances.keep_asked(provider_id, told, asking, is_probe=is_probe)
    if is_resumed:
        logger.warning(
            "The provider accepts our account again: its pause is over.",
            action="provider_resumed",
            provider_id=provider_id,
        )
    return balance


def ask_due(worker: Worker) -> Iterator[int]:
    """Ask for each balance that is due, as a step of the sweep; what is left is asked for by the next one."""
    deadline = worker.monotonic() + MAX_ASKING_SECONDS
    for provider_id in balances.due(ASK_SECONDS):
        found = routing.candidate(worker, provider_id)
        if found and not found.health.down and _has_service(found):
            yield _ask_if_due(worker, found)
        if worker.monotonic() > deadline:
            return


def _has_service(found: Candidate) -> bool:
    kind = kinds.find(found.provider.adapter)
    return kind is not None and kind.HAS_SERVICE


def _ask_if_due(worker: Worker, found: Candidate) -> int:
    """1 if it was asked. Without a permit it stays due."""
    try:
        with worker.one_call(found.provider):
            asking = balances.claim_asking(found.provider.id, ASK_SECONDS)
            if asking is None:
                return 0
            _ask(worker, found, asking)
    except (Busy, redis.RedisError, ProviderError) as error:
        logger.info(
            "A balance was not learned.",
            action="balance_unknown",
            provider_id=found.provider.id,
            error=str(error),
        )
    return 1


def follow(worker: Worker) -> Iterator[int]:
    """Follow the chain of balances of each provider that has told any, as a step of the sweep."""
    for provider_id in balance_ledger.with_news():
        account = provider.outline(provider_id)
        grace_seconds = worker.grace_seconds(account) if account else worker.settings.call_timeout
        while followed := balance_ledger.follow(provider_id, grace_seconds):
            yield len(followed.placed)
            if len(followed.placed) < balance_ledger.MAX_READINGS // 2:
                break


def purge(worker: Worker) -> Iterator[int]:
    """Delete readings whose time is over, as a step of the sweep."""
    while purged := balance_ledger.purge(worker.settings.sweep_batch):
        yield purged
