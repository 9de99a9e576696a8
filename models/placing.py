"""Placing orders."""

import hashlib
import json
import secrets
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from typing import Any, TypeVar

import peewee

from models import idempotency
from models.choosing import FIRST_ROUTE
from models.db import database, sql
from models.idempotency import Key
from models.order import COLUMNS, Order
from models.route import IS_AFFORDABLE, IS_FOR

#: Orders placed in one statement.
MAX_BATCH = 100
#: Lock timeout of a batch: while it waits for a key or a reference that another transaction holds, all of it waits.
IMPATIENT = "lock_timeout = '200ms'"
#: Digits of a reference: znet takes digits only, and JavaScript and PHP keep fifteen of them in a float.
REFERANS_DIGITS = 15
#: Tries at references that no order of ours has; of a billion orders, one in a million new ones needs the second.
DRAWS = 5
#: The SQLSTATE of a value that must be unique, and is there.
UNIQUE_VIOLATION = "23505"

T = TypeVar("T")


class NotPlaced(ValueError):
    """The order is not placed."""


class NoRoute(NotPlaced):
    """No route leads from the product and package to a provider."""


class TooMany(NotPlaced):
    """No provider of the package takes so many at once."""

    def __init__(self, most: int) -> None:
        super().__init__(TooMany.__doc__)
        #: The most that one of them takes.
        self.most = most


class TooExpensive(NotPlaced):
    """No provider of the package is known to cost no more than the order may."""


class MissingFields(NotPlaced):
    """The provider needs inputs that the order does not have."""

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__(MissingFields.__doc__)
        self.names = names


class NoTenant(NotPlaced):
    """The order belongs to no tenant, and on this table every order must belong to one."""


class KeyReused(NotPlaced):
    """The idempotency key was used before with another body."""


class ReferenceUsed(NotPlaced):
    """An order of the tenant has the reference already."""

    def __init__(self, order_id: str) -> None:
        super().__init__(ReferenceUsed.__doc__)
        #: The first one with it.
        self.order_id = order_id


class SentTwice(NotPlaced):
    """The player has just got the same package."""

    def __init__(self, order_id: str) -> None:
        super().__init__(SentTwice.__doc__)
        #: The order of that.
        self.order_id = order_id


@dataclass(frozen=True, slots=True)
class Money:
    """An amount of money."""

    amount: Decimal
    currency: str


#: The fields of a NewOrder by which its fingerprint was made when it had no others: keys of then are still good.
FIRST_FIELDS = frozenset(
    {"product_id", "package_id", "user_identifier", "extra_field", "quantity", "notify_url"}
)


@dataclass(frozen=True, slots=True)
class NewOrder:
    """What the storefront asks for."""

    product_id: str
    package_id: str
    user_identifier: str | None = None
    extra_field: str | None = None
    quantity: int = 1
    notify_url: str | None = None
    #: Further inputs of the route, by name.
    fields: Mapping[str, str] = field(default_factory=dict, hash=False)
    #: The storefront's own number for it.
    reference: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict, hash=False)
    #: What the customer pays.
    price: Money | None = None
    #: What it may cost, all of its quantity together.
    max_cost: Money | None = None
    #: Place it even if RESEND_GUARD takes it for the same order sent twice.
    allow_repeat: bool = False

    def fingerprint(self) -> str:
        """The same for the same order, however its JSON was spelled."""
        given = {name: value for name, value in asdict(self).items() if value or name in FIRST_FIELDS}
        return hashlib.sha256(json.dumps(given, sort_keys=True, default=str).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Placement:
    """An order to be placed, and the API key it is placed with."""

    new: NewOrder
    #: The API key's id and name.
    key_id: int
    made_by: str
    #: The tenant that the order will belong to: the API key's; None: to none.
    tenant_id: str | None
    #: The same idempotency key and order again is the same order.
    idempotency_key: str | None = None
    #: Whether the API key may read codes: its orders then have the fields for them, empty at first.
    reads_codes: bool = False

    @property
    def key(self) -> Key | None:
        """What its answer is kept under."""
        return Key(self.key_id, self.idempotency_key) if self.idempotency_key else None


@dataclass(frozen=True, slots=True)
class Placed:
    """The order that a placement made; `is_new` is False for a later one of the same batch with the same key."""

    order: Order
    is_new: bool


@dataclass(frozen=True, slots=True)
class Repeated:
    """What was answered to an earlier request with the same idempotency key and order."""

    answer: str


#: What becomes of a placement.
Result = Placed | Repeated | NotPlaced


@dataclass(frozen=True, slots=True)
class Terms:
    """What a protocol asks of an order: placing must know it."""

    #: How many it takes in one order; None: any number.
    most: int | None = None
    #: Its fields that may not be empty: what a route fills them with must be in the order.
    needs: tuple[str, ...] = ()


def terms_in_json(known: Mapping[str, Terms]) -> str:
    """The terms of protocols by their names, as `place` takes them."""
    return json.dumps({name: asdict(terms) for name, terms in known.items()})


#: Why a placement is not placed, as PLACE says it: `word` of _REFUSALS, `position`, and what belongs to the word.
_Refusal = Mapping[str, Any]


def new_referans() -> str:
    """A reference of REFERANS_DIGITS digits that does not start with 0. Knowing one must give no rights."""
    return str(10 ** (REFERANS_DIGITS - 1) + secrets.randbelow(9 * 10 ** (REFERANS_DIGITS - 1)))


def with_fresh_references(place_all: Callable[[], T]) -> T:
    """What `place_all` returns; it is called again if something that must be unique is there already.

    Nothing was stored then. A reference to the provider is drawn anew; one of the storefront, or an order of the same
    player, was placed at the same instant, and is seen now.
    """
    for _ in range(DRAWS):
        try:
            return place_all()
        except peewee.IntegrityError as error:
            if database.sqlstate(error) != UNIQUE_VIOLATION:
                raise
            known = error
    raise known


@contextmanager
def place(
    placements: Sequence[Placement],
    *,
    wake_seconds: float,
    guard_seconds: float = 0.0,
    terms: str = "{}",
    needs_tenant: bool = False,
    impatient: bool = False,
    draw: Callable[[], str] = new_referans,
) -> Iterator[list[Result]]:
    """Store orders, their references chosen, all in one commit; what became of each, in their order.

    With idempotency keys, the commit is the end of the block: what was answered to a new order must be kept within it
    (`idempotency.keep`), and an error within it undoes everything. A placement whose key or reference is in use waits
    until the other transaction has ended. An order that no worker dispatches within `wake_seconds` is found by the
    sweep. Within `guard_seconds` (0: always) a player gets the same package no second time, unless that is allowed.
    `terms` are those of `terms_in_json`; of other protocols nothing is known. With `needs_tenant` (see
    `tenants.is_required`), an order that belongs to no tenant is not stored. `draw` gives the references to the
    providers; see `with_fresh_references` for what an order of ours has already.

    Raises peewee.DataError for a product or package that is not a UUID on a table that stores UUIDs, and
    peewee.IntegrityError for a product, package or tenant that is not in the table it refers to, and where an order
    must have a tenant without `needs_tenant` saying so; impatient, also database.LOCK_NOT_AVAILABLE for a key or a
    reference that stays in use.
    """
    names = [_names(each, is_guarded=guard_seconds > 0) for each in placements]
    keyed = any(each.key for each in placements)
    takes_turns = len({name for each in names for name in each}) < sum(map(len, names))
    statement = PLACE if any(names) or any(map(_has_conditions, placements)) else PLACE_PLAIN
    if impatient and (keyed or any(names)):
        statement = _IMPATIENTLY[statement]
    values = {"wake": wake_seconds, "guard": guard_seconds, "terms": terms, "needs_tenant": needs_tenant}
    with database.database.atomic() if keyed or takes_turns else nullcontext():
        new: dict[int, Order] = {}
        refused: dict[int, _Refusal] = {}
        for turn in _turns(names, new, refused):
            given = [_parameters(position, placements[position], draw()) for position in turn]
            positions = {each["id"]: each["position"] for each in given}
            parameters = {**database.arrays(given), **values}
            for order, refusal in database.load_beside(Order, statement, parameters, "refusal"):
                if refusal:
                    refused[refusal["position"]] = refusal
                elif order.id is not None:
                    new[positions[order.id]] = order
        known = _known(placements, new)
        yield [
            Placed(new[position], is_new=True)
            if position in new
            else _again(each, known, refused.get(position))
            for position, each in enumerate(placements)
        ]


def forget_guards(limit: int) -> int:
    """Delete up to `limit` rows of orders that a player may repeat by now; returns how many were deleted."""
    return len(database.rows(FORGET_GUARDS, {"limit": limit}))


#: What only one order of a turn may have, beside its idempotency key; it begins with a key of _REFUSED_FOR.
_Name = tuple[str | None, ...]
#: By the kind of a name: the word of PLACE where an order has it already.
_REFUSED_FOR: dict[str | None, str] = {"reference": "reference_used", "player": "sent_twice"}


def _names(each: Placement, *, is_guarded: bool) -> list[_Name]:
    """The order's reference, and its package and player where these may not repeat."""
    new = each.new
    found: list[_Name] = []
    if new.reference is not None:
        found.append(("reference", each.tenant_id, new.reference))
    if is_guarded and new.user_identifier:
        found.append(("player", each.tenant_id, new.product_id, new.package_id, new.user_identifier))
    return found


def _has_conditions(each: Placement) -> bool:
    """Whether a route must be more than there."""
    return each.new.quantity > 1 or each.new.max_cost is not None


def _turns(
    names: Sequence[Sequence[_Name]], new: Mapping[int, Order], refused: Mapping[int, _Refusal]
) -> Iterator[list[int]]:
    """Positions for one statement each: of those with the same name only one, until an order has the name.

    `new` and `refused` say what has become of those of the turns before.
    """
    waiting = list(range(len(names)))
    given: set[_Name] = set()
    while waiting:
        turn, taken = [], set[_Name]()
        for position in waiting:
            if not taken.intersection(names[position]):
                turn.append(position)
                taken.update(name for name in names[position] if name not in given)
        yield turn
        waiting = [position for position in waiting if position not in set(turn)]
        for each in turn:
            word = refused[each]["word"] if each in refused else None
            given.update(name for name in names[each] if each in new or word == _REFUSED_FOR[name[0]])


def _parameters(position: int, each: Placement, referans: str) -> dict[str, Any]:
    """One element of each array that PLACE takes."""
    new, key = each.new, each.idempotency_key
    return {
        "position": position,
        "id": str(uuid.uuid4()),
        "tenant": each.tenant_id,
        "product": new.product_id,
        "product_id": new.product_id,
        "package": new.package_id,
        "package_id": new.package_id,
        "quantity": new.quantity,
        "user_identifier": new.user_identifier,
        "extra_field": new.extra_field,
        "said": _said(new),
        "notify_url": new.notify_url,
        "referans": referans,
        "note": f"placed with key {each.made_by}",
        "by": each.made_by,
        "key_id": each.key_id,
        "key": key,
        "fingerprint": new.fingerprint() if key else None,
    }


def _said(new: NewOrder) -> str | None:
    """What only some orders say, as JSON; None where nothing is said."""
    said = {
        "fields": new.fields,
        "reference": new.reference,
        "metadata": new.metadata,
        "price": new.price and str(new.price.amount),
        "price_currency": new.price and new.price.currency,
        "max_cost": new.max_cost and str(new.max_cost.amount),
        "max_cost_currency": new.max_cost and new.max_cost.currency,
        "allow_repeat": new.allow_repeat,
    }
    given = {name: value for name, value in said.items() if value}
    return database.as_json(given) if given else None


#: By key: the fingerprint of the order it was first used for, and what became of that.
Known = dict[Key, tuple[str, Placed | Repeated]]


def _known(placements: Sequence[Placement], new: Mapping[int, Order]) -> Known:
    """The keys of those that are not new: used in the same batch, or before."""
    asked = {each.key for position, each in enumerate(placements) if position not in new and each.key}
    if not asked:
        return {}
    here: Known = {
        key: (placements[position].new.fingerprint(), Placed(order, is_new=False))
        for position, order in new.items()
        if (key := placements[position].key) and key in asked
    }
    before = idempotency.first_answers(asked - here.keys())
    return here | {key: (first.fingerprint, Repeated(first.answer)) for key, first in before.items()}


def _again(placement: Placement, known: Known, refusal: _Refusal | None) -> Result:
    """What becomes of a placement that is not new. A repeated key is answered before anything else is looked at."""
    if placement.key not in known:
        return _REFUSALS[refusal["word"]](refusal) if refusal else NoRoute(NoRoute.__doc__)
    fingerprint, first = known[placement.key]
    if fingerprint != placement.new.fingerprint():
        return KeyReused(
            "the Idempotency-Key was used before with another body; use a new key for another order"
        )
    return first


#: By the word of PLACE.
_REFUSALS: dict[str, Callable[[_Refusal], NotPlaced]] = {
    "no_tenant": lambda refusal: NoTenant(NoTenant.__doc__),
    "no_route": lambda refusal: NoRoute(NoRoute.__doc__),
    "too_many": lambda refusal: TooMany(refusal["most"]),
    "too_expensive": lambda refusal: TooExpensive(TooExpensive.__doc__),
    "missing_fields": lambda refusal: MissingFields(refusal["missing"]),
    "reference_used": lambda refusal: ReferenceUsed(refusal["first_id"]),
    "sent_twice": lambda refusal: SentTwice(refusal["first_id"]),
}
#: In a template of a route: the name of a field that the order must have; one that ends in `?` it may have.
NEEDED_NAME = r"\{([^{}?]+)\}"
_ADAPTER = "(SELECT p.adapter FROM referans.providers AS p WHERE p.id = {provider})"
#: In SQL, of the route `r`: how many its provider takes at most; NULL: any number, or not known.
_MOST = f"(%(terms)s::jsonb #>> ARRAY[{_ADAPTER.format(provider='r.provider_id')}, 'most'])::int"
#: In SQL: the route `r` takes as many as the placement `i` wants.
_TAKES = f"(i.quantity = 1 OR i.quantity <= COALESCE({_MOST}, i.quantity))"
_USABLE = f"{_TAKES} AND " + IS_AFFORDABLE.format(
    max_cost="i.max_cost", max_cost_currency="i.max_cost_currency", quantity="i.quantity"
)
_PLACEMENT = {"product": "i.product", "package": "i.package", "tenant": "i.tenant"}
_CHOICE = {**_PLACEMENT, "order": "i.id", "own_product": "i.product_id", "own_package": "i.package_id"}
_FRAGMENTS = {
    "is_for": IS_FOR.format(**_PLACEMENT),
    "is_for_refused": IS_FOR.format(product="j.product", package="j.package", tenant="j.tenant"),
    "takes": _TAKES,
    "most": _MOST,
    "adapter": _ADAPTER.format(provider="route.provider_id"),
    "needed_name": NEEDED_NAME,
    "columns": COLUMNS,
}
PLACE = sql.read("place.sql", route=FIRST_ROUTE.format(**_CHOICE, usable=_USABLE), **_FRAGMENTS)
#: For placements without any conditions: most, and a third of the work.
PLACE_PLAIN = sql.read(
    "place.sql",
    without="conditions",
    route=FIRST_ROUTE.format(**_CHOICE, usable="true"),
    **_FRAGMENTS,
)
_IMPATIENTLY = {each: each.within(IMPATIENT) for each in (PLACE, PLACE_PLAIN)}
FORGET_GUARDS = """
DELETE FROM referans.repeat_guards WHERE key IN (
    SELECT key FROM referans.repeat_guards WHERE until < now() - interval '1 min' ORDER BY until LIMIT %(limit)s)
RETURNING key
"""
