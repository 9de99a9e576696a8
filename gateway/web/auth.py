"""API keys: authenticating a request, and checking its scopes."""

import threading
import time
from typing import Any

import falcon

from gateway import log
from gateway.background import Rounds
from gateway.web.cache import Snapshot
from gateway.web.errors import Problem
from gateway.web.limits import Limits
from models import api_key
from models.api_key import ApiKey, Scope
from models.db import database

logger = log.get(__name__)

#: Age in seconds at which the known keys are read again before one of them counts: with the time that this takes, a
#: revoked key ends within a second.
CACHE_SECONDS = 0.8
#: A key that is not among them may have just been made, so they are read once more before it is refused. For an address
#: that is past its failures, at most so often, in seconds.
LOOK_AGAIN_SECONDS = 0.1
#: Seconds until a use is noted once more, if it could not be stored.
NOTE_AGAIN_SECONDS = 60


class Keys:
    """Finds the key of a request, among all keys as they were a moment ago."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._known = Snapshot(_read, CACHE_SECONDS)
        self._uses = _Uses()

    def identify(self, req: falcon.Request, *, survives_outage: bool = False) -> ApiKey:
        """The key of the request, which counts against its limit. Raises a 401 without a valid key, a 429.

        With `survives_outage`, a key that was valid when it was last read counts while the database is away; nobody can
        revoke one then.
        """
        scheme, _, presented = (req.get_header("Authorization") or "").partition(" ")
        if scheme.lower() != "bearer" or not presented.strip():
            raise _unauthorized(_how_to_send(req))
        found = self.find(req, presented.strip(), survives_outage=survives_outage)
        if isinstance(found, str):
            self._limits.failure_from(req)
            raise _unauthorized(found)
        log.bind(caller=found.name)
        self._limits.request_of_key(found.id)
        if not found.is_used_today:
            self._uses.note(found.id)
        return found

    def require(self, req: falcon.Request, *scopes: Scope) -> ApiKey:
        """The key that `identify` has found. Raises a 403 without one of `scopes`.

        Orders are found through `seen.Seen` of it, and so are only those of its tenant.
        """
        found: ApiKey = req.context.key
        if not found.scopes.intersection(scopes):
            raise Problem(403, f"this key does not have the scope {' or '.join(scopes)}")
        return found

    def require_whole(self, req: falcon.Request, *scopes: Scope) -> ApiKey:
        """`require`, for what is about all tenants together. Raises a 403 for a key of one of them."""
        found = self.require(req, *scopes)
        if found.tenant_id is not None:
            raise Problem(403, "this key belongs to a tenant, and this is about all of them")
        return found

    def drain(self, timeout_seconds: float) -> bool:
        """Wait until nothing is read or written in the background; False if that takes longer."""
        return self._known.drain(timeout_seconds) and self._uses.drain(timeout_seconds)

    def find(self, req: falcon.Request, presented: str, *, survives_outage: bool = False) -> ApiKey | str:
        """The key, or why it is not accepted. Counts nothing."""
        try:
            read_at, known = self._known.get(CACHE_SECONDS)
            if (found := api_key.known_by(presented, known)) is None:
                is_failing = self._limits.is_failing(req)
                read_at, known = self._known.get(LOOK_AGAIN_SECONDS if is_failing else 0)
                found = api_key.known_by(presented, known)
        except database.UNAVAILABLE:
            last = self._known.last() if survives_outage else None
            found = api_key.known_by(presented, last[1]) if last else None
            if last is None or found is None:
                raise
            read_at = last[0]
        if found is None:
            return "the API key is not valid"
        if found.expires_at and (found.expires_in_seconds or 0) <= time.monotonic() - read_at:
            return f"the API key expired at {found.expires_at:%Y-%m-%d %H:%M} UTC; its owner must make another one"
        return found


def _read() -> tuple[float, dict[str, ApiKey]]:
    """When they were read (monotonic), and every key by its digest."""
    return time.monotonic(), api_key.not_revoked()


class _Uses:
    """Stores the day on which a key was last used, in the background, once a day for each key."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        #: When the use of each key was noted.
        self._noted: dict[int, float] = {}
        self._waiting: set[int] = set()
        self._rounds = Rounds("uses of keys", self._take, self._write)
        self.drain = self._rounds.drain

    def note(self, key_id: int) -> None:
        """A key was used, of which that is not known today. Never waits and never raises."""
        now = time.monotonic()
        with self._lock:
            if now - self._noted.get(key_id, -NOTE_AGAIN_SECONDS) < NOTE_AGAIN_SECONDS:
                return
            self._noted[key_id] = now
            self._waiting.add(key_id)
        self._rounds.begin()

    def _take(self) -> set[int]:
        with self._lock:
            taken, self._waiting = self._waiting, set()
            return taken

    def _write(self, taken: set[int]) -> None:
        try:
            with database.session():
                api_key.record_use(sorted(taken))
        except Exception as error:  # it is noted again a minute later
            logger.debug("The use of a key was not stored.", action="use_lost", error=str(error).strip())


class Access:
    """Finds out whose request it is, before its body is read and a connection taken for it.

    A resource that anyone may call has `needs_key = False`; one that answers while the database is away,
    `survives_outage = True`.
    """

    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    def process_resource(
        self, req: falcon.Request, resp: falcon.Response, resource: Any, params: dict[str, Any]
    ) -> None:
        is_answered = hasattr(resource, f"on_{req.method.lower()}")  # else it is a 405
        if is_answered and getattr(resource, "needs_key", True):
            survives_outage = getattr(resource, "survives_outage", False)
            req.context.key = self._keys.identify(req, survives_outage=survives_outage)


def _how_to_send(req: falcon.Request) -> str:
    """Clients of the older storefront's API send their key in a header of its own."""
    sent = ", not as X-API-Token" if req.get_header("X-API-Token") else ""
    return f"send an API key as Authorization: Bearer KEY{sent}"


def _unauthorized(detail: str) -> Problem:
    return Problem(401, detail, WWW_Authenticate="Bearer")
