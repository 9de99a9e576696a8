"""Codes in callbacks: every shape that providers send, in both formats."""

import json
from typing import Any
from urllib.parse import urlencode

import pytest
from falcon.testing import Result

from models.provider import CallbackFormat
from tests import factories
from tests.gateway.web import calls
from tests.gateway.web.calls import call_back, neutral, result, standing
from tests.gateway.web.conftest import Client

TOKEN = "a-token-for-tests-only"


@pytest.fixture
def panel(pool: object) -> dict[str, Any]:
    """An order of a panel that calls back in its own words."""
    credentials = factories.CREDENTIALS | {"callback_secret": TOKEN}
    factories.add_provider(callback="token", credentials=credentials, callback_format=CallbackFormat.PROTOCOL)
    found = factories.sent()
    factories.put(found, quantity=3)
    return found


def send_json(client: Client, text: str) -> Result:
    return client.simulate_post(f"/callbacks/sandbox/{TOKEN}", body=text.encode())


def send_form(client: Client, panel: dict[str, Any], pins: str) -> Result:
    said = urlencode({"referans": panel["provider_referans"], "durum": "2"})
    headers = {"content-type": "application/x-www-form-urlencoded"}
    return client.simulate_post(f"/callbacks/sandbox/{TOKEN}", body=f"{said}&{pins}", headers=headers)


def codes(client: Client, order: dict[str, Any]) -> Any:
    return client.simulate_get(f"/orders/{order['id']}").json["codes"]


def asked(order: dict[str, Any]) -> bool:
    """Whether the provider is to be asked for the code at once, as for a route that expects one."""
    names = ("expects", "codeAsks", "pinCode")
    is_due = factories.column(order, "nextCheckAt") == factories.column(order, "lastCallbackAt")
    return is_due and [factories.column(order, name) for name in names] == ["code", 0, None]


# --- the neutral format


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"pin_code": "A"}, [{"code": "A"}]),
        ({"pin_code": 123}, [{"code": "123"}]),
        ({"pin_code": ["A", "B"]}, [{"code": "A"}, {"code": "B"}]),
        ({"pin_code": {"code": "A", "serial": "S"}}, [{"code": "A", "serial": "S"}]),
        (
            {"codes": [{"code": "A", "pin": "P", "serial": "S", "expires_at": "2027-01-01"}, {"code": "B"}]},
            [{"code": "A", "pin": "P", "serial": "S", "expiresAt": "2027-01-01"}, {"code": "B"}],
        ),
        ({"codes": {"code": "A"}}, [{"code": "A"}]),
        ({"codes": ["B", "A"], "pin_code": "A"}, [{"code": "B"}, {"code": "A"}]),
        ({"codes": [{"code": "B"}], "pin_code": "A"}, [{"code": "B"}, {"code": "A"}]),
        ({"codes": [], "pin_code": "A"}, [{"code": "A"}]),
        ({"codes": None, "pin_code": "A"}, [{"code": "A"}]),
        ({"codes": [{"code": "A"}], "pin_code": "N/A"}, [{"code": "A"}]),
    ],
)
def test_every_code_is_kept_in_order(
    trusted: Client, order: dict[str, Any], said: dict[str, Any], expected: Any
) -> None:
    factories.put(order, quantity=3)
    assert result(call_back(trusted, neutral(order["provider_referans"], **said))) == "applied"
    assert codes(trusted, order) == expected


@pytest.mark.parametrize(
    "said",
    [
        '"pin_code": 1234567890123456.0',
        '"pin_code": 1.5e3',
        '"pin_code": {"value": "A"}',
        '"pin_code": [["A"]]',
        '"pin_code": "\\u0000A"',
        '"pin_code": "\\ud800"',
        '"codes": [{"epin": "A"}]',
        '"codes": [{"code": 1.5}]',
        '"codes": [1.5], "pin_code": null',
    ],
)
def test_a_code_that_cannot_be_read_costs_no_outcome_and_is_asked_for(
    trusted: Client, order: dict[str, Any], said: str
) -> None:
    body = f'{{"provider_referans": "{order["provider_referans"]}", "status": "completed", {said}}}'
    assert result(call_back(trusted, body.encode())) == "applied"
    assert standing(order) == "completed" and asked(order)


def test_beside_a_code_that_cannot_be_read_the_others_count(trusted: Client, order: dict[str, Any]) -> None:
    said = neutral(order["provider_referans"], codes=[{"code": "A"}, {"epin": "B"}])
    assert result(call_back(trusted, said)) == "applied"
    assert codes(trusted, order) == [{"code": "A"}]
    assert [factories.column(order, name) for name in ("expects", "codeAsks")] == ["code", 0]


@pytest.mark.parametrize(
    ("receipt", "expected"),
    [
        ("Player One", "Player One"),
        (4711, "4711"),
        ("\x1b[2JOne\n\u202etwo ", "One two"),
        ("", None),
        (None, None),
        ({"a": 1}, None),
        (True, None),
    ],
)
def test_a_receipt_is_shown(
    trusted: Client, order: dict[str, Any], receipt: Any, expected: str | None
) -> None:
    assert result(call_back(trusted, neutral(order["provider_referans"], receipt=receipt))) == "applied"
    assert trusted.simulate_get(f"/orders/{order['id']}").json["receipt"] == expected


@pytest.mark.parametrize("status", ["COMPLETED", "Completed", " completed "])
def test_a_status_counts_in_any_case_of_letters(client: Client, order: dict[str, Any], status: str) -> None:
    assert result(call_back(client, neutral(order["provider_referans"], status))) == "applied"
    assert standing(order) == "completed"


def test_what_was_delivered_can_be_taken_back(trusted: Client, order: dict[str, Any]) -> None:
    referans = order["provider_referans"]
    call_back(trusted, neutral(referans, pin_code="A"))
    assert result(call_back(trusted, neutral(referans, "Reversed"))) == "applied"
    shown = trusted.simulate_get(f"/orders/{order['id']}").json
    assert (shown["externalStatus"], shown["status"], shown["attention"]) == (
        "reversed",
        "rejected",
        "reversed",
    )


# --- a panel's own words


@pytest.mark.parametrize(
    ("pin", "expected"),
    [
        ('"A"', [{"code": "A"}]),
        ("1234567890123456", [{"code": "1234567890123456"}]),
        ('["A", "B"]', [{"code": "A"}, {"code": "B"}]),
        ('{"code": "A", "serial": "S"}', [{"code": "A", "serial": "S"}]),
        ('[{"pin": "A", "serial": "S"}, "B"]', [{"code": "A", "serial": "S"}, {"code": "B"}]),
    ],
)
def test_a_panels_codes_as_json(trusted: Client, panel: dict[str, Any], pin: str, expected: Any) -> None:
    said = f'{{"referans": "{panel["provider_referans"]}", "durum": 2, "pin": {pin}}}'
    assert send_json(trusted, said).text == "OK"
    assert codes(trusted, panel) == expected


@pytest.mark.parametrize(
    ("pins", "expected"),
    [
        ("pin[]=A&pin[]=B", [{"code": "A"}, {"code": "B"}]),
        ("pin=A&pin=B", [{"code": "A"}, {"code": "B"}]),
        ("pin[0]=A&pin[1]=B", [{"code": "A"}, {"code": "B"}]),
        ("pin[serial]=S&pin[code]=A", [{"code": "A", "serial": "S"}]),
        ("pin[0][code]=A&pin[0][serial]=S&pin[1][code]=B", [{"code": "A", "serial": "S"}, {"code": "B"}]),
    ],
)
def test_a_panels_codes_in_a_form(trusted: Client, panel: dict[str, Any], pins: str, expected: Any) -> None:
    assert send_form(trusted, panel, pins).text == "OK"
    assert codes(trusted, panel) == expected


@pytest.mark.parametrize(
    "pin", ["1234567890123456.0", "1.234e15", '{"epin": "A"}', '[["A"]]', '"A\\u0000"', '"\\ud800"']
)
def test_a_panels_code_that_cannot_be_read_is_asked_for(
    trusted: Client, panel: dict[str, Any], pin: str
) -> None:
    said = f'{{"referans": "{panel["provider_referans"]}", "durum": "2", "pin": {pin}}}'
    assert send_json(trusted, said).text == "OK"
    assert standing(panel) == "completed" and asked(panel)


@pytest.mark.parametrize("pins", ["pin[][code]=A&pin[][serial]=S", "pin=%00A", "pin=AB%9d%feC", "pin[x]=A"])
def test_a_code_in_a_form_that_cannot_be_read_is_asked_for(
    trusted: Client, panel: dict[str, Any], pins: str
) -> None:
    assert send_form(trusted, panel, pins).text == "OK"
    assert standing(panel) == "completed" and asked(panel)


@pytest.mark.parametrize("pin", ["null", "N/A", "undefined", "0", "--", "*****", "Yok", "\u200b"])
def test_words_that_are_no_code_leave_the_code_to_come(
    trusted: Client, panel: dict[str, Any], pin: str
) -> None:
    assert send_form(trusted, panel, urlencode({"pin": pin})).text == "OK"
    assert codes(trusted, panel) is None or codes(trusted, panel) == []
    assert send_form(trusted, panel, "pin=REAL").text == "OK"
    assert codes(trusted, panel) == [{"code": "REAL"}]
    assert [kept["result"] for kept in calls.inbox()] == ["applied", "applied"]


def test_the_codes_are_kept_sealed(trusted: Client, panel: dict[str, Any]) -> None:
    send_form(trusted, panel, "pin[0][code]=THE-CODE&pin[0][serial]=THE-SERIAL")
    kept = json.dumps([factories.column(panel, name) for name in ("codes", "pinCode")]) + str(calls.inbox())
    assert "THE-CODE" not in kept and "THE-SERIAL" not in kept
