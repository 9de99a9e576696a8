"""Providers that show a token; forms, queries and znet's own words."""

from typing import Any
from urllib.parse import urlencode

import pytest
from falcon.testing import Result

from models import inbox
from models.db import database
from tests import factories
from tests.gateway.web import calls
from tests.gateway.web.calls import NOBODY, neutral, standing
from tests.gateway.web.conftest import Client

TOKEN = "a-token-for-tests-only"
TOKENED = "panel"


@pytest.fixture
def tokened(pool: object) -> dict[str, Any]:
    """An order of a provider that calls back with a token; the older of its two secrets is being rotated."""
    credentials = factories.CREDENTIALS | {"callback_secret": f"the-old-one {TOKEN}"}
    factories.add_provider(TOKENED, callback="token", credentials=credentials)
    database.rows("DELETE FROM referans.routes WHERE provider_id <> %s", (TOKENED,))
    return factories.place()


def places(token: str) -> dict[str, dict[str, Any]]:
    """Every place where a token may stand."""
    return {
        "path": {"path": f"/callbacks/{TOKENED}/{token}"},
        "header": {"headers": {"X-Callback-Token": token}},
        "bearer": {"headers": {"Authorization": f"Bearer {token}"}},
        "bearer, spelled otherwise": {"headers": {"Authorization": f"bearer  {token}"}},
        "query": {"params": {"token": token}},
    }


def send(
    client: Client, method: str, place: dict[str, Any], fields: dict[str, Any], form: bool = True
) -> Result:
    """By GET in the query, by POST as a form or as JSON."""
    given = {"path": f"/callbacks/{TOKENED}", "params": {}, "headers": {}} | place
    path = given.pop("path")
    if method == "GET":
        given["params"] = given["params"] | fields
    elif form:
        given["body"] = urlencode(fields)
        given["headers"] = given["headers"] | {"Content-Type": "application/x-www-form-urlencoded"}
    else:
        given["json"] = fields
    return client.simulate_request(method, path, **given)


@pytest.mark.parametrize("place", places(TOKEN))
@pytest.mark.parametrize(("method", "form"), [("GET", False), ("POST", True), ("POST", False)])
def test_a_token_counts_wherever_it_stands(
    trusted: Client, tokened: dict[str, Any], place: str, method: str, form: bool
) -> None:
    referans = tokened["provider_referans"]
    said = {"referans": referans, "durum": "2", "pin": "PIN-1", "aciklama": "Onaylandı"}
    answer = send(trusted, method, places(TOKEN)[place], said, form)
    assert (answer.status_code, answer.text) == (200, "OK")
    assert answer.headers["content-type"].startswith("text/plain")
    again = send(trusted, method, places("the-old-one")[place], said, form)
    assert again.text == "OK"
    shown = trusted.simulate_get(f"/orders/{tokened['id']}").json
    assert (shown["externalStatus"], shown["pinCode"], shown["lastMessage"]) == (
        "completed",
        "PIN-1",
        "Onaylandı",
    )
    assert len(calls.inbox()) == 1


@pytest.mark.parametrize(
    "token", ["not-this", TOKEN[:-1], TOKEN + "x", f"the-old-one {TOKEN}", "\xe9", "ş", " "]
)
def test_a_wrong_token_is_refused_wherever_it_stands(
    anonymous: Client, tokened: dict[str, Any], token: str
) -> None:
    for name, place in places(token).items():
        if token == "ş" and name not in ("path", "query"):
            continue
        for method in ("GET", "POST"):
            answer = send(anonymous, method, place, neutral(tokened["provider_referans"]))
            assert token == " " or token not in answer.text
            calls.problem(answer, 401)
    assert calls.inbox() == []
    assert standing(tokened) == "not_sent"


def test_a_token_in_the_form_or_without_a_scheme_does_not_count(
    anonymous: Client, tokened: dict[str, Any]
) -> None:
    said = neutral(tokened["provider_referans"])
    calls.problem(send(anonymous, "POST", {}, said | {"token": TOKEN}), 401)
    calls.problem(send(anonymous, "POST", {"headers": {"Authorization": TOKEN}}, said), 401)
    calls.problem(send(anonymous, "POST", {"headers": {"Authorization": f"Basic {TOKEN}"}}, said), 401)


def test_a_token_in_the_path_stands_before_any_other(anonymous: Client, tokened: dict[str, Any]) -> None:
    place = {"path": f"/callbacks/{TOKENED}/wrong", "headers": {"X-Callback-Token": TOKEN}}
    calls.problem(send(anonymous, "POST", place, neutral(tokened["provider_referans"])), 401)


@pytest.mark.parametrize(("method", "form"), [("GET", False), ("POST", True), ("POST", False)])
def test_our_words_are_answered_in_our_words(
    anonymous: Client, tokened: dict[str, Any], method: str, form: bool
) -> None:
    said = neutral(tokened["provider_referans"], "processing")
    assert send(anonymous, method, places(TOKEN)["header"], said, form).json == {"result": "applied"}
    assert send(anonymous, method, places(TOKEN)["header"], said, form).json == {"result": "duplicate"}


@pytest.mark.parametrize(
    ("durum", "status"), [("1", "processing"), ("2", "completed"), ("3", "failed"), (" 2 ", "completed")]
)
def test_znets_states(anonymous: Client, tokened: dict[str, Any], durum: str, status: str) -> None:
    said = {"tahsilat_api_islem_id": tokened["provider_referans"], "durum": durum, "pin": " - "}
    assert send(anonymous, "GET", places(TOKEN)["query"], said).text == "OK"
    assert standing(tokened) == status
    assert factories.column(tokened, "pinCode") is None


def test_znets_unknown_reference_is_kept_and_acknowledged(anonymous: Client, tokened: dict[str, Any]) -> None:
    """The dealer account may serve another system too, and a panel repeats until it reads `OK`."""
    answer = send(anonymous, "GET", places(TOKEN)["query"], {"referans": NOBODY, "durum": "2"})
    assert (answer.status_code, answer.text) == (200, "OK")
    assert [kept["result"] for kept in calls.inbox()] == ["unmatched"]


@pytest.mark.parametrize(
    "query",
    [
        "durum=2",
        "referans=1",
        "referans=1&durum=9",
        "referans=1%00&durum=2",
        "referans=&durum=2",
        "referans=1&durum=%ff",
        "%ff%fe&&==&",
        "provider_referans=1",
        "orders=1",
    ],
)
def test_a_query_that_cannot_be_read_is_kept_without_its_token(
    anonymous: Client, tokened: dict[str, Any], query: str
) -> None:
    answer = anonymous.simulate_get(f"/callbacks/{TOKENED}", query_string=f"token={TOKEN}&{query}")
    calls.problem(answer, 400)
    assert [kept["result"] for kept in calls.inbox()] == ["invalid"]


def test_of_a_repeated_parameter_the_last_counts(anonymous: Client, tokened: dict[str, Any]) -> None:
    query = f"token=wrong&token={TOKEN}&referans=1&referans={tokened['provider_referans']}&durum=3&durum=2"
    answer = anonymous.simulate_get(f"/callbacks/{TOKENED}", query_string=query)
    assert answer.text == "OK"
    assert standing(tokened) == "completed"


def test_the_token_is_stored_nowhere(anonymous: Client, tokened: dict[str, Any]) -> None:
    for place in places(TOKEN).values():
        send(anonymous, "GET", place, {"referans": NOBODY, "durum": "1"})
        send(anonymous, "POST", place, {"durum": "1"})
    kept = [inbox.raw(each) for each in inbox.find([row["id"] for row in calls.inbox()])]
    assert kept and not any(TOKEN in raw for raw in kept)


def test_a_comma_in_a_value_is_a_comma(trusted: Client, tokened: dict[str, Any]) -> None:
    said = {"referans": tokened["provider_referans"], "durum": "2", "pin": "A,B;C+D E&F"}
    assert send(trusted, "GET", places(TOKEN)["query"], said).text == "OK"
    assert trusted.simulate_get(f"/orders/{tokened['id']}").json["pinCode"] == "A,B;C+D E&F"
