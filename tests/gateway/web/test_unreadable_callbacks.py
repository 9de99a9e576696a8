"""Callbacks whose signature is right and whose content is not: refused, and kept for an operator."""

import json
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.gateway.web import calls
from tests.gateway.web.calls import call_back, neutral, result, standing
from tests.gateway.web.conftest import Client


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"not JSON",
        b"\xff\xfe\xfd",
        b"\x00",
        b"[]",
        b"null",
        b'"x"',
        b"{}",
        b"[" * 60_000,
        b'{"a":' * 12_000,
        b'{"provider_referans": ' + b"1" * 5_000 + b', "status": "sent"}',
        b'{"provider_referans": NaN, "status": "sent"}',
        b'{"provider_referans": 1e999, "status": "sent"}',
        b'{"provider_referans": true, "status": "sent"}',
        b'{"provider_referans": ["1"], "status": "sent"}',
        b'{"provider_referans": "1", "provider_referans": "2", "status": "sent"}',
        b'{"provider_referans": "1", "status": "failed", "status": "completed"}',
        b'{"orders": [{"provider_referans": "1", "status": "failed", "status": "completed"}]}',
        b'{"orders": []}',
        b'{"orders": {}}',
        b'{"orders": "1"}',
        b'{"orders": [[]]}',
        *[
            json.dumps(said).encode()
            for said in (
                {"status": "completed"},
                neutral(" "),
                neutral("1", ""),
                neutral("1", "not_sent"),
                neutral("1", "queued"),
                {"provider_referans": "1"},
                neutral("1" * 256),
                neutral("1\x00"),
                {"referans": "1", "durum": "4"},
                {"referans": "1"},
                {"durum": "2"},
                {"type": "pong"},
                {"type": ["ping"]},
            )
        ],
    ],
)
def test_what_cannot_be_read_is_kept_as_invalid(client: Client, body: bytes) -> None:
    for _ in range(2):
        found = calls.problem(call_back(client, body), 400)
        assert "inbox" in found["detail"]
    assert [kept["result"] for kept in calls.inbox()] == ["invalid"]


def test_an_event_that_comes_again_mended_is_applied(client: Client, order: dict[str, Any]) -> None:
    call_back(client, neutral(order["provider_referans"], "ready"), webhook_id="1")
    assert result(call_back(client, neutral(order["provider_referans"]), webhook_id="1")) == "applied"
    assert standing(order) == "completed"


def test_invalid_utf8_is_kept_readable(client: Client) -> None:
    calls.problem(call_back(client, b'{"provider_referans": "\xe7", "status": "sent"}'), 400)
    assert calls.inbox()[0]["result"] == "invalid"


def test_text_of_every_kind_is_kept(trusted: Client, order: dict[str, Any]) -> None:
    message = "Şifreniz hazır 😀 <b>'\"\\%s"
    said = neutral(order["provider_referans"], pin_code="ş😀%s'", message=message)
    assert result(call_back(trusted, json.dumps(said, ensure_ascii=False).encode())) == "applied"
    shown = trusted.simulate_get(f"/orders/{order['id']}").json
    assert (shown["pinCode"], shown["lastMessage"]) == ("ş😀%s'", message)


def test_a_long_message_and_a_long_pin_are_taken(trusted: Client, order: dict[str, Any]) -> None:
    said = neutral(order["provider_referans"], pin_code="1" * 4_000, message="ş" * 20_000)
    assert result(call_back(trusted, json.dumps(said, ensure_ascii=False).encode())) == "applied"
    assert trusted.simulate_get(f"/orders/{order['id']}").json["pinCode"] == "1" * 4_000


@pytest.mark.parametrize("message", ["\x00", "\udfff", {"a": 1}, ["a"], True, 1.5, 7])
def test_a_message_costs_no_outcome_whatever_it_is(
    client: Client, order: dict[str, Any], message: Any
) -> None:
    said = neutral(order["provider_referans"], pin_code="1", message=message)
    assert result(call_back(client, said)) == "applied"
    assert standing(order) == "completed"


def test_what_the_signature_does_not_cover_is_not_read(client: Client, order: dict[str, Any]) -> None:
    said = urlencode(neutral(order["provider_referans"]))
    headers = calls.signed(b"")
    for send in (client.simulate_get, client.simulate_post):
        calls.problem(send("/callbacks/sandbox", query_string=said, headers=headers), 400)
    body = b"message=hello"
    form = calls.signed(body) | {"content-type": "application/x-www-form-urlencoded"}
    answer = client.simulate_post("/callbacks/sandbox", query_string=said, body=body, headers=form)
    calls.problem(answer, 400)
    assert standing(order) == "sent"


@pytest.mark.parametrize("form", [b"status=%ff", b"status=\xff", b"&".join(b"%d=1" % n for n in range(201))])
def test_a_signed_form_that_cannot_be_read_is_kept_as_invalid(client: Client, form: bytes) -> None:
    headers = calls.signed(form) | {"content-type": "application/x-www-form-urlencoded"}
    calls.problem(client.simulate_post("/callbacks/sandbox", body=form, headers=headers), 400)
    assert [kept["result"] for kept in calls.inbox()] == ["invalid"]


def test_a_signed_form_is_read(client: Client, order: dict[str, Any]) -> None:
    body = urlencode(neutral(order["provider_referans"], "processing")).encode()
    headers = calls.signed(body) | {"content-type": "application/x-www-form-urlencoded; charset=utf-8"}
    assert result(client.simulate_post("/callbacks/sandbox", body=body, headers=headers)) == "applied"
