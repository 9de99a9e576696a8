"""What a person decides about an order, over the API."""

from collections.abc import Iterator
from contextlib import contextmanager

import falcon

from gateway.settings import Settings
from gateway.web import bodies, problems, schemas
from gateway.web.auth import Keys
from gateway.web.errors import FieldError, Problem
from gateway.web.seen import Seen
from gateway.web.waiting import Waiting
from models.api_key import Scope
from models.resolving import NoSuchRoute, NotPossible


class Resolve:
    """A person decides how an order stands."""

    needs_database = True

    def __init__(self, keys: Keys, settings: Settings, waiting: Waiting) -> None:
        self._keys = keys
        self._settings = settings
        self._waiting = waiting

    def on_post(self, req: falcon.Request, resp: falcon.Response, order_id: str) -> None:
        seen = Seen(self._keys.require(req, Scope.OPS), self._settings)
        wanted = schemas.read_resolution(bodies.read_json(req))
        found = seen.find(order_id)
        with _told_what_is_not_possible():
            decided = seen.resolve(found, wanted)
        self._waiting.tell([decided.id])
        resp.media = seen.show(decided)


class Resend:
    """A person has an order sent that no provider has."""

    needs_database = True

    def __init__(self, keys: Keys, settings: Settings) -> None:
        self._keys = keys
        self._settings = settings

    def on_post(self, req: falcon.Request, resp: falcon.Response, order_id: str) -> None:
        seen = Seen(self._keys.require(req, Scope.OPS), self._settings)
        wanted = schemas.read_resend(bodies.read_json(req))
        found = seen.find(order_id)
        with _told_what_is_not_possible():
            resent = seen.resend(found, wanted)
        resp.media = seen.show(resent)


@contextmanager
def _told_what_is_not_possible() -> Iterator[None]:
    """Raise what a person cannot decide as a 409, a provider that the order has no route to as a 422."""
    try:
        yield
    except NoSuchRoute as error:
        raise Problem(
            problems.NO_ROUTE_TO_PROVIDER,
            str(error),
            [FieldError("/providerId", "has no route from this package")],
        ) from None
    except NotPossible as error:
        raise Problem(problems.DECISION_NOT_POSSIBLE, str(error)) from None
