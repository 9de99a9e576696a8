"""Who sees what: keys of two tenants and of none, at every URL of the application."""

import ast
import itertools
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import falcon.inspect
import pytest

import gateway.web
from models import api_key, route
from models.api_key import Scope
from models.db import database
from models.route import Cost
from tests import factories
from tests.factories import NO_ORDER
from tests.gateway.web import calls
from tests.gateway.web.conftest import Client, ClientFor

#: Whose keys and orders there are, by name.
TENANTS = {"one": factories.TENANT, "two": factories.OTHER_TENANT, "none": None}
#: The whole table of who sees what: by whose key it is, whose orders it reaches.
SEES = {"one": {"one"}, "two": {"two"}, "none": {"one", "two", "none"}}
PREFIXES = ("", "/api-dj")
REASON = {"reason": "the panel says so"}
Made = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Call:
    """A call about one order."""

    #: Makes the order that it is about, of a tenant.
    order: Callable[[str, str | None], Made]
    #: What it is answered to whoever sees the order.
    status: int
    body: Mapping[str, Any] | None = None


#: What is about one order.
OF_ORDER = {
    ("GET", "/orders/{order_id}"): Call(factories.sent, 200),
    ("GET", "/orders/{order_id}/events"): Call(factories.sent, 200),
    ("POST", "/orders/{order_id}/check"): Call(factories.sent, 202),
    ("POST", "/orders/{order_id}/cancel"): Call(factories.place, 200),
    ("POST", "/orders/{order_id}/resolve"): Call(factories.sent, 200, REASON | {"externalStatus": "failed"}),
    ("POST", "/orders/{order_id}/resend"): Call(factories.place, 200, REASON),
}
#: What else wants a key, with the test below that says what it shows to whom.
OTHERS = {
    ("GET", "/orders"): "test_a_list_has_what_the_key_sees",
    ("POST", "/orders"): "test_an_order_belongs_to_the_tenant_of_its_key",
    ("GET", "/metrics"): "test_figures_of_all_tenants_are_for_keys_of_none",
    ("GET", "/routes/{product_id}/{package_id}"): "test_a_route_is_what_an_order_of_the_key_would_take",
}
#: What wants no key: it tells nothing of any order but, to its provider, what became of a callback.
WITHOUT_KEY = {
    ("GET", "/callbacks/{provider_id}"),
    ("HEAD", "/callbacks/{provider_id}"),
    ("POST", "/callbacks/{provider_id}"),
    ("GET", "/callbacks/{provider_id}/{token}"),
    ("HEAD", "/callbacks/{provider_id}/{token}"),
    ("POST", "/callbacks/{provider_id}/{token}"),
    ("GET", "/health/live"),
    ("GET", "/health/ready"),
    ("GET", "/openapi.json"),
    ("GET", "/docs"),
    ("GET", "/docs/problems/{slug}"),
}
#: What is for people, and for keys of no tenant, who see all: each wants a sign-in, but for these.
OPS, OPEN_OPS = "/ops", {("GET", "/ops/login"), ("POST", "/ops/login"), ("GET", "/ops/static/{name}")}
KEYED = {*OF_ORDER, *OTHERS}


def with_heads(calls: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """What is read is answered to a HEAD too, to the same keys."""
    return calls | {("HEAD", path) for method, path in calls if method == "GET"}


EVERY_KEY_AND_ORDER = pytest.mark.parametrize(
    ("key_of", "order_of"), list(itertools.product(TENANTS, TENANTS))
)


@pytest.fixture
def client_of(client_for: ClientFor) -> Callable[[str], Client]:
    """A client whose key belongs to a tenant of TENANTS, with every scope."""
    return lambda name: client_for(*Scope, tenant_id=TENANTS[name])


def of_the_app(client: Client) -> dict[tuple[str, str], Any]:
    """Every method and URL of the application, with its resource."""
    app = client.app
    found = {}
    for each_route in falcon.inspect.inspect_routes(app):
        resource = app._router.find(each_route.path)[0]
        found |= {
            (each.method, each_route.path): resource for each in each_route.methods if not each.internal
        }
    return found


def test_every_url_has_its_place_in_the_table(client: Client) -> None:
    """A new URL: say here who sees what by it."""
    orders = {
        (method, f"{prefix}{path}") for method, path in KEYED for prefix in PREFIXES if "orders" in path
    }
    others = {each for each in KEYED if "orders" not in each[1]}
    found = {each for each in of_the_app(client) if not each[1].startswith(OPS)}
    assert found == with_heads(orders | others | WITHOUT_KEY)
    assert set(OTHERS.values()) <= set(globals())


def test_what_wants_no_key_is_in_the_table(client: Client) -> None:
    app = of_the_app(client)
    free = {each for each, resource in app.items() if not getattr(resource, "needs_key", True)}
    assert {each for each in free if not each[1].startswith(OPS)} == with_heads(WITHOUT_KEY)
    pages = {each: resource for each, resource in app.items() if each[1].startswith(OPS)}
    assert {each for each, page in pages.items() if not getattr(page, "least", None)} == OPEN_OPS


def test_a_key_of_a_tenant_does_not_sign_in_to_pages_about_all(anonymous: Client) -> None:
    for tenant_id, answered in ((factories.TENANT, 401), (None, 303)):
        key = api_key.create("desk", list(Scope), tenant_id=tenant_id)
        form = {"key": key}
        answer = anonymous.simulate_post(
            "/ops/login",
            body=urlencode(form),
            headers={"Content-Type": "application/x-www-form-urlencoded"},
        )
        assert answer.status_code == answered


def stored() -> list[Any]:
    """Everything that a call may change."""
    return [
        database.rows("SELECT * FROM product_orders ORDER BY id"),
        database.rows("SELECT * FROM referans.order_events ORDER BY id"),
    ]


@EVERY_KEY_AND_ORDER
@pytest.mark.parametrize(("method", "path"), OF_ORDER, ids=lambda each: each.rpartition("/")[2])
def test_another_tenants_order_is_not_there(
    client_of: Callable[[str], Client], method: str, path: str, key_of: str, order_of: str
) -> None:
    client, call = client_of(key_of), OF_ORDER[method, path]
    for prefix in PREFIXES:
        order = call.order("player", TENANTS[order_of])
        before = stored()

        def ask(order_id: str, prefix: str = prefix) -> Any:
            url = f"{prefix}{path}".format(order_id=order_id)
            return client.simulate_request(method, url, json=call.body)

        answer = ask(order["id"])

        if order_of in SEES[key_of]:
            assert answer.status_code == call.status, answer.text
            assert answer.json.get("tenantId", TENANTS[order_of]) == TENANTS[order_of]
        else:
            assert calls.problem(answer, 404) == calls.problem(ask(NO_ORDER), 404)
            assert stored() == before


# --- lists


FILTERS: list[dict[str, Any]] = [
    {},
    {"limit": 2},
    {"userIdentifier": "player"},
    {"externalStatus": "sent"},
    {"externalStatus": "sent", "limit": 1},
    {"providerId": "sandbox", "userIdentifier": "player"},
    {"reference": "CART-1"},
    {"createdAfter": "2020-01-01"},
]


def walk(client: Client, **params: Any) -> list[str]:
    """The ids of every page."""
    found: list[str] = []
    while True:
        answer = client.simulate_get("/orders", params=params)
        assert answer.status_code == 200, answer.text
        found += [one["id"] for one in answer.json["data"]]
        if (cursor := answer.json["nextCursor"]) is None:
            return found
        params["cursor"] = cursor


@pytest.fixture
def orders(pool: object) -> dict[str, list[str]]:
    """Three orders of each, all alike, by whose they are; placed in turn."""
    found: dict[str, list[str]] = {name: [] for name in TENANTS}
    for _, name in itertools.product(range(3), TENANTS):
        order = factories.sent("player", TENANTS[name])
        factories.put(order, orderUuid="CART-1", placedByGateway=None)  # ours have each of them once
        found[name].append(order["id"])
    return found


@pytest.mark.parametrize("wanted", FILTERS, ids=str)
def test_a_list_has_what_the_key_sees(
    client_of: Callable[[str], Client], orders: dict[str, list[str]], wanted: dict[str, Any]
) -> None:
    for key_of, sees in SEES.items():
        expected = {order_id for name in sees for order_id in orders[name]}
        found = walk(client_of(key_of), **wanted)
        assert (set(found), len(found)) == (expected, len(expected))


def test_a_cursor_of_another_tenant_leads_to_ones_own(
    client_of: Callable[[str], Client], orders: dict[str, list[str]]
) -> None:
    cursor = client_of("two").simulate_get("/orders", params={"limit": 1}).json["nextCursor"]
    assert set(walk(client_of("one"), cursor=cursor)) == set(orders["one"])
    timeline = f"/orders/{orders['two'][0]}/events"
    following = client_of("two").simulate_get(timeline, params={"limit": 1}).json["nextCursor"]
    calls.problem(client_of("one").simulate_get(timeline, params={"cursor": following}), 404)


# --- placing


@pytest.mark.parametrize("prefix", PREFIXES)
def test_an_order_belongs_to_the_tenant_of_its_key(client_of: Callable[[str], Client], prefix: str) -> None:
    for name, tenant_id in TENANTS.items():
        placed = calls.place(client_of(name), f"{prefix}/orders")
        assert placed["tenantId"] == tenant_id
        assert factories.column(placed, "tenantId") == (UUID(tenant_id) if tenant_id else None)


def test_a_body_names_no_tenant(client_of: Callable[[str], Client]) -> None:
    answer = client_of("one").simulate_post("/orders", json=calls.BODY | {"tenantId": factories.OTHER_TENANT})
    assert calls.pointers(answer) == ["/tenantId"]


def test_an_idempotency_key_is_each_api_keys_own(client_of: Callable[[str], Client]) -> None:
    headers = {"Idempotency-Key": "cart-1"}
    placed = [
        client_of(name).simulate_post("/orders", json=calls.BODY, headers=headers).json["id"]
        for name in TENANTS
    ]
    assert len(set(placed)) == len(TENANTS)


@contextmanager
def altered(change: str, back: str) -> Iterator[None]:
    """The orders table with this change."""
    database.rows(f"ALTER TABLE product_orders {change}")
    try:
        yield
    finally:
        database.rows(f"ALTER TABLE product_orders {back}")


def owned() -> Any:
    """A table on which each order must belong to a tenant."""
    return altered('ALTER "tenantId" SET NOT NULL', 'ALTER "tenantId" DROP NOT NULL')


NO_TENANT = "here every order belongs to a tenant, and this key belongs to none; use a key of the tenant"


def refused(client: Client) -> str:
    answer = client.simulate_post("/orders", json=calls.BODY)
    return str(calls.problem(answer, 422)["detail"])


def test_where_orders_must_belong_to_a_tenant_a_key_of_none_places_none(
    client_of: Callable[[str], Client],
) -> None:
    with owned():
        assert refused(client_of("none")) == NO_TENANT
        assert calls.place(client_of("one"))["tenantId"] == factories.TENANT
        assert refused(client_of("none")) == NO_TENANT
    assert len(walk(client_of("none"))) == 1


def test_the_same_where_the_table_is_altered_later(client_of: Callable[[str], Client]) -> None:
    client = client_of("none")
    headers = {"Idempotency-Key": "cart-1"}
    first = client.simulate_post("/orders", json=calls.BODY, headers=headers)
    factories.put(first.json, tenantId=factories.TENANT)
    with owned():
        for _ in range(2):
            assert refused(client) == NO_TENANT
        again = client.simulate_post("/orders", json=calls.BODY, headers=headers)
        assert (again.status_code, again.text) == (201, first.text)
        other = client.simulate_post("/orders", json=calls.BODY, headers={"Idempotency-Key": "cart-2"})
        assert calls.problem(other, 422)["detail"] == NO_TENANT
    assert len(walk(client)) == 1


def test_another_column_without_its_value_is_no_matter_of_tenants(client_of: Callable[[str], Client]) -> None:
    with altered("ADD COLUMN must varchar NOT NULL", "DROP COLUMN must"):
        calls.problem(client_of("none").simulate_post("/orders", json=calls.BODY), 500)


def test_a_tenant_that_is_gone_is_told_apart_from_a_product(client_of: Callable[[str], Client]) -> None:
    database.rows("CREATE TABLE tenant (id uuid PRIMARY KEY)")
    database.rows("INSERT INTO tenant VALUES (%s)", (factories.TENANT,))
    try:
        with altered(
            'ADD CONSTRAINT fk_tenant FOREIGN KEY ("tenantId") REFERENCES tenant (id)',
            "DROP CONSTRAINT fk_tenant",
        ):
            calls.place(client_of("one"))
            calls.place(client_of("none"))
            assert "no such tenant" in refused(client_of("two"))
    finally:
        database.rows("DROP TABLE tenant")


# --- routes


def test_a_route_is_what_an_order_of_the_key_would_take(client_of: Callable[[str], Client]) -> None:
    route.add("game", "60", factories.SANDBOX, {}, cost=Cost(Decimal("31.40"), "TRY"))
    mine = {"cost": Cost(Decimal("9"), "USD"), "tenant_id": factories.TENANT}
    route.add("*", "*", factories.SANDBOX, {}, **mine)
    route.add("game", "61", factories.SANDBOX, {}, **mine)
    database.rows("DELETE FROM referans.routes WHERE product_id = '*' AND tenant_id IS NULL")

    def costs(package: str) -> list[Any]:
        answers = [client_of(name).simulate_get(f"/routes/game/{package}") for name in TENANTS]
        return [
            answer.json["cost"]["amount"] if answer.status_code == 200 else answer.status_code
            for answer in answers
        ]

    assert costs("60") == ["9", "31.40", "31.40"]
    assert costs("61") == ["9", 404, 404]


def test_a_reference_is_each_tenants_own(client_of: Callable[[str], Client]) -> None:
    body = calls.BODY | {"reference": "CART-1"}
    placed = [client_of(name).simulate_post("/orders", json=body).json["id"] for name in TENANTS]
    assert len(set(placed)) == len(TENANTS)
    for name, first in zip(TENANTS, placed, strict=True):
        again = client_of(name).simulate_post("/orders", json=body)
        assert calls.problem(again, 409)["orderId"] == first


# --- what is about all


def test_figures_of_all_tenants_are_for_keys_of_none(client_of: Callable[[str], Client]) -> None:
    for name in ("one", "two"):
        assert "tenant" in calls.problem(client_of(name).simulate_get("/metrics"), 403)["detail"]
    assert client_of("none").simulate_get("/metrics").status_code == 200


# --- the one place

#: Modules of models with what finds or changes orders whosever they are. Their types may be imported.
ABOUT_ORDERS = {
    *("claims", "inbox", "listing", "lookup", "order", "placing", "plans", "resolving"),
    *("stuck", "timeline", "unsent", "gauges"),
}
#: Where they are used all the same, and why.
ALLOWED = {
    "seen.py": ABOUT_ORDERS,  # the one place
    "orders.py": {"placing"},  # with the tenant of the key
    "callbacks.py": {"inbox", "order", "plans"},  # of providers, which have no keys
    "metrics.py": {"gauges", "stuck"},  # for keys of no tenant
}


def reaches(source: str) -> set[str]:
    """Of ABOUT_ORDERS, the modules whose functions or statements a module may use; and "sql"."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {each.name.removeprefix("models.") for each in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module == "models":
            found |= {each.name for each in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("models."):
            is_more_than_a_type = any(
                not each.name[0].isupper() or each.name.isupper() for each in node.names
            )
            found |= {str(node.module).removeprefix("models.")} if is_more_than_a_type else set()
        elif isinstance(node, ast.Constant) and "product_orders" in str(node.value):
            found.add("sql")
    return found & {*ABOUT_ORDERS, "sql"}


@pytest.mark.parametrize(
    "source",
    [
        "from models import api_key, lookup",
        "import models.lookup",
        "from models.lookup import by_id",
        "from models.lookup import Place, BY_ID",
    ],
)
def test_the_test_below_sees_each_way_to_orders(source: str) -> None:
    assert reaches(source) == {"lookup"}
    assert reaches("from models.lookup import Place") == set()
    assert reaches("x = 'SELECT * FROM product_orders'") == {"sql"}


def test_only_one_module_of_the_web_reaches_orders() -> None:
    """Elsewhere they are found through `gateway.web.seen.Seen`, which cannot be made without a key."""
    for path in Path(gateway.web.__file__).parent.rglob("*.py"):
        if path.parent.name == "ops":  # for people and keys of no tenant, who see all
            continue
        assert reaches(path.read_text()) <= ALLOWED.get(path.name, set()), path.name
