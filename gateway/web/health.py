"""Health, for load balancers and people."""

import time
from collections.abc import Mapping

import falcon
import redis

from gateway import broker, log
from gateway.web.probe import ANSWER_SECONDS, OK, Probe
from models import readiness
from models.db import database, state
from models.readiness import Obstacle

logger = log.get(__name__)

#: What is known of the rest while the database does not answer.
UNKNOWN = "unknown without the database"


class Live:
    """The process answers."""

    needs_key = False

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        resp.media = {"status": OK}

    on_head = on_get


class Ready:
    """Whether an order could be placed and handed to a worker; a 503 names what is down.

    Both servers are asked at the same time.
    """

    needs_key = False

    def __init__(self, redis_client: redis.Redis) -> None:
        self._redis = redis_client
        self._probes = [Probe("database", _stored), Probe("broker", self._queued)]

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        deadline = time.monotonic() + ANSWER_SECONDS
        asked = [(probe, probe.begin()) for probe in self._probes]
        answers = [probe.outcome(call, deadline) for probe, call in asked]
        stored, queued = answers
        found = {"database": stored["database"], **queued}
        found |= {name: stored.get(name, UNKNOWN) for name in ("migrations", "encryption")}
        wrong = [name for name, said in found.items() if said not in (OK, UNKNOWN)]
        resp.status = falcon.HTTP_503 if wrong else falcon.HTTP_200
        resp.media = {"status": f"down: {', '.join(wrong)}" if wrong else OK} | found

    on_head = on_get

    def _queued(self) -> Mapping[str, str]:
        return {"broker": _told("broker", broker.obstacle(self._redis))}


def _stored() -> Mapping[str, str]:
    """Of the database: whether it takes writes, what it lacks, and whether our keys open what it holds."""
    with database.session():
        missing = state.read(database.database.obj).in_words()
        obstacle = None if missing else readiness.obstacle()
        keys_are_wrong = not missing and readiness.keys_open_nothing()
    return {
        "database": _told("database", obstacle),
        "migrations": f"{missing}; run `gateway migrate`" if missing else OK,
        "encryption": "down: ENCRYPTION_KEYS: no key opens what is stored" if keys_are_wrong else OK,
    }


def _told(name: str, obstacle: Obstacle | None) -> str:
    """`ok`, or in short what is wrong. Details go to the log: callers are not authenticated."""
    if obstacle is None:
        return OK
    logger.warning("It takes no writes.", action="not_ready", probe=name, error=obstacle.cause)
    return f"down: {obstacle.short}"
