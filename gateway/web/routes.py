"""What an order of a package needs."""

import falcon

from gateway.inputs import is_storable
from gateway.providers import kinds, players
from gateway.web import problems, schemas
from gateway.web.auth import Keys
from gateway.web.errors import Problem
from models import route
from models.api_key import Scope
from models.route import Offer


class Routes:
    """What a storefront may know of the routes of a package: those that an order with its key would take."""

    needs_database = True

    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    def on_get(self, req: falcon.Request, resp: falcon.Response, product_id: str, package_id: str) -> None:
        key = self._keys.require(req, Scope.ORDERS_READ, Scope.ORDERS_WRITE)
        is_a_name = is_storable(product_id) and is_storable(package_id)
        offers = route.offers(product_id, package_id, tenant_id=key.tenant_id) if is_a_name else []
        if not offers:
            raise Problem(problems.ROUTE_NOT_FOUND, "this package is not offered: it has no provider")
        resp.media = schemas.show_route(offers, inputs_of(offers[0]), _most(offers))

    on_head = on_get


def inputs_of(offer: Offer) -> dict[str, bool]:
    """The inputs of an order that its route uses, by name, and whether each must be there."""
    kind = kinds.find(offer.adapter) if offer.adapter else None
    if kind is None or not offer.field_map:
        return dict.fromkeys(players.NAMES, False)
    found: dict[str, bool] = {}
    for field, template in offer.field_map.items():
        needed = players.needed_in(template) if field in kind.NEEDS else []
        for name in players.names_in(template):
            found[name] = found.get(name, False) or name in needed
    further = sorted(found.keys() - set(players.NAMES))
    return {name: found[name] for name in (*players.NAMES, *further) if name in found}


def _most(offers: list[Offer]) -> int:
    """How many one order may ask for: as many as the provider takes that takes the most."""
    found = (kinds.find(offer.adapter) if offer.adapter else None for offer in offers)
    known = [kind.TRAITS.max_quantity if kind else None for kind in found]
    limits = [most for most in known if most is not None]
    return schemas.MAX_QUANTITY if len(limits) < len(known) else min(max(limits), schemas.MAX_QUANTITY)
