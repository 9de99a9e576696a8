"""Tenants on the command line: keys, providers and routes are given to one; the operator sees all."""

import json
from typing import Any

import pytest

from models import api_key, choosing
from models.db import database
from tests import factories
from tests.factories import OTHER_TENANT, TENANT

from .conftest import Models, Run
from .desk import Desk

PANEL = ("--adapter", "znet", "--base-url", "https://b.example", "--callback", "token")
CREDENTIALS = '{"kod": "1", "sifre": "2"}'
KEY = ("keys", "create", "shop", "--scope", "orders:read")
ADD = ("providers", "add", "bayi", *PANEL)


@pytest.fixture
def shops(models: Models) -> Any:
    """A table of tenants that orders refer to; it has TENANT."""
    with models():
        database.rows("CREATE TABLE shops (id uuid PRIMARY KEY)")
        database.rows("INSERT INTO shops VALUES (%s)", (TENANT,))
        database.rows(
            'ALTER TABLE product_orders ADD CONSTRAINT shop FOREIGN KEY ("tenantId") REFERENCES shops (id)'
        )
    yield
    with models():
        database.rows("DROP TABLE shops CASCADE")


def listed(cli: Run, *arguments: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(cli(*arguments, "list", "--json").out)
    return found


def test_a_key_belongs_to_the_tenant_that_is_named(cli: Run, models: Models) -> None:
    assert "Tenant" not in (cli(*KEY) and cli("keys", "list").out)
    made = json.loads(cli(*KEY, "--tenant", TENANT.upper(), "--json").out)
    assert made["tenantId"] == TENANT
    assert f"of tenant {TENANT}" in cli(*KEY, "--tenant", TENANT).err
    with models():
        found = api_key.find(made["key"])
    assert found and found.tenant_id == TENANT
    assert [each["tenantId"] for each in listed(cli, "keys")] == [TENANT, TENANT, None]
    assert TENANT in cli("keys", "list").out


@pytest.mark.parametrize(
    "arguments",
    [KEY, ADD, ("providers", "set", "bayi"), ("routes", "add", "*", "*", "bayi"), ("orders", "list")],
    ids=lambda each: " ".join(each[:2]),
)
@pytest.mark.parametrize("bad", ["shop", "", "11111111-1111-4111-8111", "none of them"])
def test_a_tenant_is_a_uuid(cli: Run, arguments: tuple[str, ...], bad: str) -> None:
    refused = cli(*arguments, "--tenant", bad, stdin=CREDENTIALS)
    assert refused.code == 2 and "UUID" in refused.err


@pytest.mark.usefixtures("shops")
def test_where_tenants_are_known_another_one_is_refused(cli: Run) -> None:
    assert cli(*ADD, stdin=CREDENTIALS).code == 0
    for arguments in (
        KEY,
        (*ADD, "--replace"),
        ("providers", "set", "bayi"),
        ("routes", "add", "*", "*", "bayi"),
    ):
        refused = cli(*arguments, "--tenant", OTHER_TENANT, stdin=CREDENTIALS)
        assert f"tenant {OTHER_TENANT} not found" in refused.problem
        assert cli(*arguments, "--tenant", TENANT, stdin=CREDENTIALS).code == 0
    assert [each["tenantId"] for each in listed(cli, "keys")] == [TENANT]


def test_a_provider_is_given_to_a_tenant_and_taken_back(cli: Run) -> None:
    added = json.loads(cli(*ADD, "--tenant", TENANT, "--json", stdin=CREDENTIALS).out)
    assert added["tenantId"] == TENANT
    assert TENANT in cli("providers", "list").out
    cli("providers", "set", "bayi", "--max-per-minute", "30")
    assert [each["tenantId"] for each in listed(cli, "providers")] == [TENANT]
    assert f"tenant: {TENANT} → none" in cli("providers", "set", "bayi", "--tenant", "none").out
    assert [each["tenantId"] for each in listed(cli, "providers")] == [None]
    assert "Tenant" not in cli("providers", "list").out


def test_a_provider_for_which_orders_of_others_wait_is_not_given_away(
    cli: Run, desk: Desk, models: Models
) -> None:
    waiting = desk.placed()
    for arguments in (("providers", "set", "bayi"), (*ADD, "--replace")):
        refused = cli(*arguments, "--tenant", TENANT, stdin=CREDENTIALS)
        assert f"1 orders that are not of tenant {TENANT} wait for bayi" in refused.problem
    assert [each["tenantId"] for each in listed(cli, "providers")] == [None]
    with models():
        factories.put(waiting, tenantId=TENANT)
    assert cli("providers", "set", "bayi", "--tenant", TENANT).code == 0


def test_a_route_belongs_to_the_tenant_that_is_named(cli: Run, models: Models) -> None:
    cli(*ADD, stdin=CREDENTIALS)
    for option in ((), ("--tenant", TENANT), ("--tenant", OTHER_TENANT)):
        assert cli("routes", "add", "*", "*", "bayi", *option).code == 0
    assert [each["tenantId"] for each in listed(cli, "routes")] == [TENANT, OTHER_TENANT, None]
    assert TENANT in cli("routes", "list").out

    removed = cli("routes", "remove", "*", "*", "bayi", "--tenant", TENANT)
    assert (
        f"New orders of tenant {TENANT}" in removed.out and "a less specific route still leads" in removed.out
    )
    assert [each["tenantId"] for each in listed(cli, "routes")] == [OTHER_TENANT, None]
    assert (
        f"no route of tenant {TENANT}"
        in cli("routes", "remove", "*", "*", "bayi", "--tenant", TENANT).problem
    )
    assert cli("routes", "remove", "*", "*", "bayi").code == 0
    with models():
        assert choosing.next_for("game", "60", [], tenant_id=None) is None
        assert choosing.next_for("game", "60", [], tenant_id=OTHER_TENANT)


def test_the_routes_to_a_provider_of_a_tenant_are_that_tenants(cli: Run) -> None:
    cli(*ADD, "--tenant", TENANT, stdin=CREDENTIALS)
    for other in (OTHER_TENANT, "none"):
        refused = cli("routes", "add", "*", "*", "bayi", "--tenant", other)
        assert f"bayi belongs to tenant {TENANT}" in refused.problem
    assert cli("routes", "add", "*", "*", "bayi").code == 0
    assert [each["tenantId"] for each in listed(cli, "routes")] == [TENANT]
    assert cli("routes", "remove", "*", "*", "bayi").code == 0


def test_a_route_names_no_stock_of_another_tenant(cli: Run) -> None:
    cli("providers", "add", "cards", "--adapter", "stock", "--tenant", TENANT)
    cli("providers", "add", "seller", "--adapter", "stock")
    route_to = ("routes", "add", "*", "*", "seller", "--param", "stock=cards")
    assert f"cards belongs to tenant {TENANT}" in cli(*route_to).problem
    assert cli(*route_to, "--tenant", TENANT).code == 0


def test_the_operator_sees_the_orders_of_all_and_whose_they_are(cli: Run, desk: Desk, models: Models) -> None:
    own, other, nobodys = (desk.placed() for _ in range(3))
    with models():
        factories.put(own, tenantId=TENANT)
        factories.put(other, tenantId=OTHER_TENANT, attention="manual")
    assert {each["id"] for each in listed(cli, "orders")} == {own["id"], other["id"], nobodys["id"]}
    for option in (("--tenant", TENANT), ("--tenant", TENANT, "--user", "ali")):
        found = json.loads(cli("orders", "list", *option, "--json").out)
        assert [(each["id"], each["tenantId"]) for each in found] == [(own["id"], TENANT)]
    stuck = json.loads(cli("orders", "list", "--stuck", "--tenant", OTHER_TENANT, "--json").out)
    assert [each["id"] for each in stuck] == [other["id"]]
    assert json.loads(cli("orders", "list", "--stuck", "--tenant", TENANT, "--json").out) == []
    assert TENANT in cli("orders", "show", own["id"]).out
    assert json.loads(cli("orders", "show", own["id"], "--json").out)["tenantId"] == TENANT
    assert "tenantId" not in cli("orders", "show", nobodys["id"]).out
