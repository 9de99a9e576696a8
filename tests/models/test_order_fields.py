"""A field of an order stands in the dataclass, in SQL and in the API's schema; forgetting one fails here."""

from dataclasses import fields

import pytest

from gateway.web import schemas
from models import lookup, order, placing, stuck
from models.db import database
from models.order import Order
from models.placing import NewOrder, Placed, Placement
from models.stuck import Limits, StuckOrder
from tests import factories

NAMES = tuple(field.name for field in fields(Order))


def test_each_field_is_shown_by_the_api_or_hidden_on_purpose() -> None:
    assert sorted((*schemas.FIELDS, *schemas.HIDDEN)) == sorted(NAMES)


@pytest.mark.usefixtures("db")
@pytest.mark.parametrize("statement", [order.FIND, lookup.BY_REFERANS])
def test_each_field_is_a_column(statement: str) -> None:
    cursor = database.database.execute_sql(str(statement), (factories.NO_ORDER,))
    assert tuple(column.name for column in cursor.description) == NAMES


@pytest.mark.usefixtures("db")
def test_every_statement_that_returns_orders_returns_the_same_fields() -> None:
    new = Placement(NewOrder("game", "60", "player"), key_id=0, made_by="tests")
    with placing.place([new], wake_seconds=-3600) as [placed]:
        assert isinstance(placed, Placed)
    found = order.find(placed.order.id)
    [waits] = stuck.orders(Limits(sweep_period_seconds=60, max_checks=3), 10)

    assert placed.order == found == lookup.by_id_or_referans(str(placed.order.provider_referans))
    assert lookup.page(lookup.Filter(), 10) == [found]
    assert isinstance(waits, StuckOrder) and Order(*(getattr(waits, name) for name in NAMES)) == found


@pytest.mark.usefixtures("db")
def test_a_statement_that_forgets_a_field_or_has_one_too_many_fails() -> None:
    for columns in (order.COLUMNS.replace("o.quantity,", ""), order.COLUMNS + ", 1 AS another"):
        with pytest.raises(TypeError, match="Order has the fields"):
            database.load(Order, f"SELECT {columns} FROM product_orders AS o")


def test_the_api_shows_each_field_by_its_name_in_camel_case() -> None:
    shown = schemas.show_order(Order(*NAMES))  # type: ignore[arg-type]
    names = {field: name for field, name in schemas.NAMES if field != "pin_code"}
    assert shown == {name: field for field, name in names.items()}
    assert names["provider_referans"] == "providerReferans" and names["duration_ms"] == "durationMs"
