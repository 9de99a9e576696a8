"""Placing orders on the table of another system, whose products and packages are UUIDs and refer to other tables."""

import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import psycopg2
import pytest
from falcon.testing import Result

from models.db import database
from models.db.migrate import migrate
from tests.conftest import _database as create_database
from tests.gateway.web import calls
from tests.gateway.web.conftest import Client
from tests.models.db.test_migrate import LEGACY_TABLE

PRODUCT, PACKAGE = "3635c76b-8d59-4281-849b-169f0a6a088e", "473cc47f-3ef1-4b31-8444-3c36301b9905"


@pytest.fixture(scope="module")
def shared_database_url(postgres_url: str) -> Iterator[str]:
    with create_database(postgres_url) as url:
        with closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
            cursor.execute(LEGACY_TABLE)
            cursor.execute("INSERT INTO products (id) VALUES (%s)", (PRODUCT,))
        migrate(url, echo=lambda line: None)
        yield url


def place(client: Client, product: str, package: str = PACKAGE, **headers: str) -> Result:
    body = calls.BODY | {"productId": product, "packageId": package}
    return client.simulate_post("/orders", json=body, headers=headers)


def stored() -> Any:
    return database.rows("SELECT count(*) AS number FROM product_orders")[0]["number"]


def test_a_product_that_exists_is_ordered(client: Client) -> None:
    assert place(client, PRODUCT).status_code == 201
    assert place(client, PRODUCT.upper()).status_code == 201


@pytest.mark.parametrize(
    ("product", "package"),
    [("game", PACKAGE), (PRODUCT, "60"), (PRODUCT, f"{PACKAGE}0"), ("00000000-0000-4000-8000", PACKAGE)],
)
def test_a_product_that_is_not_a_uuid_is_refused(client: Client, product: str, package: str) -> None:
    assert "UUID" in calls.problem(place(client, product, package), 422)["detail"]
    assert stored() == 0


def test_a_product_that_does_not_exist_is_refused(client: Client) -> None:
    assert "such product" in calls.problem(place(client, str(uuid.uuid4())), 422)["detail"]
    assert stored() == 0


def test_a_refused_order_does_not_use_up_its_idempotency_key(client: Client) -> None:
    for product in ("game", str(uuid.uuid4())):
        calls.problem(place(client, product, **{"Idempotency-Key": "cart-1"}), 422)
    assert place(client, PRODUCT, **{"Idempotency-Key": "cart-1"}).status_code == 201


def test_a_rule_of_the_storefront_that_we_do_not_know_is_not_taken_for_a_missing_product(
    client: Client,
) -> None:
    database.rows("ALTER TABLE product_orders ADD CONSTRAINT few CHECK (\"userIdentifier\" <> 'nobody')")
    try:
        body = calls.BODY | {"productId": PRODUCT, "packageId": PACKAGE, "userIdentifier": "nobody"}
        calls.problem(client.simulate_post("/orders", json=body), 500)
    finally:
        database.rows("ALTER TABLE product_orders DROP CONSTRAINT few")
    assert stored() == 0


def test_bad_orders_do_not_spoil_those_that_arrive_with_them(client: Client) -> None:
    products = [PRODUCT, "game", str(uuid.uuid4())] * 8
    with ThreadPoolExecutor(len(products)) as threads:
        answers = list(threads.map(lambda product: place(client, product).status_code, products))
    assert answers == [201, 422, 422] * 8
    assert stored() == 8
