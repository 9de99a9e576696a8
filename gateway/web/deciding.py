"""What a person decides about an order, over the API."""

from collections.abc import Iterator
from contextlib import contextmanager

import falcon

from gateway import broker
from gateway.settings import Settings
from gateway.web import bodies, schemas
from gateway.web.auth import Keys
from gateway.web.errors import FieldError, Problem
from gateway.web.orders import find, shown_to
from models import resolving
from models.api_key import Scope
from models.stuck import Limits


class Resolve:
    """A person decides how an order stands."""

    needs_database = True

    def __init__(self, keys: Keys, settings: Settings) -> None:
        self._keys = keys
        self._limits = Limits.of(settings)

    def on_post(self, req: falcon.Request, resp: falcon.Response, order_id: str) -> None:
        key = self._keys.require(req, Scope.OPS)
        wanted = schemas.read_resolution(bodies.read_json(req))
        found = find(order_id, self._limits)
        with _told_what_is_not_possible():
            _decide(found.id, wanted, key.name)
        resp.media = shown_to(find(order_id, self._limits), key)


def _decide(order_id: str, wanted: schemas.ResolveOrder, by: str) -> None:
    """Raises resolving.NotPossible."""
    if wanted.accept:
        resolving.accept(order_id, by=by, reason=wanted.reason)
        return
    match wanted.external_status:
        case "completed":
            resolving.complete(order_id, wanted.all_codes(), by=by, reason=wanted.reason)
        case "failed":
            resolving.fail(order_id, by=by, reason=wanted.reason)
        case "reversed":
            resolving.reverse(order_id, by=by, reason=wanted.reason)
        case None:
            resolving.dismiss(order_id, by=by, reason=wanted.reason)


class Resend:
    """A person has an order sent that no provider has."""

    needs_database = True

    def __init__(self, keys: Keys, settings: Settings) -> None:
        self._keys = keys
        self._limits = Limits.of(settings)

    def on_post(self, req: falcon.Request, resp: falcon.Response, order_id: str) -> None:
        key = self._keys.require(req, Scope.OPS)
        wanted = schemas.read_resend(bodies.read_json(req))
        found = find(order_id, self._limits)
        with _told_what_is_not_possible():
            resolving.resend(
                found.id,
                by=key.name,
                reason=wanted.reason,
                provider_id=wanted.provider_id,
                may_buy_twice=wanted.may_buy_twice,
            )
        broker.wake("dispatch_order", found.id)
        resp.media = shown_to(find(order_id, self._limits), key)


@contextmanager
def _told_what_is_not_possible() -> Iterator[None]:
    """Raise what a person cannot decide as a 409, a provider that the order has no route to as a 422."""
    try:
        yield
    except resolving.NoSuchRoute as error:
        raise Problem(
            422, str(error), [FieldError("/providerId", "has no route from this package")]
        ) from None
    except resolving.NotPossible as error:
        raise Problem(409, str(error)) from None
