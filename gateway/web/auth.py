"""API keys: authenticating a request, and checking its scopes."""

import threading
import time
from typing import Any

import falcon

from gateway import log
from gateway.background import Rounds
from gateway.web import problems
from gateway.web.cache import Snapshot
from gateway.web.errors import Problem
from gateway.web.limits import Limits
from gateway.web.problems import ProblemType
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
        presented = _presented(req)
        try:
            found = self._find(req, presented, survives_outage)
        except Problem:
            self._limits.failure_from(req)
            raise
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
            raise Problem(problems.MISSING_SCOPE, f"this key does not have the scope {' or '.join(scopes)}")
        return found

    def confirm(self, req: falcon.Request) -> None:
        """Raises a 401 if the key of a request that has waited is not valid any more."""
        self._find(req, _presented(req), survives_outage=False)

    def require_whole(self, req: falcon.Request, *scopes: Scope) -> ApiKey:
        """`require`, for what is about all tenants together. Raises a 403 for a key of one of them."""
        found = self.require(req, *scopes)
        if found.tenant_id is not None:
            detail = "this key belongs to a tenant, and this is about all of them"
            raise Problem(problems.NOT_FOR_TENANTS, detail)
        return found

    def drain(self, timeout_seconds: float) -> bool:
        """Wait until nothing is read or written in the background; False if that takes longer."""
        return self._known.drain(timeout_seconds) and self._uses.drain(timeout_seconds)

    def _find(self, req: falcon.Request, presented: str, survives_outage: bool) -> ApiKey:
        """The key. Raises a 401 that says why it is not accepted."""
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
            raise _unauthorized(problems.INVALID_KEY, "the API key is not valid")
        if found.expires_at and (found.expires_in_seconds or 0) <= time.monotonic() - read_at:
            at = f"{found.expires_at:%Y-%m-%d %H:%M} UTC"
            detail = f"the API key expired at {at}; its owner must make another one"
            raise _unauthorized(problems.EXPIRED_KEY, detail)
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


#: How a key is sent.
HOW = "send an API key as Authorization: Bearer KEY"
#: Headers in which other APIs, the older storefront's too, take a key.
OTHER_HEADERS = ("X-API-Token", "X-API-Key", "API-Key")


def _presented(req: falcon.Request) -> str:
    """The key that a request brings. Raises a 401 that says how it is sent."""
    given = (req.get_header("Authorization") or "").strip()
    scheme, _, presented = given.partition(" ")
    if scheme.lower() == "bearer" and presented.strip():
        return presented.strip()
    if not given:
        elsewhere = next((name for name in OTHER_HEADERS if req.get_header(name)), None)
        if elsewhere is None:
            raise _unauthorized(problems.MISSING_KEY, HOW)
        why = f"{HOW}, not as {elsewhere}"
    elif scheme.lower() == "bearer":
        raise _unauthorized(problems.MISSING_KEY, f"no key follows the word Bearer; {HOW}")
    elif not presented:
        why = f"the word Bearer is missing in front of the key; {HOW}"
    else:
        known = scheme.capitalize() if scheme.lower() in ("basic", "digest") else "this scheme"
        why = f"{known} is not taken here; {HOW}"
    raise _unauthorized(problems.WRONG_AUTHORIZATION, why)


def _unauthorized(kind: ProblemType, detail: str) -> Problem:
    return Problem(kind, detail, WWW_Authenticate="Bearer")
