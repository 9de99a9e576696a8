"""A field of an order stands in the dataclass, in SQL and in the API's schema; forgetting one fails here.

The same for what the storefront may give: in the API's schema, the dataclass, `place.sql` and its parameters.
"""

from dataclasses import asdict, fields, replace
from decimal import Decimal
from typing import Any

import pytest

from gateway import shown
from gateway.web import schemas
from models import listing, lookup, order, placing, route, stuck
from models.db import database
from models.order import Order
from models.placing import Money, NewOrder, Placed, Placement
from models.stuck import Limits, StuckOrder
from models.tenants import EVERYTHING
from tests import factories

NAMES = tuple(field.name for field in fields(Order))


def test_each_field_is_shown_by_the_api_or_hidden_on_purpose() -> None:
    listed = (*(field for field in shown.FIELDS if field != "cost"), *shown.HIDDEN)
    missing = set(NAMES) - set(listed)
    assert not missing, f"put {missing} into FIELDS or HIDDEN of gateway/shown.py"
    assert sorted(listed) == sorted(NAMES), "gateway/shown.py lists a field twice, or one that is not there"


@pytest.mark.usefixtures("db")
def test_each_field_is_a_column() -> None:
    cursor = database.database.execute_sql(str(order.FIND), (factories.NO_ORDER,))
    columns = tuple(column.name for column in cursor.description)
    assert columns == NAMES, (
        "COLUMNS and Order, both in models/order.py, have the same fields in the same order"
    )


@pytest.mark.usefixtures("db")
def test_every_statement_that_returns_orders_returns_the_same_fields() -> None:
    new = Placement(NewOrder("game", "60", "player"), key_id=0, made_by="tests", tenant_id=None)
    with placing.place([new], wake_seconds=-3600) as [placed]:
        assert isinstance(placed, Placed)
    found = order.find(placed.order.id)
    limits = Limits(sweep_period_seconds=60, max_checks=3, first_check_delay_seconds=-3600)
    [waits] = stuck.orders(limits, 10)

    assert placed.order == found
    seen = replace(placed.order, attention="overdue")
    assert seen == lookup.by_id(seen.id, EVERYTHING, limits)
    assert [seen] == lookup.by_anything(str(seen.provider_referans), limits, 2)
    assert [seen] == listing.page(listing.Filter(), EVERYTHING, limits, 10).orders
    for each in (waits, stuck.find(seen.id, limits)):
        assert isinstance(each, StuckOrder) and Order(*(getattr(each, name) for name in NAMES)) == seen


@pytest.mark.usefixtures("db")
def test_a_statement_that_forgets_a_field_or_has_one_too_many_fails() -> None:
    for columns in (order.COLUMNS.replace("o.quantity,", ""), order.COLUMNS + ", 1 AS another"):
        with pytest.raises(TypeError, match="Order has the fields"):
            database.load(Order, f"SELECT {columns} FROM product_orders AS o")


def test_the_api_shows_each_field_by_its_name_in_camel_case() -> None:
    document = schemas.show_order(Order(*NAMES))  # type: ignore[arg-type]
    names = {field: name for field, name in shown.NAMES if field not in ("pin_code", "codes", "cost")}
    cost = {"amount": "cost_amount", "currency": "cost_currency"}
    assert document == {name: field for field, name in names.items()} | {"cost": cost}
    assert names["provider_referans"] == "providerReferans" and names["duration_ms"] == "durationMs"


# --- what the storefront gives

#: An order whose every field has a value of its own.
WHOLE = NewOrder(
    "product-1",
    "package-1",
    "player-1",
    "extra-1",
    7,
    "https://shop.example/1",
    {"zone": "zone-1"},
    "CART-1",
    {"cart": "1"},
    Money(Decimal("9.90"), "USD"),
    Money(Decimal("31.25"), "TRY"),
    allow_repeat=True,
)
#: The order as it was known before it had further fields.
FIRST = NewOrder("product-1", "package-1", "player-1", "extra-1", 7, "https://shop.example/1")
#: Where a field is stored that is not shown; `allow_repeat` is not stored, as it is about placing alone.
COLUMNS = {
    "fields": ("inputFields",),
    "price": ("priceAmount", "priceCurrency"),
    "max_cost": ("maxCostAmount", "maxCostCurrency"),
}
#: What the idempotency keys of placed orders are compared by, for a week.
FINGERPRINTS = {
    NewOrder("game", "60", "player"): "e63dedd731038489258f4c63c9d005b738744a1a95b6d2b7a23bf505cf7ea79b",
    FIRST: "c30445288db35728c0139557273da04ba85dbc811767b34244b52bdc07430fdd",
    WHOLE: "6505579b7f4346c7d2a5007c8c71bc566e3333d69c2dc2e6f118c7715c2b9eab",
}


def test_each_field_that_the_api_takes_is_one_of_a_new_order() -> None:
    assert set(schemas.PlaceOrder.model_fields) == {field.name for field in fields(NewOrder)}
    defaults = [field for field in fields(NewOrder) if getattr(WHOLE, field.name) == field.default]
    assert not defaults, f"give WHOLE a value for {[field.name for field in defaults]}"


@pytest.mark.usefixtures("db")
def test_each_field_that_the_storefront_gives_is_stored() -> None:
    route.add("product-1", "package-1", factories.SANDBOX, {}, cost=route.Cost(Decimal(1), "TRY"))
    with placing.place([Placement(WHOLE, key_id=0, made_by="tests", tenant_id=None)], wake_seconds=60) as [
        placed
    ]:
        assert isinstance(placed, Placed)
    given = {field.name: getattr(WHOLE, field.name) for field in fields(NewOrder)}
    del given["allow_repeat"]
    row = asdict(placed.order)
    stored = {name: row[name] if name in row else _stored(row, *COLUMNS[name]) for name in given}
    assert stored == given, (
        "a field goes through `_parameters` in models/placing.py and twice through place.sql"
    )


def _stored(order: dict[str, Any], *columns: str) -> Any:
    found = [factories.column(order, each) for each in columns]
    return Money(*found) if len(found) > 1 else found[0]


@pytest.mark.parametrize(("new", "fingerprint"), FINGERPRINTS.items())
def test_an_order_keeps_its_fingerprint_in_the_next_version(new: NewOrder, fingerprint: str) -> None:
    """Otherwise a storefront that repeats a request after an update is told that it reused its key.

    Leave a new field out of `NewOrder.fingerprint` while it has its default.
    """
    assert new.fingerprint() == fingerprint
