"""Who is calling, and what they may do."""

from threading import Lock

import falcon
from cachetools import TTLCache, cachedmethod

from gateway import log
from gateway.web.errors import Problem
from models import api_key, database
from models.api_key import ApiKey, Scope

#: Seconds that a key is remembered, and so the longest that a revoked one still works.
REMEMBER_SECONDS = 3
MAX_REMEMBERED = 1000


class Keys:
    """Finds the key of a request, and remembers it for a moment."""

    def __init__(self) -> None:
        self._known: TTLCache[str, ApiKey] = TTLCache(MAX_REMEMBERED, REMEMBER_SECONDS)
        self._lock = Lock()

    def require(self, req: falcon.Request, *scopes: Scope) -> ApiKey:
        """The key of the request, which must have one of `scopes`. Raises a 401 or 403."""
        found = self._find(_presented(req))
        log.bind(caller=found.name)
        if not found.scopes.intersection(scopes):
            raise Problem(403, f"this key lacks the scope {' or '.join(scopes)}")
        return found

    @cachedmethod(lambda self: self._known, lock=lambda self: self._lock, key=lambda self, key: key)
    def _find(self, key: str) -> ApiKey:
        with database.session():
            found = api_key.find(key)
        if found is None:
            raise _unauthorized("the API key is not valid")
        return found


def _presented(req: falcon.Request) -> str:
    scheme, _, key = (req.get_header("Authorization") or "").partition(" ")
    if scheme.lower() != "bearer" or not key.strip():
        raise _unauthorized("send an API key: Authorization: Bearer KEY")
    return key.strip()


def _unauthorized(detail: str) -> Problem:
    return Problem(401, detail, WWW_Authenticate="Bearer")
