"""Routes and providers that belong to a tenant: which order may use which, and who is a tenant."""

import itertools
import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import Any

import psycopg2
import pytest

from models import (
    choosing,
    claims,
    listing,
    placing,
    provider,
    resolving,
    route,
    stock,
    stuck,
    tenants,
    unsent,
)
from models.db import database
from models.db.migrate import migrate
from models.placing import NewOrder, NoRoute, Placed, Placement
from models.provider import Provider
from models.status import Attention, ExternalStatus
from models.stuck import Limits
from models.tenants import View
from tests import factories
from tests.conftest import KEY
from tests.factories import OTHER_TENANT, TENANT

pytestmark = pytest.mark.usefixtures("db")

SHOPS = {"one": TENANT, "two": OTHER_TENANT, "none": None}
LIMITS = Limits(sweep_period_seconds=300, max_checks=20, first_check_delay_seconds=60)


@pytest.fixture
def db(emptied_database_url: str) -> Iterator[None]:
    """The models bound to an empty database that has the provider `sandbox`, and no route."""
    with factories.bound(emptied_database_url, keys=[KEY]):
        factories.add_provider()
        database.rows("DELETE FROM referans.routes")
        yield


def add(provider_id: str, tenant_id: str | None = None, adapter: str = "znet") -> None:
    provider.save(
        Provider(
            provider_id, adapter, "http://127.0.0.1:1", "none", factories.CREDENTIALS, tenant_id=tenant_id
        )
    )


def route_of(tenant_id: str | None, tried: list[str] | None = None, package: str = "60") -> str | None:
    """The provider that an order of this tenant goes to; the same by placing and by looking for the next one."""
    found = choosing.next_for("game", package, tried or [], tenant_id=tenant_id)
    if not tried:
        placement = Placement(NewOrder("game", package, "player"), 0, "tests", tenant_id)
        with placing.place([placement], wake_seconds=60) as [placed]:
            assert isinstance(placed, Placed | NoRoute)
        by_placing = placed.order.provider_id if isinstance(placed, Placed) else None
        assert by_placing == (found and found.provider_id)
    return found and found.provider_id


# --- which route


def test_a_tenant_uses_its_own_routes_and_those_of_none() -> None:
    for name, tenant_id in SHOPS.items():
        add(f"for-{name}")
        route.add("game", f"only-{name}", f"for-{name}", tenant_id=tenant_id)
    for (mine, tenant_id), theirs in itertools.product(SHOPS.items(), SHOPS):
        expected = f"for-{theirs}" if theirs in (mine, "none") else None
        assert route_of(tenant_id, package=f"only-{theirs}") == expected


#: Routes, the first to be tried first: (tenant, product, package, priority).
IN_TURN = [
    ("one", "game", "60", 5),
    ("one", "game", "*", 0),
    ("one", "*", "60", 0),
    ("one", "*", "*", -9),
    ("one", "*", "*", 1),
    ("none", "game", "60", -9),
    ("none", "game", "*", 0),
    ("none", "*", "*", -9),
    ("none", "*", "*", 1),
]


@pytest.mark.parametrize("first", range(len(IN_TURN)))
def test_the_most_specific_route_wins(first: int) -> None:
    """Each against all that follow it, added last."""
    for number, (owner, product, package, priority) in reversed(list(enumerate(IN_TURN))):
        add(f"p{number}")
        if number >= first:
            route.add(product, package, f"p{number}", priority=priority, tenant_id=SHOPS[owner])
    assert route_of(TENANT) == f"p{first}"
    assert [int(each.provider_id[1:]) for each in route.every()] == [*range(first, len(IN_TURN))]
    of_none = next((n for n in range(first, len(IN_TURN)) if IN_TURN[n][0] == "none"), None)
    assert route_of(OTHER_TENANT) == route_of(None) == f"p{of_none}"


@pytest.mark.parametrize("other", [OTHER_TENANT, str(uuid.UUID(int=0)), str(uuid.UUID(int=2**128 - 1))])
def test_a_provider_has_a_route_for_each_tenant(other: str) -> None:
    """Whatever UUID a tenant is."""
    for tenant_id, parameter in ((None, "general"), (TENANT, "own"), (other, "other")):
        route.add("*", "*", factories.SANDBOX, {"oyun": parameter}, tenant_id=tenant_id)
        route.add("*", "*", factories.SANDBOX, priority=3, tenant_id=tenant_id)
    assert [each.priority for each in route.every()] == [3, 3, 3]
    found = {each.tenant_id: each.params["oyun"] for each in route.every()}
    assert found == {None: "general", TENANT: "own", other: "other"}
    assert route.remove("*", "*", factories.SANDBOX, TENANT)
    assert not route.remove("*", "*", factories.SANDBOX, TENANT)
    assert {each.tenant_id for each in route.every()} == {None, other}


# --- which provider


@pytest.mark.parametrize(("owner", "route_owner"), list(itertools.product(SHOPS, SHOPS)))
def test_a_provider_of_a_tenant_gets_no_order_of_another(owner: str, route_owner: str) -> None:
    """Whatever its routes say: its tenant may be set after they were added."""
    add("theirs", SHOPS[owner])
    route.add("*", "*", "theirs", tenant_id=SHOPS[route_owner])
    for name, tenant_id in SHOPS.items():
        may = owner in (name, "none") and route_owner in (name, "none")
        assert route_of(tenant_id) == ("theirs" if may else None)
        assert (route_of(tenant_id, ["elsewhere"]) is not None) == may


@pytest.mark.parametrize("name", SHOPS)
def test_an_order_whose_provider_was_given_to_another_tenant_is_not_sent(name: str) -> None:
    route.add("*", "*", factories.SANDBOX)
    order = factories.place(tenant_id=SHOPS[name])
    add(factories.SANDBOX, TENANT)
    is_sent = claims.claim_dispatch(order["id"], 60) is not None
    assert is_sent == (name == "one")
    assert (provider.of_order(order["id"]) is not None) == is_sent


def test_an_order_in_doubt_is_not_sent_again_to_a_provider_of_another_tenant() -> None:
    route.add("*", "*", factories.SANDBOX)
    order = factories.place(tenant_id=OTHER_TENANT)
    assert claims.claim_dispatch(order["id"], 60)
    claims.in_doubt(order["id"], 0)
    factories.put(order, unknownCount=claims.ASKS)
    add(factories.SANDBOX, TENANT)
    assert claims.claim_resend(order["id"], 60) is None
    assert provider.of_order(order["id"]) is not None, "it may have it, so it is asked"
    add(factories.SANDBOX)
    assert claims.claim_resend(order["id"], 60) is not None


@pytest.mark.parametrize("name", SHOPS)
def test_a_refused_order_does_not_go_on_to_a_provider_that_was_just_given_to_another_tenant(
    name: str,
) -> None:
    """Between the choice of its route and the claim."""
    route.add("*", "*", factories.SANDBOX)
    add("next")
    route.add("*", "*", "next")
    order = factories.place(tenant_id=SHOPS[name])
    assert claims.claim_dispatch(order["id"], 60)
    chosen = choosing.next_for("game", "60", [factories.SANDBOX], tenant_id=SHOPS[name])
    assert chosen
    add("next", TENANT)
    claimed = claims.claim_next_provider(order["id"], factories.SANDBOX, chosen, "no stock", 60)
    assert (claimed is not None) == (name == "one")


def test_orders_of_others_are_not_taken_up_for_a_provider_of_a_tenant() -> None:
    route.add("*", "*", factories.SANDBOX)
    add("theirs", TENANT)
    waiting = {name: factories.place(tenant_id=tenant_id)["id"] for name, tenant_id in SHOPS.items()}
    for route_owner in (None, TENANT):
        route.add("*", "*", "theirs", tenant_id=route_owner)
        database.rows("UPDATE product_orders SET \"nextCheckAt\" = now() + interval '1 hour'")
        assert [each.id for each in unsent.take_up("theirs", 10)] == [waiting["one"]]
        database.rows("DELETE FROM referans.routes WHERE provider_id = 'theirs'")


def test_a_person_sends_no_order_to_a_provider_of_another_tenant() -> None:
    route.add("*", "*", factories.SANDBOX)
    add("theirs", TENANT)
    route.add("*", "*", "theirs")
    orders = {name: factories.place(tenant_id=tenant_id)["id"] for name, tenant_id in SHOPS.items()}
    for name in ("two", "none"):
        with pytest.raises(resolving.NoSuchRoute):
            resolving.resend(orders[name], by="leyla", reason="they want it", provider_id="theirs")
    sent = resolving.resend(orders["one"], by="leyla", reason="they want it", provider_id="theirs")
    assert sent.order.provider_id == "theirs"


@pytest.mark.parametrize(("owner", "params"), [("cards", {}), ("seller", {"stock": "cards"})])
def test_stock_of_a_tenant_is_sold_to_nobody_else(owner: str, params: dict[str, str]) -> None:
    """A stock that is named after a provider is that one's, whoever sells it."""
    add("cards", TENANT, stock.ADAPTER)
    add("seller", None, stock.ADAPTER)
    route.add("*", "*", owner, params)
    assert {name: route_of(tenant_id) for name, tenant_id in SHOPS.items()} == {
        "one": owner,
        "two": None,
        "none": None,
    }


def test_stock_that_was_given_to_another_tenant_is_not_sold_any_more() -> None:
    add("cards", None, stock.ADAPTER)
    add("seller", None, stock.ADAPTER)
    route.add("*", "*", "seller", {"stock": "cards"})
    orders = {name: factories.place(tenant_id=tenant_id)["id"] for name, tenant_id in SHOPS.items()}
    add("cards", TENANT, stock.ADAPTER)
    assert claims.claim_dispatch(orders["two"], 60) is claims.claim_dispatch(orders["none"], 60) is None
    assert claims.claim_dispatch(orders["one"], 60)


def test_a_provider_of_another_tenant_is_nobodys_hope() -> None:
    """An order whose only provider is gone has no provider, whatever others have."""
    route.add("*", "*", factories.SANDBOX)
    orders = {name: factories.place(tenant_id=tenant_id) for name, tenant_id in SHOPS.items()}
    for order in orders.values():
        factories.put(order, providerId="gone")
    add("theirs", TENANT)
    route.add("*", "*", "theirs")
    database.rows("DELETE FROM referans.routes WHERE provider_id = %s", (factories.SANDBOX,))
    found = {each.id: each.attention for each in stuck.orders(LIMITS, 10)}
    assert found == {orders["two"]["id"]: Attention.NO_PROVIDER, orders["none"]["id"]: Attention.NO_PROVIDER}
    assert [each.id for each in stuck.orders(LIMITS, 10, tenant_id=OTHER_TENANT)] == [orders["two"]["id"]]


def test_orders_of_others_that_wait_for_a_provider_are_counted() -> None:
    route.add("*", "*", factories.SANDBOX)
    for tenant_id in SHOPS.values():
        factories.place(tenant_id=tenant_id)
        factories.sent(tenant_id=tenant_id)
        ended = factories.sent(tenant_id=tenant_id)
        factories.settle(factories.arrival(ended, ExternalStatus.COMPLETED, "PIN-1"))
    assert tenants.orders_of_others(factories.SANDBOX, TENANT) == 4
    assert tenants.orders_of_others("another", TENANT) == 0


def test_a_callback_is_settled_whatever_tenants_say() -> None:
    """An order is only at a provider that it may use; what that one says is true also if its tenant was changed."""
    route.add("*", "*", factories.SANDBOX)
    order = factories.sent(tenant_id=OTHER_TENANT)
    add(factories.SANDBOX, TENANT)
    assert factories.settle(factories.arrival(order, ExternalStatus.COMPLETED, "PIN-1")) == ["applied"]


# --- who is a tenant


@pytest.fixture
def shops(db: None) -> Iterator[None]:
    """A table of tenants that orders refer to; it has TENANT."""
    database.rows('CREATE TABLE "Shops" ("shopId" uuid PRIMARY KEY)')
    database.rows('INSERT INTO "Shops" VALUES (%s)', (TENANT,))
    database.rows(
        'ALTER TABLE product_orders ADD CONSTRAINT "fkShop" FOREIGN KEY ("tenantId") REFERENCES "Shops" ("shopId")'
    )
    yield
    database.rows('DROP TABLE "Shops" CASCADE')


def test_without_a_table_of_tenants_any_is_known() -> None:
    assert tenants.is_known(TENANT) and tenants.is_known(str(uuid.uuid4()))
    assert not tenants.is_reference("fkShop")


@pytest.mark.usefixtures("shops")
def test_with_a_table_of_tenants_only_its_own_are_known() -> None:
    assert tenants.is_known(TENANT) and not tenants.is_known(OTHER_TENANT)
    assert tenants.is_reference("fkShop") and not tenants.is_reference("another")


@pytest.mark.usefixtures("shops")
def test_where_the_table_may_not_be_read_the_statement_that_allows_it_is_named() -> None:
    role = f"limited_{uuid.uuid4().hex[:8]}"
    database.rows(f"CREATE ROLE {role}")
    try:
        database.rows(f"SET ROLE {role}")
        with pytest.raises(tenants.Unknowable) as refused:
            tenants.is_known(TENANT)
        database.rows("RESET ROLE")
        database.rows(str(refused.value).partition("allow it: ")[2])
        database.rows(f"SET ROLE {role}")
        assert tenants.is_known(TENANT)
    finally:
        database.rows("RESET ROLE")
        database.rows(f"DROP OWNED BY {role}")
        database.rows(f"DROP ROLE {role}")


def test_whether_an_order_needs_a_tenant_stands_in_the_catalogue() -> None:
    assert not tenants.is_required()
    database.rows('ALTER TABLE product_orders ALTER "tenantId" SET NOT NULL')
    try:
        assert tenants.is_required()
    finally:
        database.rows('ALTER TABLE product_orders ALTER "tenantId" DROP NOT NULL')


# --- a table of many


def test_a_list_of_a_tenant_rides_its_index() -> None:
    database.rows(f"""
        INSERT INTO product_orders ("externalStatus", status, "providerId", "createdAt", "tenantId")
        SELECT 'completed', 'approved', 'sandbox', now() - make_interval(secs => n),
            CASE n %% 1000 WHEN 0 THEN '{TENANT}'::uuid WHEN 1 THEN NULL ELSE '{OTHER_TENANT}' END
        FROM generate_series(1, 30000) AS n
    """)
    factories.analyze("product_orders")
    where = listing._of_tenant(View(TENANT))
    values = {**where.values, **LIMITS.parameters(), "limit": 10}
    page = listing.PAGE.format(source=listing.TABLE, where=where)
    plan = "\n".join(row["QUERY PLAN"] for row in database.rows(f"EXPLAIN {page}", values))
    assert (
        "idx_orders_tenant_created" in plan and "Sort" not in plan.partition("idx_orders_tenant_created")[0]
    )
    assert len(listing.page(listing.Filter(), View(TENANT), LIMITS, 100).orders) == 30


# --- the version before


@contextmanager
def readers(url: str, *tables: str) -> Iterator[list[float]]:
    """Other processes that read these all the time; how long each reading took, in seconds."""
    took: list[float] = []
    is_over = threading.Event()

    def read(table: str) -> None:
        with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
            connection.autocommit = True
            while not is_over.is_set():
                began = time.monotonic()
                cursor.execute(f"SELECT count(*) FROM public.{table}")
                took.append(time.monotonic() - began)

    with ThreadPoolExecutor(len(tables) * 2) as threads:
        reading = [threads.submit(read, table) for table in tables * 2]
        try:
            yield took
        finally:
            is_over.set()
        for each in reading:
            each.result()


def test_the_migration_and_who_reads_meanwhile_do_not_wait_for_each_other(empty_database_url: str) -> None:
    migrate(empty_database_url, echo=lambda line: None)
    with closing(psycopg2.connect(empty_database_url)) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        for table, columns in OF_THE_VERSION_BEFORE.items():
            cursor.execute(f"CREATE VIEW public.{table} AS SELECT {columns} FROM referans.{table}")
        told: list[str] = []
        with readers(empty_database_url, *OF_THE_VERSION_BEFORE) as took:
            for _ in range(10):
                cursor.execute("DELETE FROM referans.schema_migration WHERE name = '0024_tenants'")
                migrate(empty_database_url, echo=told.append)
    assert told == ["applying 0024_tenants"] * 10, "no lock was waited for too long"
    assert took and max(took) < 1


def test_processes_of_the_version_before_see_no_key_and_no_route_of_a_tenant(empty_database_url: str) -> None:
    """They read views beside the orders table, which the migration that moved the tables has made."""
    with psycopg2.connect(empty_database_url) as connection, connection.cursor() as cursor:
        migrate(empty_database_url, echo=lambda line: None)
        for table, columns in OF_THE_VERSION_BEFORE.items():
            cursor.execute(f"CREATE VIEW public.{table} AS SELECT {columns} FROM referans.{table}")
        cursor.execute("DELETE FROM referans.schema_migration WHERE name = '0024_tenants'")
        connection.commit()
        migrate(empty_database_url, echo=lambda line: None)
        cursor.execute(MADE, {"tenant": TENANT})
        seen: dict[str, Any] = {}
        for table, column in (("api_keys", "name"), ("routes", "product_id"), ("providers", "id")):
            cursor.execute(f"SELECT {column} FROM public.{table} ORDER BY 1")
            seen[table] = [row[0] for row in cursor.fetchall()]
        cursor.execute(
            "INSERT INTO public.api_keys (name, prefix, digest, scopes) VALUES ('new', '', 'd3', '{}')"
        )
    assert seen == {"api_keys": ["old"], "routes": ["general"], "providers": ["bayi"]}


OF_THE_VERSION_BEFORE = {
    "api_keys": "id, name, prefix, digest, scopes, revoked_at",
    "routes": "id, product_id, package_id, provider_id, position, params",
    "providers": "id, adapter, base_url, callback, credentials",
}
MADE = """
INSERT INTO referans.providers (id, adapter, base_url, callback, credentials, tenant_id)
VALUES ('bayi', 'znet', '', 'none', '{}', %(tenant)s);
INSERT INTO referans.routes (product_id, package_id, provider_id, position, tenant_id)
VALUES ('general', '*', 'bayi', 1, NULL), ('own', '*', 'bayi', 1, %(tenant)s);
INSERT INTO referans.api_keys (name, prefix, digest, scopes, tenant_id)
VALUES ('old', '', 'd1', '{}', NULL), ('shop', '', 'd2', '{}', %(tenant)s);
"""
