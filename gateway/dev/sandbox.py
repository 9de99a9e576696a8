"""The provider `sandbox`, which is the simulator, and a key to place orders with."""

from pathlib import Path

from gateway.callbacks.verifiers import StandardWebhooks
from gateway.dev.stack import PROVIDER, kept, write_private
from models import api_key, provider, route
from models.api_key import Scope
from models.db import sealed
from models.provider import Provider

#: The simulator's own dealer code and password.
KOD = SIFRE = "sandbox"
#: Route parameters for any package; the simulator takes every number.
PARAMS = {"oyun": "1", "kupur": "60"}
KEY_NAME = "development"


def add_provider(simulator_url: str) -> str:
    """Add the sandbox at that address, or move it there, with a route for any package. Returns its callback secret.

    Needs an open session.
    """
    kind = StandardWebhooks()
    secret = _present_secret() or kind.new_secret()
    credentials = {"kod": KOD, "sifre": SIFRE, "callback_secret": secret}
    account = Provider(PROVIDER, "znet", simulator_url, kind.name, credentials, callback_format=kind.format)
    provider.save(account)
    route.add(route.ANY, route.ANY, PROVIDER, PARAMS)
    return secret


def _present_secret() -> str | None:
    """Also None if it was sealed with other keys: both ends are ours, so a new secret will do."""
    try:
        found = provider.find(PROVIDER)
    except sealed.Unsealable:
        return None
    return found.credentials.get("callback_secret") if found else None


def development_key(path: Path) -> str:
    """The key kept in the file `path`, with every scope; a new one if that is missing or not valid."""
    every = frozenset(scope.value for scope in Scope)
    known = kept(path, _new_key)
    found = api_key.find(known)
    if found and found.scopes == every:
        return known
    write_private(path, _new_key())
    return kept(path, _new_key)


def _new_key() -> str:
    return api_key.create(KEY_NAME, list(Scope))
