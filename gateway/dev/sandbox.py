"""The provider `sandbox`, which is the simulator, and a key to place orders with."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from gateway.callbacks.verifiers import StandardWebhooks
from gateway.dev.stack import PROVIDER, kept, write_private
from models import api_key, provider, route
from models.api_key import Scope
from models.db import sealed
from models.provider import CALLBACK_SECRET, Provider

#: The simulator's own dealer code and password.
KOD = SIFRE = "sandbox"
#: Route parameters for any package; the simulator takes every number.
PARAMS = {"oyun": "1", "kupur": "60"}
#: What the simulator decides of its provider; `gateway providers set` may change the rest.
MADE_HERE = ("adapter", "base_url", "callback", "credentials", "callback_options", "callback_format")
#: Names and scopes of the keys: of a developer, and of the example storefront.
DEVELOPMENT = ("development", tuple(Scope))
STOREFRONT = ("example-storefront", (Scope.ORDERS_WRITE, Scope.ORDERS_READ, Scope.PINS_READ))


def add_provider(simulator_url: str) -> str:
    """Add the sandbox at that address, or move it there, with a route for any package. Returns its callback secret.

    Its limits and thresholds stay as they were set. Needs an open session.
    """
    kind = StandardWebhooks()
    known = _present()
    secret = (known and known.credentials.get(CALLBACK_SECRET)) or kind.new_secret()
    credentials = {"kod": KOD, "sifre": SIFRE, CALLBACK_SECRET: secret}
    account = Provider(PROVIDER, "znet", simulator_url, kind.name, credentials, callback_format=kind.format)
    if known:
        account = replace(
            known,
            **{name: getattr(account, name) for name in MADE_HERE},
        )
    provider.save(account)
    route.add(route.ANY, route.ANY, PROVIDER, PARAMS)
    return str(secret).split()[0]


def _present() -> Provider | None:
    """Also None if its credentials were sealed with other keys: both ends are ours, so a new secret will do."""
    try:
        return provider.find(PROVIDER)
    except sealed.Unsealable:
        return None


def key(path: Path, name: str, scopes: Sequence[Scope]) -> str:
    """The API key kept in the file `path`, with these scopes; a new one if that is missing or not valid."""

    def new() -> str:
        return api_key.create(name, list(scopes))

    known = kept(path, new)
    found = api_key.find(known)
    if found and found.scopes == frozenset(scope.value for scope in scopes):
        return known
    write_private(path, new())
    return kept(path, new)
