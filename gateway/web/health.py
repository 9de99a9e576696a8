"""Health, for load balancers and people."""

import time
from collections.abc import Callable

import falcon
import redis

from gateway.web.probe import ANSWER_SECONDS, OK, Probe
from models.db import database, migrate


class Live:
    """The process answers."""

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        resp.media = {"status": OK}


class Ready:
    """Whether all that an order needs is available; a 503 names what is down. All are probed at the same time."""

    def __init__(self, redis_client: redis.Redis) -> None:
        questions: dict[str, Callable[[], str | None]] = {
            "database": _database,
            "broker": lambda: None if redis_client.ping() else "no answer",
            "migrations": _migrations,
        }
        self._probes = {name: Probe(name, ask) for name, ask in questions.items()}

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        deadline = time.monotonic() + ANSWER_SECONDS
        asked = {name: probe.begin() for name, probe in self._probes.items()}
        found = {name: probe.outcome(asked[name], deadline) for name, probe in self._probes.items()}
        wrong = [name for name, outcome in found.items() if outcome != OK]
        resp.status = falcon.HTTP_503 if wrong else falcon.HTTP_200
        resp.media = {"status": f"down: {', '.join(wrong)}" if wrong else OK} | found


def _database() -> None:
    with database.session():
        database.rows("SELECT 1")


def _migrations() -> str | None:
    with database.session():
        pending = migrate.pending(database.database.obj)
    return f"pending: {', '.join(pending)}; run `gateway migrate`" if pending else None
