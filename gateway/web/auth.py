"""API keys: authenticating a request, and checking its scopes."""

import falcon

from gateway import log
from gateway.web.cache import Cache
from gateway.web.errors import Problem
from models import api_key
from models.api_key import ApiKey, Scope
from models.db import database

#: Seconds that a key is cached, and so the longest that a revoked one still works.
CACHE_SECONDS = 3


class Keys:
    """Finds the key of a request, through a cache."""

    def __init__(self) -> None:
        self._known = Cache(api_key.find, CACHE_SECONDS)

    def require(self, req: falcon.Request, *scopes: Scope, survives_outage: bool = False) -> ApiKey:
        """The key of the request. Raises a 401 without a valid key, a 403 without one of `scopes`.

        With `survives_outage`, a key that was valid when it was last read counts while the database is away; nobody can
        revoke one then.
        """
        scheme, _, key = (req.get_header("Authorization") or "").partition(" ")
        if scheme.lower() != "bearer" or not key.strip():
            raise _unauthorized("send an API key: Authorization: Bearer KEY")
        found = self._find(key.strip(), survives_outage)
        if found is None:
            raise _unauthorized("the API key is not valid")
        log.bind(caller=found.name)
        if not found.scopes.intersection(scopes):
            raise Problem(403, f"this key does not have the scope {' or '.join(scopes)}")
        return found

    def _find(self, key: str, survives_outage: bool) -> ApiKey | None:
        try:
            return self._known.get(key)
        except database.UNAVAILABLE:
            if survives_outage and (known := self._known.last(key)):
                return known
            raise


def _unauthorized(detail: str) -> Problem:
    return Problem(401, detail, WWW_Authenticate="Bearer")
