"""Orders, providers and arrivals for tests, made through the models."""

import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

from models import claims, placing, provider, route
from models import order as models_order
from models.codes import Code
from models.db import binding, database, sealed
from models.outcome import Arrival, Outcome
from models.status import ExternalStatus, Source
from tests import warm

SANDBOX = "sandbox"
CREDENTIALS = {
    "kod": "dealer",
    "sifre": "not-a-real-one",
    "callback_secret": "whsec_c2VjcmV0LWZvci10ZXN0cw==",
}
ORDER_TIMEOUT_SECONDS = 86400.0
_numbers = itertools.count()


@contextmanager
def bound(
    database_url: str, pool_size: int = 8, *, keys: Sequence[str] = (), schema: str = database.SCHEMA
) -> Iterator[None]:
    """The models bound to a database, sealing with `keys`, with a session open in this thread."""
    pool = warm.fill(
        binding.bind(database_url, keys, pool_size=pool_size, name="referans-test", schema=schema)
    )
    warm.know()
    try:
        with database.session():
            yield
    finally:
        warm.close(pool)
        sealed.bind([])


def add_provider(provider_id: str = SANDBOX, base_url: str = "http://127.0.0.1:1", **fields: Any) -> None:
    """A provider with a route for anything."""
    given = {"adapter": "znet", "callback": "standard-webhooks", "credentials": CREDENTIALS} | fields
    provider.save(provider.Provider(id=provider_id, base_url=base_url, **given))
    route.add("*", "*", provider_id, {"oyun": "1", "kupur": "60"})


def analyze(table: str) -> None:
    """Have PostgreSQL plan by what the table holds. It waits for an autovacuum, which may take longer than we wait."""
    with database.database.atomic():
        database.rows("SET LOCAL lock_timeout = 0; SET LOCAL statement_timeout = '2min'")
        database.rows(f"ANALYZE {table}")


def place(user: str | None = "player", tenant_id: str | None = None, **fields: Any) -> dict[str, Any]:
    """A placed order, `not_sent`: the fields of `models.order.Order`."""
    new = placing.NewOrder(product_id="game", package_id="60", user_identifier=user, **fields)
    return place_new(new, tenant_id)


def place_new(new: placing.NewOrder, tenant_id: str | None = None) -> dict[str, Any]:
    """An order as it was asked for: `not_sent`."""
    placement = placing.Placement(new, key_id=0, made_by="tests", tenant_id=tenant_id)
    with placing.place([placement], wake_seconds=60) as [placed]:
        assert isinstance(placed, placing.Placed)
    return asdict(placed.order)


def sent(user: str = "player", tenant_id: str | None = None) -> dict[str, Any]:
    """An order that its provider has accepted."""
    order = place(user, tenant_id)
    claims.claim_dispatch(order["id"], grace_seconds=60)
    settle(arrival(order, ExternalStatus.SENT, source=Source.DISPATCH, next_check_seconds=60))
    return order


def arrival(
    order: dict[str, Any],
    status: ExternalStatus,
    pin: str | None = None,
    *,
    message: str | None = None,
    source: Source = Source.CALLBACK,
    **fields: Any,
) -> Arrival:
    """An outcome for `order`; a callback has a dedupe key of its own unless one is given."""
    outcome = Outcome(status, order["provider_referans"], codes=(Code(pin),) if pin else (), message=message)
    if source is Source.CALLBACK:
        fields = {"dedupe_key": f"event-{next(_numbers)}", "raw": "{}"} | fields
    return Arrival(fields.pop("provider_id", SANDBOX), source, outcome, **fields)


def settle(*arrivals: Arrival) -> list[Any]:
    """Settle, and give the results as plain words."""
    return [
        str(one.result) for one in models_order.settle(arrivals, order_timeout_seconds=ORDER_TIMEOUT_SECONDS)
    ]


def column(order: dict[str, Any], name: str) -> Any:
    """One column of the order as it is now."""
    return database.rows(f'SELECT "{name}" FROM product_orders WHERE id = %s', (order["id"],))[0][name]


def put(order: dict[str, Any], **columns: Any) -> None:
    """Set columns of an order to a state that takes long to reach."""
    assignments = ", ".join(f'"{name}" = %({name})s' for name in columns)
    database.rows(f"UPDATE product_orders SET {assignments} WHERE id = %(id)s", columns | {"id": order["id"]})


def age(order: dict[str, Any], seconds: float) -> None:
    """Let an order be `seconds` older: every time of it is moved back."""
    names = ("createdAt", "claimedAt", "sentAt", "nextCheckAt", "lastCallbackAt", "unknownAt")
    moved = ", ".join(f'"{name}" = "{name}" - make_interval(secs => %(s)s)' for name in names)
    database.rows(f"UPDATE product_orders SET {moved} WHERE id = %(id)s", {"s": seconds, "id": order["id"]})


#: Two tenants.
TENANT, OTHER_TENANT = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"
#: The id of no order; the same in every process, since it names tests.
NO_ORDER = "00000000-0000-4000-8000-000000000000"
