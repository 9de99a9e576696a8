"""The document at `/openapi.json`: nothing of the API is missing in it, and what it says holds.

Every answer that a test of the web gets is held against it besides (`conftest.Client`).
"""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, get_args

import falcon.inspect
import jsonschema_rs
import pytest
from pydantic.alias_generators import to_camel

from gateway import shown
from gateway.fulfilment import messages
from gateway.web import answers, examples, operations, problems
from gateway.web.errors import MEDIA_TYPE
from gateway.web.operations import OPERATIONS, Operation
from models import order as models_order
from models.api_key import Scope
from models.codes import Code
from models.status import ExternalStatus
from tests import factories
from tests.gateway.web import calls, contract
from tests.gateway.web.conftest import Client, ClientFor

FIELD = re.compile(r"{(\w+)}")
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
NO_ORDER = "00000000-0000-4000-8000-000000000000"
CALLED = pytest.mark.parametrize("operation", OPERATIONS, ids=lambda one: one.id)
KEYED = pytest.mark.parametrize(
    "operation", [one for one in OPERATIONS if one.scopes], ids=lambda one: one.id
)


@pytest.fixture
def document(anonymous: Client) -> dict[str, Any]:
    """As it is served."""
    answer = anonymous.simulate_get("/openapi.json")
    assert answer.headers["content-type"] == "application/json"
    found: dict[str, Any] = answer.json
    return found


def everywhere(value: Any, name: str) -> Iterator[Any]:
    """Whatever has this name, anywhere in the document."""
    children = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    for key, child in children:
        if key == name:
            yield child
        yield from everywhere(child, name)


def test_every_method_of_every_url_is_described_and_nothing_else(
    client: Client, document: dict[str, Any]
) -> None:
    served = {
        (each.method.lower(), FIELD.sub(lambda found: f"{{{to_camel(found[1])}}}", route.path))
        for route in falcon.inspect.inspect_routes(client.app)
        for each in route.methods
        if not each.internal and not route.path.startswith("/ops")  # pages for people
    }
    described = {
        (method, f"{server['url'].rstrip('/')}{path}")
        for path, item in document["paths"].items()
        for method in item
        if method != "servers"
        for server in item.get("servers", document["servers"])
    }
    assert described == served


def test_its_schemas_are_valid_and_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    assert document["openapi"] == "3.1.0"
    schemas_ = document["components"]["schemas"]
    for schema in schemas_.values():
        jsonschema_rs.validator_for(
            {"$schema": contract.DIALECT, **schema, "components": {"schemas": schemas_}}
        )
    names = {reference.rpartition("/")[2] for reference in everywhere(document, "$ref")}
    assert names <= schemas_.keys()
    assert {one.removesuffix("Head") for one in everywhere(document["paths"], "operationId")} == {
        one.id for one in OPERATIONS
    }
    assert len({one.id for one in OPERATIONS}) == len(OPERATIONS)


def test_it_names_the_fields_of_an_order_in_their_order() -> None:
    assert tuple(answers.Order.model_fields) == shown.FIELDS


def test_every_field_says_what_it_is(document: dict[str, Any]) -> None:
    """What a storefront sends and gets; a time says it by its name."""
    for name in ("Order", "PlaceOrder", "Event", "Orders", "ResolveOrder", "ResendOrder"):
        fields = document["components"]["schemas"][name]["properties"]
        silent = [
            one
            for one, said in fields.items()
            if "description" not in said and said.get("format") != "date-time"
        ]
        assert not silent, name


def test_every_parameter_says_what_it_is(document: dict[str, Any]) -> None:
    listed = [one for parameters in everywhere(document["paths"], "parameters") for one in parameters]
    assert listed and [one["name"] for one in listed if not one.get("description")] == []


@CALLED
def test_who_may_call_is_said(client: Client, operation: Operation) -> None:
    resource = client.app._router.find(FIELD.sub("x", operation.path))[0]
    assert bool(operation.scopes) is getattr(resource, "needs_key", True)


@KEYED
def test_one_of_the_scopes_is_enough_and_no_other_is(client_for: ClientFor, operation: Operation) -> None:
    path = operation.path.format(order_id=NO_ORDER, product_id="no", package_id="such")
    for scope in Scope:
        answer = client_for(scope).simulate_request(
            operation.method, path, json={} if operation.body else None
        )
        assert (answer.status_code != 403) is (scope in operation.scopes), scope


EXAMPLES = [
    pytest.param(one, example, id=f"{one.id}: {example.name}")
    for one in OPERATIONS
    for example in examples.of(one.id)
]
#: Differs from time to time.
VOLATILE = {name for name in answers.Order.model_fields if name.endswith("_at")} | {
    "id",
    "order_no",
    "provider_referans",
    "duration_ms",
    "at",
}


SENT = ("a sent order", "a completed order", "a failed order")


def given(what: str) -> str:
    """Make what an example begins with; the id of its order."""
    if what == "nothing":
        return NO_ORDER
    order = factories.sent("5123456789") if what in SENT else factories.place("5123456789")
    factories.put(order, productId="pubg", packageId="60uc")
    if what == "an order with this reference":
        factories.put(order, orderUuid="cart-1817")
    if what in SENT[:2]:
        factories.put(order, externalOrderId="90017")
    if what == "a completed order":
        factories.settle(factories.arrival(order, ExternalStatus.COMPLETED, pin="PTJS-7065-SJEP-3240"))
    if what == "a failed order":
        factories.settle(factories.arrival(order, ExternalStatus.FAILED, message="Stok yok"))
    return str(order["id"])


def settled(value: Any) -> Any:
    """Without what differs from time to time; whether there is something stays."""
    if isinstance(value, list):
        return [settled(one) for one in value]
    if isinstance(value, str):
        return UUID.sub(NO_ORDER, value)
    if not isinstance(value, dict):
        return value
    names = {to_camel(name) for name in VOLATILE}
    return {
        name: (one is not None) if name in names and not isinstance(one, dict) else settled(one)
        for name, one in value.items()
    }


@pytest.mark.parametrize(("operation", "example"), EXAMPLES)
def test_an_example_is_answered_as_it_says(
    trusted: Client, operation: Operation, example: examples.Example
) -> None:
    path = operation.path.format(order_id=given(example.given), product_id="pubg", package_id="60uc")
    answer = trusted.simulate_request(
        operation.method, path, json=example.body, params=dict(example.query), headers=dict(example.headers)
    )
    assert answer.status_code == example.status, answer.text
    assert settled(answer.json) == settled(example.answer)
    reply = contract.current().document["paths"][
        FIELD.sub(lambda found: f"{{{to_camel(found[1])}}}", operation.path)
    ]
    for media in reply[operation.method.lower()]["responses"][str(example.status)]["content"].values():
        contract.current().validate(media["schema"], example.answer, "the example's answer")
    if operation.body and example.status < 400:
        contract.current().validate(
            {"$ref": f"#/components/schemas/{operation.body.__name__}"}, example.body, "its body"
        )


@pytest.mark.parametrize(
    "operation", [one for one in OPERATIONS if "{" in one.path], ids=lambda one: f"{one.method} {one.path}"
)
def test_what_an_id_with_a_slash_is_answered_is_described(trusted: Client, operation: Operation) -> None:
    """Servers decode `%2F` in a path, so that it is another path."""
    answer = trusted.simulate_request(operation.method, re.sub(r"\{\w+\}", "a%2Fb", operation.path))
    item = contract.current().document["paths"][
        FIELD.sub(lambda found: f"{{{to_camel(found[1])}}}", operation.path)
    ]
    described = item[operation.method.lower()]["responses"]["404"]["content"][MEDIA_TYPE]["examples"]
    assert answer.status_code == 404
    assert "not-found" in described
    if answer.content:
        assert answer.json["type"].rpartition("/")[2] in described.keys() & problems.CATALOGUE.keys()


def test_every_call_with_json_has_an_example() -> None:
    shown = {
        one.id
        for one in OPERATIONS
        if any(operations.JSON in reply.content for reply in one.replies.values())
    }
    assert shown - examples.BY_OPERATION.keys() <= {
        one.id for one in OPERATIONS if one.tag in ("Callbacks", "Documents")
    }


@pytest.mark.parametrize("codes", [None, [], [Code("A-1", pin="1", serial="S", expires_at="2030")]])
def test_a_notification_is_what_it_says(db: None, codes: list[Code] | None) -> None:
    order = models_order.find(given("a completed order"))
    assert order is not None
    schema = {"$ref": "#/components/schemas/Notification"}
    for kind in get_args(answers.Notification.model_fields["type"].annotation):
        content = messages.body(kind, datetime.now(UTC), order, codes)
        contract.current().validate(schema, json.loads(content), kind)


def test_every_type_of_problem_is_said_of_a_call() -> None:
    said = {kind for one in OPERATIONS for kind in one.all_problems()}
    assert set(problems.CATALOGUE.values()) - said == {problems.METHOD_NOT_ALLOWED}


def test_it_names_nothing_of_the_code(document: dict[str, Any]) -> None:
    said = " ".join(filter(lambda text: isinstance(text, str), everywhere(document, "description")))
    assert re.findall(r"\b(?:gateway|models|actors)\.\w+|\b[A-Z]{3,}(?= stand)", said) == []


def test_it_repeats_no_default_that_means_nothing(document: dict[str, Any]) -> None:
    assert [one for one in everywhere(document["components"], "default") if one is None] == []


def test_an_answer_that_is_not_described_is_noticed(client: Client) -> None:
    order = calls.place(client)
    held = contract.current()
    held.validate({"$ref": "#/components/schemas/Order"}, order, "as it is")
    for wrong in (order | {"more": 1}, order | {"externalStatus": "odd"}, {"id": order["id"]}):
        with pytest.raises(AssertionError):
            held.validate({"$ref": "#/components/schemas/Order"}, wrong, json.dumps(wrong))
