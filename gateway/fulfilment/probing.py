"""Finding out whether providers that get no orders are back, by asking for our balance; needs no order to ask about.

And taking up the orders that waited for one. `gateway.fulfilment.breaker` and the pauses only say that it is back.
"""

from collections.abc import Callable

import redis

from gateway import log
from gateway.fulfilment import balances, routing
from gateway.fulfilment.permits import Busy
from gateway.fulfilment.worker import CHECK, DISPATCH, Worker
from gateway.providers.base import NoAnswer, ProviderError, QuestionRefused
from models import provider_health, unsent
from models.db import database
from models.provider import Candidate
from models.status import ExternalStatus

logger = log.get(__name__)

#: Orders that one look takes up at most for a provider; the next look goes on.
MOST_TAKEN_UP = 20_000


def look(worker: Worker, start_probe: Callable[[str], None]) -> None:
    """Take up what waited for providers that are back, and start the probes that are due, each by a provider's id."""
    with database.session():
        returned, due = provider_health.returned(), provider_health.due_probes()
    for provider_id in due:
        start_probe(provider_id)
    for provider_id, is_last in returned.items():
        if take_up(worker, provider_id) < MOST_TAKEN_UP and is_last:
            with database.session():
                provider_health.taken_up(provider_id)


def take_up(worker: Worker, provider_id: str) -> int:
    """Plan for now, and hint at, the orders that a provider may have which takes orders again; how many.

    Raises redis.RedisError; the sweep then hints at what is planned.
    """
    taken = 0
    while taken < MOST_TAKEN_UP:
        with database.session():
            waiting = unsent.take_up(provider_id, worker.settings.sweep_batch)
        if not waiting:
            break
        taken += len(waiting)
        worker.hints.send(
            (DISPATCH if each.external_status == ExternalStatus.NOT_SENT else CHECK, each.id)
            for each in waiting
        )
    if taken:
        logger.info(
            "Orders that waited are taken up.", action="taken_up", provider_id=provider_id, count=taken
        )
    return taken


def probe(worker: Worker, provider_id: str) -> None:
    """Ask a provider that gets no orders for our balance, if that is due and no other worker does."""
    settings = worker.settings
    with database.session():
        if not provider_health.claim_probe(provider_id, settings.backoff_min, settings.backoff_max):
            return
        found = routing.candidate(worker, provider_id)
    if found is None:
        return
    try:
        with worker.one_call(found.provider):
            _ask(worker, found)
    except (Busy, redis.RedisError) as error:
        logger.info(
            "A probe found no permit.", action="probe_skipped", provider_id=provider_id, error=str(error)
        )


def _ask(worker: Worker, found: Candidate) -> None:
    """An answer of any kind shows that the provider is up; only a balance, that it accepts our account."""
    provider_id = found.provider.id
    try:
        balances.ask(worker, found)
    except (NoAnswer, QuestionRefused):  # what that says of the provider is kept
        return
    except ProviderError as error:
        logger.warning(
            "A probe learned nothing.", action="probe_failed", provider_id=provider_id, error=str(error)
        )
