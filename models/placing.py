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
from models.db import database, sql
from models.idempotency import Key
from models.order import COLUMNS, Order
from models.route import FIRST_ROUTE

#: Orders placed in one statement.
MAX_BATCH = 100
#: Lock timeout of a batch: while it waits for an idempotency key that another transaction holds, all of it waits.
IMPATIENT = "SET LOCAL lock_timeout = '200ms'"
#: Digits of a reference: znet takes digits only, and JavaScript and PHP keep fifteen of them in a float.
REFERANS_DIGITS = 15
#: Tries at references that no order of ours has; of a billion orders, one in a million new ones needs the second.
DRAWS = 5
#: Keeps references unique among our own orders.
REFERENCE_INDEX = "idx_orders_referans_of_ours"

T = TypeVar("T")


class NoRoute(ValueError):
    """No route leads from the product and package to a provider."""


class NoTenant(ValueError):
    """The order belongs to no tenant, and on this table every order must belong to one."""


class KeyReused(ValueError):
    """The idempotency key was used before with another body."""


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
    fields: Mapping[str, str] = field(default_factory=dict)
    #: The storefront's own number for it.
    reference: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
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
Result = Placed | Repeated | NoRoute | NoTenant | KeyReused


def new_referans() -> str:
    """A reference of REFERANS_DIGITS digits that does not start with 0. Knowing one must give no rights."""
    return str(10 ** (REFERANS_DIGITS - 1) + secrets.randbelow(9 * 10 ** (REFERANS_DIGITS - 1)))


def with_fresh_references(place_all: Callable[[], T]) -> T:
    """What `place_all` returns; it is called again if a reference that it drew is one of ours already.

    Nothing was stored then.
    """
    for _ in range(DRAWS):
        try:
            return place_all()
        except peewee.IntegrityError as error:
            if database.constraint(error) != REFERENCE_INDEX:
                raise
            known = error
    raise known


@contextmanager
def place(
    placements: Sequence[Placement],
    *,
    wake_seconds: float,
    needs_tenant: bool = False,
    impatient: bool = False,
    draw: Callable[[], str] = new_referans,
) -> Iterator[list[Result]]:
    """Store orders, their references chosen, all in one commit; what became of each, in their order.

    With idempotency keys, the commit is the end of the block: what was answered to a new order must be kept within it
    (`idempotency.keep`), and an error within it undoes everything. A placement whose key is in use waits until the
    other transaction has ended. An order that no worker dispatches within `wake_seconds` is found by the sweep. With
    `needs_tenant` (see `tenants.is_required`), one that belongs to no tenant is not stored.
    `draw` gives the references; see `with_fresh_references` for one that an order of ours has already.

    Raises peewee.DataError for a product or package that is not a UUID on a table that stores UUIDs, and
    peewee.IntegrityError for a product, package or tenant that is not in the table it refers to, and where an order
    must have a tenant without `needs_tenant` saying so; impatient, also database.LOCK_NOT_AVAILABLE for a key that
    stays in use.
    """
    keyed = any(each.key for each in placements)
    with database.database.atomic() if keyed else nullcontext():
        if keyed and impatient:
            database.rows(IMPATIENT)
        new = _insert(placements, wake_seconds, needs_tenant, draw)
        known = _known(placements, new)
        yield [
            Placed(new[position], is_new=True) if position in new else _again(each, known, needs_tenant)
            for position, each in enumerate(placements)
        ]


def _insert(
    placements: Sequence[Placement], wake_seconds: float, needs_tenant: bool, draw: Callable[[], str]
) -> dict[int, Order]:
    """The orders of those that are new, have a route, and the tenant that they need, by position."""
    given = [_parameters(position, each, draw()) for position, each in enumerate(placements)]
    positions = {each["id"]: each["position"] for each in given}
    values = {**database.arrays(given), "wake": wake_seconds, "needs_tenant": needs_tenant}
    orders = database.load(Order, PLACE, values)
    return {positions[order.id]: order for order in orders}


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
        "notify_url": new.notify_url,
        "referans": referans,
        "note": f"placed with key {each.made_by}",
        "by": each.made_by,
        "key_id": each.key_id,
        "key": key,
        "fingerprint": new.fingerprint() if key else None,
    }


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


def _again(placement: Placement, known: Known, needs_tenant: bool) -> Result:
    new = placement.new
    if placement.key not in known:
        if needs_tenant and placement.tenant_id is None:
            return NoTenant(NoTenant.__doc__)
        return NoRoute(f"no route for product {new.product_id}, package {new.package_id}")
    fingerprint, first = known[placement.key]
    if fingerprint != new.fingerprint():
        return KeyReused("the Idempotency-Key was used before with another body")
    return first


PLACE = sql.read(
    "place.sql",
    route=FIRST_ROUTE.format(product="i.product", package="i.package", tenant="i.tenant", usable="true"),
    columns=COLUMNS,
)
