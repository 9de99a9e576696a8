"""What is wrong with a request is said clearly, and its content is not repeated."""

import json
from typing import Any

import pytest

from gateway.web.bodies import MAX_BYTES
from models.db import database
from tests import factories
from tests.gateway.web import calls
from tests.gateway.web.conftest import Client

#: Must never come back.
MARK = "find-me-in-no-answer"
#: The fields that an order must have.
REQUIRED = ("productId", "packageId")


def post(client: Client, body: bytes | str, content_type: str = "application/json") -> Any:
    headers = {"Content-Type": content_type} if content_type else {}
    return client.simulate_post("/orders", body=body, headers=headers)


REQUIRED = ("productId", "packageId")


def order_with(name: str, value: str) -> str:
    """The JSON of an order in which one field is spelled by hand."""
    fields = {key: json.dumps(text) for key, text in calls.BODY.items()} | {name: value}
    return "{" + ", ".join(f'"{key}": {text}' for key, text in fields.items()) + "}"


@pytest.fixture(autouse=True)
def nothing_is_placed(pool: object) -> Any:
    yield
    assert database.rows("SELECT 1 FROM product_orders") == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"\x00",
        b"{",
        b"{}{}",
        b"[]",
        b"null",
        b'"text"',
        b"1",
        b"NaN",
        b"{'a': 1}",
        b"\xff\xfe{\x00}\x00",
        b'{"productId": "\xff"}',
        b"\xef\xbb\xbf",
        b"[" * 60_000,
        b'{"a":' * 12_000,
        b"1" * 60_000,
        b'{"quantity": ' + b"1" * 5_000 + b"}",
        b'{"quantity": NaN}',
        b'{"quantity": -Infinity}',
        b'{"productId": "a", "productId": "b"}',
        b'{"\\ud800": 1, "\\ud800": 2}',
        b'{"x": {"a": 1, "a": 2}}',
        b'{"productId": "a\nb"}',
        json.dumps(calls.BODY).encode("utf-16"),
    ],
)
def test_anything_but_a_json_object_is_refused(client: Client, body: bytes) -> None:
    calls.problem(post(client, body), 400)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[(name, value) for name in calls.BODY for value in ("1", "true", "[]", "{}")],
        *[(name, value) for name in REQUIRED for value in ('""', "null")],
        *[(name, json.dumps("x" * 256)) for name in calls.BODY],
        *[(name, value) for name in calls.BODY for value in ('"a\\u0000b"', '"\\ud800"', '"\\udc00\\ud800"')],
        *[("quantity", v) for v in ("0", "-1", "1001", "1.5", "1e4", '"1"', "true", "null", "1" * 4000)],
        *[("extraField", value) for value in (json.dumps("x" * 256), '"\\u0000"', '"\\ud800"', "7", "[]")],
        *[
            ("notifyUrl", json.dumps(value))
            for value in (
                "",
                "x",
                "ftp://host/",
                "javascript:alert(1)",
                "http://",
                "http:///path",
                "https://host/a b",
                "https://host/\x00",
                "https://host/\ud800",
                "https://" + "x" * 2000,
                *("https://host:99999/", "https://host:port/", "https://[::1", 7),
            )
        ],
    ],
)
def test_a_field_that_is_wrong_is_named(client: Client, name: str, value: str) -> None:
    assert calls.pointers(post(client, order_with(name, value))) == [f"/{name}"]


def test_a_storefront_that_waits_for_a_notification_hears_that_none_can_be_signed(client: Client) -> None:
    answer = post(client, order_with("notifyUrl", '"https://shop.example/hook"'))
    [error] = calls.problem(answer, 422)["errors"]
    assert error["pointer"] == "/notifyUrl"
    assert error["detail"].startswith("this gateway sends no notifications")


@pytest.mark.parametrize(
    ("name", "pointer"),
    [
        ("product_id", "/product_id"),
        ("id", "/id"),
        ("status", "/status"),
        ("", "/"),
        ("a/b~c", "/a~1b~0c"),
        ("ş", "/ş"),
        ("x" * 300, "/" + "x" * 255),
    ],
)
def test_an_unknown_field_is_refused(client: Client, name: str, pointer: str) -> None:
    assert calls.pointers(post(client, order_with(name, "1"))) == [pointer]


def test_a_name_with_an_invalid_character_is_refused(client: Client) -> None:
    calls.problem(post(client, order_with("\\ud800", "1")), 422)


def test_all_that_is_missing_is_said_at_once(client: Client) -> None:
    assert calls.pointers(post(client, "{}")) == [f"/{name}" for name in REQUIRED]


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/jsonx",
        "multipart/form-data",
        "\xff",
        ";",
    ],
)
def test_another_content_type_is_refused(client: Client, content_type: str) -> None:
    calls.problem(post(client, json.dumps(calls.BODY), content_type), 415)


@pytest.mark.parametrize("length", [MAX_BYTES + 1, 10 * MAX_BYTES])
def test_a_body_that_is_too_large_is_refused(client: Client, length: int) -> None:
    calls.problem(post(client, b" " * length), 413)


def test_a_body_of_the_largest_size_is_read(client: Client) -> None:
    calls.problem(post(client, b"{}".ljust(MAX_BYTES)), 422)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        (method, path)
        for path in (
            "/orders",
            "/api-dj/orders",
            "/callbacks/sandbox",
            "/health/live",
            "/metrics",
            "/routes/a/b",
        )
        for method in ("PUT", "PATCH", "DELETE", "TRACE")
    ],
)
def test_other_methods_are_not_allowed(client: Client, method: str, path: str) -> None:
    answer = client.simulate_request(method, path)
    assert answer.status_code == 405
    assert "GET" in answer.headers["allow"]
    calls.problem(answer, 405)


@pytest.mark.parametrize("path", ["check", "cancel"])
def test_what_only_changes_something_takes_no_head(client: Client, path: str) -> None:
    answer = client.simulate_head(f"/orders/{factories.NO_ORDER}/{path}")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST, OPTIONS")


@pytest.mark.parametrize(
    "path", ["/orders", f"/orders/{factories.NO_ORDER}", "/callbacks/sandbox", "/metrics"]
)
def test_options_says_what_is_allowed(anonymous: Client, path: str) -> None:
    answer = anonymous.simulate_options(path)
    assert answer.status_code == 200 and "GET" in answer.headers["allow"] and not answer.content


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/nowhere",
        "/orders//",
        "/ORDERS",
        "/orders/x/y/z",
        "/api-dj",
        "/api-dj/callbacks/sandbox",
        "/orders/../metrics",
        "/callbacks",
        "/orders/\x00",
        "/orders/%00",
        "/orders/%ff%fe",
        "/orders/" + "x" * 4000,
        "/orders/" + "1" * 32 + "g",
        f"/orders/{factories.NO_ORDER}",
        f"/orders/{factories.NO_ORDER}/",
        f"/orders/{factories.NO_ORDER}/events",
    ],
)
def test_what_is_not_there_is_a_404(client: Client, path: str) -> None:
    calls.problem(client.simulate_get(path), 404)


def test_nothing_is_repeated_to_the_caller(client: Client, anonymous: Client) -> None:
    database.rows("DELETE FROM referans.routes")
    answers = [
        post(client, order_with("productId", f'"{MARK}"')),
        post(client, order_with("quantity", f'"{MARK}"')),
        post(client, f'{{"{MARK}": 1, "{MARK}": 1}}'),
        post(client, MARK),
        post(client, "{}", MARK),
        client.simulate_get(f"/{MARK}"),
        client.simulate_get(f"/orders/{MARK}"),
        client.simulate_get("/orders", params={"externalStatus": MARK, "createdAfter": MARK, "limit": MARK}),
        client.simulate_get("/orders", params={"cursor": MARK}),
        client.simulate_post("/orders", json=calls.BODY, headers={"Idempotency-Key": MARK + "\x07"}),
        anonymous.simulate_get("/orders", headers={"Authorization": MARK}),
        anonymous.simulate_get("/orders", headers={"Authorization": f"Bearer {MARK}"}),
        anonymous.simulate_post(f"/callbacks/{MARK}"),
        anonymous.simulate_post(f"/callbacks/sandbox/{MARK}"),
        anonymous.simulate_post("/callbacks/sandbox", body=MARK, headers=calls.signed(MARK.encode())),
    ]
    assert all(answer.status_code >= 400 for answer in answers)
    assert [answer.text for answer in answers if MARK in answer.text] == []


def test_the_name_of_an_unknown_field_is_cut(client: Client) -> None:
    body = {f"{number}" + "x" * 300: 1 for number in range(150)}
    answer = post(client, json.dumps(body))
    assert calls.problem(answer, 422)
    assert len(answer.content) < 16 * 1024
