"""Reading the catalogues that are watched, once a day, and telling people what is new in them. No route is changed."""

import redis

from gateway import log, providers
from gateway.fulfilment import catalogues, routing
from gateway.fulfilment.permits import Busy
from gateway.fulfilment.worker import Worker
from gateway.providers import kinds
from gateway.providers.base import ProviderError
from models import catalogue_watches, route
from models.db import database

logger = log.get(__name__)

#: Seconds from one reading of a catalogue to the next: a little less than a day, so that the hour stays the same.
EVERY_SECONDS = 86_400 - 600
#: Seconds until a catalogue that could not be read is tried again.
AGAIN_SECONDS = 3_000
#: Seconds of one round; what it has not read by then is left to the next one.
MAX_SECONDS = 240


def read_due(worker: Worker) -> int:
    """Read each watched catalogue that is due; how many were read. One that does not come teaches nothing."""
    deadline, count = worker.monotonic() + MAX_SECONDS, 0
    with database.session():
        due = catalogue_watches.due()
    for provider_id in due:
        if worker.monotonic() > deadline:
            break
        try:
            count += _read(worker, provider_id)
        except (Busy, redis.RedisError, ProviderError) as error:
            logger.info(
                "A catalogue was not read.",
                action="catalogue_unread",
                provider_id=provider_id,
                error=str(error),
            )
    return count


def _read(worker: Worker, provider_id: str) -> bool:
    """Whether it was read. Raises Busy, redis.RedisError, ProviderError."""
    with database.session():
        found = routing.candidate(worker, provider_id)
    if found is None or found.health.down:
        return False
    with worker.one_call(found.provider):
        with database.session():
            watch = catalogue_watches.claim(provider_id, AGAIN_SECONDS)
        if watch is None:
            return False
        packages = providers.catalogue(found.provider, worker.client)
    kind = kinds.find(found.provider.adapter)
    with database.session():
        leading = [each for each in route.every() if each.provider_id == provider_id]
        lines = catalogues.compare(found.provider, kind.PARAMS if kind else (), packages, leading)
        attention = catalogues.news(lines, watch.known)
        catalogue_watches.read(watch, attention, EVERY_SECONDS)
    if attention:
        logger.warning(
            "The catalogue has changed.",
            action="catalogue_changed",
            provider_id=provider_id,
            changes=attention,
        )
    return True
