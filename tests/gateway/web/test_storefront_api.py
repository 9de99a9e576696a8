"""What a storefront's developer meets: references, metadata, fields, costs, and errors that say what was meant."""

import json
from decimal import Decimal
from typing import Any

import falcon
import pytest
from falcon.testing import Result, TestClient
from structlog.testing import capture_logs

from gateway.settings import Settings
from gateway.web import answers
from gateway.web.operations import OPERATIONS, Operation
from models import provider, provider_health, route
from models.api_key import Scope
from models.db import database
from models.route import Cost
from models.status import ExternalStatus
from tests import factories
from tests.gateway.web import calls
from tests.gateway.web.conftest import Client, ClientFor


def post(client: Client, headers: dict[str, str] | None = None, **fields: Any) -> Result:
    return client.simulate_post("/orders", json=calls.BODY | fields, headers=headers or {})


def errors(answer: Result, status: int = 422) -> dict[str, str]:
    return {one["pointer"]: one["detail"] for one in calls.problem(answer, status).get("errors", [])}


def stored() -> int:
    return int(database.rows("SELECT count(*)::int AS n FROM product_orders")[0]["n"])


# --- what is taken and shown


def test_what_the_storefront_gives_is_shown_again(client: Client) -> None:
    metadata = {"cart": "7", "müşteri": "Ali", "empty": ""}
    price, limit = {"amount": "9.90", "currency": "USD"}, {"amount": "31.4", "currency": "TRY"}
    route.add("game", "60", factories.SANDBOX, {}, cost=Cost(Decimal("31.40"), "TRY"))
    placed = post(
        client, reference="CART-1", metadata=metadata, price=price, maxCost=limit, fields={"zone": "7"}
    )
    assert placed.status_code == 201
    assert (placed.json["reference"], placed.json["metadata"]) == ("CART-1", metadata)
    found = client.simulate_get("/orders", params={"reference": "CART-1"}).json["data"]
    assert found == [placed.json]
    columns = ("priceAmount", "priceCurrency", "maxCostAmount", "maxCostCurrency", "inputFields")
    assert [factories.column(placed.json, name) for name in columns] == [
        *(Decimal("9.90"), "USD", Decimal("31.4"), "TRY", {"zone": "7"})
    ]


def test_every_answer_is_of_the_type_that_is_documented(trusted: Client) -> None:
    order = post(trusted, reference="CART-1", metadata={"cart": "1"})
    said = calls.neutral(order.json["providerReferans"], pin_code="PIN-1")
    factories.put(order.json, externalStatus="sent")
    calls.call_back(trusted, said)
    path = f"/orders/{order.json['id']}"
    for kind, answer in (
        (answers.Order, order),
        (answers.Order, trusted.simulate_get(path)),
        (answers.Orders, trusted.simulate_get("/orders")),
        (answers.Events, trusted.simulate_get(f"{path}/events")),
        (answers.Route, trusted.simulate_get("/routes/game/60")),
        (answers.Problem, post(trusted, reference="CART-1")),
        (answers.Problem, post(trusted, quantity=0)),
    ):
        kind.model_validate(answer.json)


A, B = {"amount": "1", "currency": "TRY"}, "x" * 41


@pytest.mark.parametrize(
    ("name", "value", "pointer"),
    [
        *[
            ("reference", value, "/reference")
            for value in ("", "x" * 65, "a b", "a\tb", "a\u200b", "\u2003", 7)
        ],
        ("reference", ["x"], "/reference"),
        ("metadata", [], "/metadata"),
        ("metadata", {"a": 1}, "/metadata/a"),
        ("metadata", {"a": None}, "/metadata/a"),
        ("metadata", {"a": "x" * 201}, "/metadata/a"),
        ("metadata", {"a/b": "\x00"}, "/metadata/a~1b"),
        ("metadata", {B: "x"}, f"/metadata/{B}"),
        ("metadata", {"": "x"}, "/metadata/"),
        ("metadata", {str(n): "x" for n in range(21)}, "/metadata"),
        ("fields", {"zone": 7}, "/fields/zone"),
        ("fields", {"userIdentifier": "x"}, "/fields/userIdentifier"),
        ("fields", {str(n): "x" for n in range(21)}, "/fields"),
        ("price", "9.90", "/price"),
        ("price", {"amount": "9.90"}, "/price/currency"),
        ("price", A | {"tax": "1"}, "/price/tax"),
        *[
            ("maxCost", A | {"amount": value}, "/maxCost/amount")
            for value in (9.9, "-1", "1e3", "", "1.", "1" * 13, "١")
        ],
        *[
            ("maxCost", A | {"currency": value}, "/maxCost/currency")
            for value in ("try", "TL", "$", "", None)
        ],
        ("allowRepeat", "true", "/allowRepeat"),
        ("allowRepeat", 1, "/allowRepeat"),
    ],
)
def test_a_field_that_is_wrong_is_named(client: Client, name: str, value: Any, pointer: str) -> None:
    [(where, told)] = errors(post(client, **{name: value})).items()
    assert where == pointer
    assert told.startswith(("must ", "is ", "contains ")), (
        "the words of pydantic are for programmers of Python"
    )
    assert stored() == 0


@pytest.mark.parametrize("reference", ["x", "x" * 64, "CART/1#ş", "طلب-١", "💥"])
def test_a_reference_is_any_visible_characters(client: Client, reference: str) -> None:
    assert post(client, reference=reference).json["reference"] == reference


def test_names_of_another_spelling_are_answered_with_what_was_meant(client: Client) -> None:
    body = {"product_id": "game", "package_id": "60", "user_identifier": "player"}
    found = errors(client.simulate_post("/orders", json=body))
    assert found == {
        f"/{given}": f"is not a field of this request; did you mean `{meant}`?"
        for given, meant in (
            ("product_id", "productId"),
            ("package_id", "packageId"),
            ("user_identifier", "userIdentifier"),
        )
    }


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("ProductID", "productId"),
        ("maxcost", "maxCost"),
        ("max-cost", "maxCost"),
        ("refernce", "reference"),
        ("allow_repeat", "allowRepeat"),
        ("id", None),
        ("tenantId", None),
        ("status", None),
    ],
)
def test_a_name_that_is_almost_one_is_told(client: Client, given: str, meant: str | None) -> None:
    told = errors(post(client, **{given: "x"}))[f"/{given}"]
    if meant:
        assert told == f"is not a field of this request; did you mean `{meant}`?"
    else:
        assert told.startswith("is not a field of this request, which takes `productId`, `packageId`, ")


def test_a_query_is_told_the_same_way(client: Client) -> None:
    answer = client.simulate_get("/orders?external_status=sent")
    told = "is not a parameter of this request; did you mean `externalStatus`?"
    assert errors(answer, 400) == {"/external_status": told}
    [told] = errors(client.simulate_get("/orders?status=sent"), 400).values()
    assert told.startswith("is not a parameter of this request, which takes `externalStatus`, ")


@pytest.mark.parametrize(
    "operation", [one for one in OPERATIONS if one.scopes], ids=lambda one: f"{one.method} {one.path}"
)
def test_no_call_ignores_a_parameter(client_for: ClientFor, operation: Operation) -> None:
    path = operation.path.format(order_id=factories.NO_ORDER, product_id="game", package_id="60")
    asked = client_for(*Scope)
    body = calls.BODY if operation.body else None
    for url in (f"{path}?x=1", f"{path}?wiat="):
        [told] = errors(asked.simulate_request(operation.method, url, json=body), 400).values()
        assert told.startswith("is not a parameter of this request")
    assert stored() == 0


@pytest.mark.parametrize(
    ("field", "value", "at", "told"),
    [
        ("price", {"amount": 12.5, "currency": "TRY"}, "/price/amount", '"12.50"'),
        ("maxCost", {"amount": 12, "currency": 1}, "/maxCost/amount", '"12.50"'),
        ("maxCost", {"amount": 12, "currency": 1}, "/maxCost/currency", "TRY"),
        ("price", 12.5, "/price", '{"amount": "12.50", "currency": "TRY"}'),
        ("productId", 60, "/productId", "in quotes"),
        ("metadata", {"amount": 60}, "/metadata/amount", "in quotes"),
        ("metadata", "x", "/metadata", '{"name": "text"}'),
        ("quantity", "2", "/quantity", "without quotes"),
        ("allowRepeat", "true", "/allowRepeat", "without quotes"),
    ],
)
def test_what_has_the_wrong_type_is_told_how_to_write_it(
    client: Client, field: str, value: Any, at: str, told: str
) -> None:
    assert told in errors(post(client, **{field: value}))[at]


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("limit=0", "must be 1 or more"),
        ("limit=101", "must be 100 or less"),
        ("limit=ten", "must be a whole number"),
        ("limit=1.5", "must be a whole number"),
        ("reference=", "must not be empty"),
        (f"reference={'x' * 256}", "must have at most 255 characters"),
        (
            "externalStatus=done",
            "must be 'not_sent', 'pending', 'sent', 'processing', 'completed', 'failed' or 'reversed'",
        ),
    ],
)
def test_a_query_that_is_wrong_is_told_what_it_takes(client: Client, query: str, told: str) -> None:
    assert list(errors(client.simulate_get(f"/orders?{query}"), 400).values()) == [told]


@pytest.mark.parametrize("query", ["wait=90", "wait=-1", "wait=20s", "wait=", "wait=nan", "from=done"])
def test_a_wait_that_is_wrong_is_told_what_it_takes(client: Client, query: str) -> None:
    answer = client.simulate_get(f"/orders/{post(client).json['id']}?{query}")
    assert [each[:5] for each in errors(answer, 400).values()] == ["must "]


@pytest.mark.parametrize("query", ["expand=codes", "waitt=1", "fields=id"])
def test_an_unknown_parameter_of_one_order_is_refused(client: Client, query: str) -> None:
    order = post(client).json
    answer = client.simulate_get(f"/orders/{order['id']}?{query}")
    assert list(errors(answer, 400)) == [f"/{query.partition('=')[0]}"]


# --- what is not placed


def test_a_used_reference_names_its_order(client: Client) -> None:
    first = post(client, reference="CART-1").json
    again = post(client, reference="CART-1", userIdentifier="another")
    found = calls.problem(again, 409)
    assert (found["type"], found["orderId"]) == ("/docs/problems/reference-used", first["id"])
    assert stored() == 1


def test_a_repeated_key_is_answered_before_the_reference_is_looked_at(client: Client) -> None:
    headers = {"Idempotency-Key": "cart-1"}
    first, again = (post(client, headers, reference="CART-1") for _ in range(2))
    assert (again.status_code, again.content) == (201, first.content)
    assert again.headers["idempotency-replayed"] == "true"
    assert calls.problem(post(client, headers, reference="CART-2"), 422)["type"].endswith(
        "idempotency-key-reused"
    )
    database.rows("DELETE FROM referans.routes")
    assert post(client, headers, reference="CART-1").content == first.content


@pytest.mark.parametrize(
    "given", [{"X-Idempotency-Key": "a"}, {"X-Idempotency-Key": "a", "Idempotency-Key": "a"}]
)
def test_a_key_in_the_wrong_header_is_refused_and_the_right_one_named(
    client: Client, given: dict[str, str]
) -> None:
    found = calls.problem(post(client, given), 400)
    assert "the header is called Idempotency-Key" in found["detail"]
    assert stored() == 0


@pytest.fixture
def guarded(settings: Settings, app: falcon.App[Any, Any], client: Client) -> Client:
    """RESEND_GUARD is set."""
    orders = app._router.find("/orders")[0]
    orders._settings = settings.model_copy(update={"resend_guard": 30.0})
    return client


def test_the_same_order_sent_twice_names_the_first(guarded: Client) -> None:
    first = post(guarded).json
    found = calls.problem(post(guarded), 409)
    assert (found["type"], found["orderId"]) == ("/docs/problems/repeated-order", first["id"])
    assert "allowRepeat" in found["detail"]
    assert post(guarded, allowRepeat=True).status_code == 201
    assert post(guarded, userIdentifier="another").status_code == 201
    assert stored() == 3


def test_without_the_guard_the_same_order_is_placed_again(client: Client) -> None:
    assert [post(client).status_code for _ in range(2)] == [201, 201]


def test_a_quantity_that_no_provider_takes_is_refused_at_once(client: Client) -> None:
    answer = post(client, quantity=2)
    assert errors(answer) == {"/quantity": "must be 1 or less for this package"}
    assert stored() == 0


def test_a_provider_that_is_too_dear_or_unknown_is_refused(client: Client) -> None:
    def placed(amount: str, currency: str = "TRY") -> int:
        return int(post(client, maxCost={"amount": amount, "currency": currency}).status_code)

    assert placed("100") == 422  # what it costs is not known
    route.add("game", "60", factories.SANDBOX, {}, cost=Cost(Decimal("31.40"), "TRY"))
    assert [placed("31.40"), placed("31.39"), placed("100", "USD")] == [201, 422, 422]
    found = errors(post(client, maxCost={"amount": "1", "currency": "TRY"}))
    assert list(found) == ["/maxCost"] and "31" not in str(found)
    assert "GET /routes/{productId}/{packageId}" in found["/maxCost"]


def test_a_field_that_the_package_needs_is_named(client: Client) -> None:
    route.add("game", "60", factories.SANDBOX, {}, field_map={"oyuncu_bilgi": "{userIdentifier} {zone}"})
    assert list(errors(post(client))) == ["/fields/zone"]
    assert list(errors(post(client, userIdentifier="", fields={"zone": "7"}))) == ["/userIdentifier"]
    assert post(client, fields={"zone": "7"}).status_code == 201


def test_the_storefront_is_not_told_to_run_our_commands(client: Client) -> None:
    database.rows("DELETE FROM referans.routes")
    with capture_logs() as lines:
        answer = post(client)
    assert calls.problem(answer, 422)["detail"] == "this package is not offered: it has no provider"
    [line] = [line for line in lines if line["action"] == "order_refused"]
    assert (line["product_id"], line["package_id"]) == ("game", "60")
    assert "gateway routes add" in line["cure"] and "gateway" not in answer.text


# --- routes


def test_a_route_says_what_an_order_needs(client: Client) -> None:
    path = "/routes/game/60"
    plain = client.simulate_get(path).json
    assert [(one["name"], one["required"]) for one in plain["fields"]] == [
        ("userIdentifier", False),
        ("extraField", False),
    ]
    assert (plain["quantity"], plain["cost"], plain["available"]) == (1, None, True)

    mapped = {"oyuncu_bilgi": "{userIdentifier} {zone} {server?}", "musteri_tel": "{extraField}"}
    route.add("game", "60", factories.SANDBOX, {}, field_map=mapped, cost=Cost(Decimal("31.40"), "TRY"))
    found = client.simulate_get(path).json
    assert [(one["name"], one["required"]) for one in found["fields"]] == [
        ("userIdentifier", True),
        ("extraField", False),
        ("server", False),
        ("zone", True),
    ]
    assert all(one["description"].endswith(".") for one in found["fields"])
    assert found["cost"] == {"amount": "31.40", "currency": "TRY"}
    assert "oyuncu" not in json.dumps(found) and factories.SANDBOX not in json.dumps(found)


def test_what_a_protocol_in_a_file_asks_of_an_order_is_known_at_once(client: Client) -> None:
    provider.save(provider.Provider("upstream", "digiflazz", "https://upstream.example", "none", {}))
    route.add(
        "airtime",
        "5",
        "upstream",
        {"buyer_sku_code": "x5"},
        field_map={"customer_no": "{userIdentifier}{zone}"},
    )
    found = client.simulate_get("/routes/airtime/5").json
    assert found["quantity"] == 1
    assert {one["name"]: one["required"] for one in found["fields"]} == {"userIdentifier": True, "zone": True}
    wanted = {"productId": "airtime", "packageId": "5"}
    assert list(errors(post(client, **wanted))) == ["/fields/zone"]
    assert list(errors(post(client, **wanted, fields={"zone": "7"}, quantity=2))) == ["/quantity"]
    assert post(client, **wanted, fields={"zone": "7"}).status_code == 201


def test_what_no_provider_takes_now_is_not_available(client: Client) -> None:
    provider_health.pause(factories.SANDBOX, by="ada", reason="closed")
    assert client.simulate_get("/routes/game/60").json["available"] is False
    provider.save(provider.Provider("person", "manual", "", "none", {}))
    route.add("game", "60", "person", {}, priority=9)
    found = client.simulate_get("/routes/game/60").json
    assert (found["available"], found["quantity"]) == (True, 1000)


def test_a_package_without_a_route_is_not_found(client: Client) -> None:
    database.rows("DELETE FROM referans.routes")
    route.add("game", "61", factories.SANDBOX, {})
    found = calls.problem(client.simulate_get("/routes/game/60"), 404)
    assert found["type"] == "/docs/problems/route-not-found"
    assert client.simulate_get("/routes/game/61").status_code == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/routes/%00/60"),
        ("GET", "/routes/game/%00"),
        ("GET", "/orders/%00"),
        ("GET", "/orders/%00/events"),
        ("POST", "/orders/%00/check"),
        ("POST", "/orders/%00/cancel"),
        ("GET", "/docs/problems/%00"),
        ("POST", "/callbacks/%00"),
        ("POST", "/callbacks/sandbox%00/token"),
    ],
)
def test_a_name_in_a_path_that_cannot_be_stored_is_not_found(client: Client, method: str, path: str) -> None:
    assert client.simulate_request(method, path, body="{}").status_code == 404


@pytest.mark.parametrize("scope", list(Scope))
def test_who_places_or_reads_orders_may_ask_for_routes(client_for: ClientFor, scope: Scope) -> None:
    allowed = scope in (Scope.ORDERS_READ, Scope.ORDERS_WRITE)
    assert client_for(scope).simulate_get("/routes/game/60").status_code == (200 if allowed else 403)


# --- why an order failed


@pytest.mark.parametrize(
    ("words", "reason", "shown"),
    [
        ("Oyuncu bulunamadi", "customer", "Oyuncu bulunamadi"),
        ("Stok yok", "product", "Stok yok"),
        ("Yetersiz bakiye: -120 TL", "account", "The provider cannot take orders at present."),
        ("Iptal edildi, bakiye iade edildi", "provider", "Iptal edildi, bakiye iade edildi"),
        ("olmadi", "provider", "olmadi"),
    ],
)
def test_a_failure_has_a_reason_that_code_can_read(
    client: Client, anonymous: Client, words: str, reason: str, shown: str
) -> None:
    credentials = factories.CREDENTIALS | {"callback_secret": "a-token-of-the-panel"}
    factories.add_provider("panel", callback="token", credentials=credentials)
    order = factories.sent()
    factories.put(order, providerId="panel")
    said = f"referans={order['provider_referans']}&durum=3&aciklama={words}"
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = anonymous.simulate_post("/callbacks/panel/a-token-of-the-panel", body=said, headers=headers)
    assert answer.status_code == 200
    found = client.simulate_get(f"/orders/{order['id']}").json
    assert (found["externalStatus"], found["failureReason"], found["lastMessage"]) == (
        "failed",
        reason,
        shown,
    )


def test_a_cancelled_and_a_decided_order_say_so(client: Client, trusted: Client) -> None:
    cancelled = post(client).json
    assert client.simulate_post(f"/orders/{cancelled['id']}/cancel").json["failureReason"] == "cancelled"
    order = factories.sent()
    body = {"externalStatus": ExternalStatus.FAILED, "reason": "the panel says so"}
    assert (
        trusted.simulate_post(f"/orders/{order['id']}/resolve", json=body).json["failureReason"] == "person"
    )


# --- HEAD


@pytest.mark.parametrize(
    "path",
    [
        "/orders",
        "/orders/{id}",
        "/api-dj/orders/{id}",
        "/orders/{id}/events",
        "/routes/game/60",
        "/health/live",
    ],
)
def test_a_head_is_a_get_without_its_body(client: Client, path: str) -> None:
    url = path.format(id=post(client).json["id"])
    whole, head = client.simulate_get(url), client.simulate_head(url)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == whole.headers["content-length"]
    assert head.headers["content-type"] == whole.headers["content-type"]


def test_a_head_of_what_is_not_there_is_the_same_error(client: Client, anonymous: TestClient) -> None:
    assert client.simulate_head(f"/orders/{factories.NO_ORDER}").status_code == 404
    assert anonymous.simulate_head("/orders").status_code == 401
