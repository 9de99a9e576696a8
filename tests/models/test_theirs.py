"""Every statement that changes orders is read: of another system's columns, it writes those of its orders only that the
contract lists, or it is for our own orders alone.

What the statements do is tested in tests/gateway/fulfilment/test_orders_of_others.py.
"""

import importlib
import pkgutil
import re
from collections.abc import Iterator

import models
from models import order
from models.status import IS_OURS
from tests.legacy.beside import SCHEMA, SHARED
from tests.models.test_one_door import TOKEN, listed

#: The columns that the older storefront has, as its own script makes them.
THEIRS = set(
    re.findall(
        r'^    "?(\w+)"? ', SCHEMA.split("CREATE TABLE product_orders")[1].split(");")[0], re.MULTILINE
    )
)
FORBIDDEN = THEIRS - set(SHARED)


def statements() -> Iterator[tuple[str, str]]:
    """(name, text) of every statement of `models` that updates orders."""
    for module in pkgutil.walk_packages(models.__path__, "models."):
        for name, value in vars(importlib.import_module(module.name)).items():
            if isinstance(value, str) and name.isupper() and "UPDATE product_orders" in value:
                yield f"{module.name}.{name}", str(value)


def assigned(sql: str) -> dict[str, str]:
    """What an update of orders writes, by column."""
    tokens = TOKEN.findall(re.sub(r"--[^\n]*", "", sql).replace("DISTINCT FROM", "<>"))
    for index, token in enumerate(tokens):
        if token == "product_orders" and tokens[index - 1].upper() == "UPDATE":
            begin = next(place for place in range(index, len(tokens)) if tokens[place].upper() == "SET")
            parts = listed(tokens[begin + 1 :])
            return {part[0].strip('"'): " ".join(part[2:]) for part in parts}
    return {}


def test_the_columns_of_the_storefront_are_known() -> None:
    assert {"status", "approvedAt", "attempts", "costAmount", "price", "fxLocked", "providerId"} <= FORBIDDEN
    assert set(SHARED) <= THEIRS


def test_every_statement_leaves_the_orders_of_others_alone() -> None:
    found = dict(statements())
    assert len(found) > 15
    for name, sql in found.items():
        written = {column: value for column, value in assigned(sql).items() if column in FORBIDDEN}
        assert assigned(sql), name
        if sql == order.SETTLE:
            assert set(written) == {"status", "approvedAt", "costAmount", "costCurrency"}
            assert all("n . is_ours" in value for value in written.values()), name
        elif written:
            assert IS_OURS in sql, f"{name} writes {sorted(written)} of orders that are not ours"


def test_the_same_codes_are_found_whatever_a_statement_is_called() -> None:
    names = {name.rpartition(".")[2] for name, _ in statements()}
    assert {"SETTLE", "CLAIM_DISPATCH", "CLAIM_NEXT_PROVIDER", "CLAIM_RESEND", "RESEND", "REROUTE"} <= names
