"""Callbacks: whatever was answered with a 2xx is committed, and each is settled once."""

import json
from typing import Any
from urllib.parse import urlencode

import pytest
from falcon.testing import Result

from gateway.web import callbacks
from gateway.web.bodies import MAX_BYTES
from models import database, sealed
from models.status import ExternalStatus
from tests import factories
from tests.gateway.web import calls
from tests.gateway.web.calls import call_back, neutral
from tests.gateway.web.conftest import Client
from tests.waiting import wait_until

#: An order's reference that nobody has.
NOBODY = "123456789012345678"
TOKEN = "a-token-for-tests-only"
TOKENED = "panel"


@pytest.fixture
def order(pool: object) -> dict[str, Any]:
    return factories.sent()


@pytest.fixture
def tokened(pool: object) -> dict[str, Any]:
    """An order of a provider that calls back with a token; the older of its two secrets is being rotated."""
    credentials = factories.CREDENTIALS | {"callback_secret": f"the-old-one {TOKEN}"}
    factories.add_provider(TOKENED, callback="token", credentials=credentials)
    database.rows("DELETE FROM routes WHERE provider_id <> %s", (TOKENED,))
    return factories.place()


def result(answer: Result, status: int = 200) -> str:
    assert answer.status_code == status, answer.text
    return str(answer.json["result"])


def standing(order: dict[str, Any]) -> str:
    return str(factories.column(order, "externalStatus"))


# --- what a callback may do to an order


def test_what_was_applied_is_committed_and_shown(trusted: Client, order: dict[str, Any]) -> None:
    said = neutral(order["provider_referans"], pin_code="PIN-1", message="Enjoy")
    answer = call_back(trusted, said)
    assert answer.json == {"result": "applied"}
    shown = trusted.simulate_get(f"/orders/{order['id']}").json
    assert (shown["externalStatus"], shown["status"], shown["pinCode"]) == ("completed", "approved", "PIN-1")
    assert shown["lastMessage"] == "Enjoy" and shown["completedAt"] and shown["durationMs"] >= 0
    (kept,) = calls.inbox()
    assert (kept["result"], str(kept["order_id"])) == ("applied", order["id"])
    assert "PIN-1" not in kept["raw"]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({"status": "processing"}, {"status": "processing"}, "duplicate"),
        ({"status": "processing"}, {"status": "processing", "message": "soon"}, "applied"),
        ({"status": "processing"}, {"status": "sent"}, "stale"),
        ({"status": "processing"}, {"status": "pending"}, "stale"),
        ({"status": "failed"}, {"status": "failed"}, "duplicate"),
        ({"status": "failed"}, {"status": "completed", "pin_code": "1"}, "conflict"),
        ({"status": "completed"}, {"status": "completed", "pin_code": "1"}, "applied"),
        ({"status": "completed", "pin_code": "1"}, {"status": "completed"}, "duplicate"),
        ({"status": "completed", "pin_code": "1"}, {"status": "completed", "pin_code": "2"}, "conflict"),
        ({"status": "completed", "pin_code": "1"}, {"status": "processing"}, "stale"),
        ({"status": "completed", "pin_code": "1"}, {"status": "failed"}, "conflict"),
    ],
)
def test_a_second_callback(
    client: Client, order: dict[str, Any], before: dict[str, str], after: dict[str, str], expected: str
) -> None:
    referans = order["provider_referans"]
    call_back(client, neutral(referans, **before))
    assert result(call_back(client, neutral(referans, **after))) == expected


def test_the_same_event_again_is_a_duplicate_whatever_came_between(
    client: Client, order: dict[str, Any]
) -> None:
    referans = order["provider_referans"]
    first = neutral(referans, "processing", message="one")
    assert result(call_back(client, first, webhook_id="a")) == "applied"
    assert result(call_back(client, neutral(referans, "processing", message="two"))) == "applied"
    assert result(call_back(client, first, webhook_id="a")) == "duplicate"
    assert factories.column(order, "lastMessage") == "two"
    assert len(calls.inbox()) == 2


def test_a_conflict_is_kept_in_full_and_changes_nothing(trusted: Client, order: dict[str, Any]) -> None:
    referans = order["provider_referans"]
    for pin in ("PIN-1", "PIN-2"):
        call_back(trusted, neutral(referans, pin_code=pin))
    assert trusted.simulate_get(f"/orders/{order['id']}").json["pinCode"] == "PIN-1"
    assert [kept["result"] for kept in calls.inbox()] == ["applied", "conflict"]


def test_a_success_after_the_timeout_counts(client: Client, order: dict[str, Any]) -> None:
    factories.put(
        order, externalStatus="failed", status="rejected", failureReason="timeout", nextCheckAt=None
    )
    assert result(call_back(client, neutral(order["provider_referans"], pin_code="1"))) == "applied"
    assert factories.column(order, "late") is True


def test_an_unknown_reference_is_kept_and_applied_once_it_is_known(client: Client) -> None:
    said = neutral(NOBODY, pin_code="PIN-1")
    assert result(call_back(client, said, webhook_id="early"), 202) == "unmatched"
    assert result(call_back(client, said, webhook_id="early"), 202) == "unmatched"
    assert [kept["result"] for kept in calls.inbox()] == ["unmatched"]
    order = factories.sent()
    factories.put(order, provider_referans=NOBODY)
    assert result(call_back(client, said, webhook_id="early")) == "applied"
    assert standing(order) == "completed"
    assert [kept["result"] for kept in calls.inbox()] == ["applied"]


def test_one_providers_word_is_nothing_to_anothers_order(client: Client, order: dict[str, Any]) -> None:
    factories.add_provider("other")
    answer = call_back(client, neutral(order["provider_referans"]), provider="other")
    assert result(answer, 202) == "unmatched"
    assert standing(order) == "sent"


def test_the_same_event_id_of_two_providers_is_two_events(client: Client, order: dict[str, Any]) -> None:
    factories.add_provider("other")
    said = neutral(order["provider_referans"])
    call_back(client, said, provider="other", webhook_id="1")
    assert result(call_back(client, said, webhook_id="1")) == "applied"


def test_numbers_and_blanks_are_read_as_meant(trusted: Client, order: dict[str, Any]) -> None:
    said = {
        "provider_referans": int(order["provider_referans"]),
        "status": " completed ",
        "pin_code": 123,
        "message": "",
    }
    assert result(call_back(trusted, said)) == "applied"
    assert trusted.simulate_get(f"/orders/{order['id']}").json["pinCode"] == "123"


@pytest.mark.parametrize("pin", ["", " ", "-", " - ", None])
def test_no_pin_is_written_in_many_ways(trusted: Client, order: dict[str, Any], pin: str | None) -> None:
    assert result(call_back(trusted, neutral(order["provider_referans"], pin_code=pin))) == "applied"
    assert trusted.simulate_get(f"/orders/{order['id']}").json["pinCode"] is None


# --- several orders in one callback


def test_several_orders_are_settled_each_for_itself(client: Client) -> None:
    first, second = factories.sent(), factories.sent()
    call_back(client, neutral(second["provider_referans"], "failed"))
    orders = [
        neutral(first["provider_referans"], pin_code="1"),
        neutral(second["provider_referans"], pin_code="2"),
        neutral(NOBODY),
        neutral(first["provider_referans"], pin_code="1"),
    ]
    answer = call_back(client, {"orders": orders}, webhook_id="list")
    assert result(answer) == "conflict"
    assert [one["result"] for one in answer.json["results"]] == [
        "applied",
        "conflict",
        "unmatched",
        "duplicate",
    ]
    again = call_back(client, {"orders": orders}, webhook_id="list")
    assert [one["result"] for one in again.json["results"]] == [
        "duplicate",
        "duplicate",
        "unmatched",
        "duplicate",
    ]


def test_a_list_of_strangers_is_unmatched(client: Client) -> None:
    assert result(call_back(client, {"orders": [neutral(NOBODY), neutral("1")]}), 202) == "unmatched"


def test_a_list_of_one_is_answered_like_one(client: Client, order: dict[str, Any]) -> None:
    assert call_back(client, {"orders": [neutral(order["provider_referans"])]}).json == {"result": "applied"}


def test_a_list_with_one_bad_entry_settles_none(client: Client, order: dict[str, Any]) -> None:
    for bad in ({}, [], neutral(NOBODY, "gone"), neutral("")):
        calls.problem(call_back(client, {"orders": [neutral(order["provider_referans"]), bad]}), 400)
    assert standing(order) == "sent"
    assert {kept["result"] for kept in calls.inbox()} == {"invalid"}


def test_a_long_list_of_different_orders_is_settled_at_once(client: Client, order: dict[str, Any]) -> None:
    strangers = [neutral(str(number), "sent") for number in range(1000, 1400)]
    answer = call_back(client, {"orders": [*strangers, neutral(order["provider_referans"])]})
    assert result(answer) == "applied"
    assert len(calls.inbox()) == 401


def test_a_list_that_repeats_one_order_for_ever_is_refused(client: Client, order: dict[str, Any]) -> None:
    line = neutral(order["provider_referans"], "processing")
    assert result(call_back(client, {"orders": [line] * 10})) == "applied"
    calls.problem(call_back(client, {"orders": [line] * 11}), 400)
    calls.problem(call_back(client, {"orders": [line] * 900}), 400)


# --- what cannot be read


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
                neutral("1", "COMPLETED"),
                neutral("1", "not_sent"),
                neutral("1", "queued"),
                {"provider_referans": "1"},
                neutral("1" * 256),
                neutral("1\x00"),
                neutral("1", pin_code="\x00"),
                neutral("1", message="\x00"),
                neutral("1", pin_code="\ud800"),
                neutral("1", message="\udfff"),
                neutral("1", pin_code=1.5),
                neutral("1", pin_code=["1"]),
                neutral("1", message={"a": 1}),
                {"referans": "1", "durum": "4"},
                {"referans": "1"},
                {"durum": "2"},
                {"referans": "1", "durum": "2", "pin": "\ud800"},
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
    message = "Şifreniz hazır 😀 \u202e <b>'\"\\%s"
    said = neutral(order["provider_referans"], pin_code="ş😀%s'", message=message)
    assert result(call_back(trusted, json.dumps(said, ensure_ascii=False).encode())) == "applied"
    shown = trusted.simulate_get(f"/orders/{order['id']}").json
    assert (shown["pinCode"], shown["lastMessage"]) == ("ş😀%s'", message)


def test_a_long_message_and_a_long_pin_are_taken(trusted: Client, order: dict[str, Any]) -> None:
    said = neutral(order["provider_referans"], pin_code="1" * 5_000, message="ş" * 20_000)
    assert result(call_back(trusted, json.dumps(said, ensure_ascii=False).encode())) == "applied"
    assert trusted.simulate_get(f"/orders/{order['id']}").json["pinCode"] == "1" * 5_000


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


def test_a_signed_form_is_read(client: Client, order: dict[str, Any]) -> None:
    body = urlencode(neutral(order["provider_referans"], "processing")).encode()
    headers = calls.signed(body) | {"content-type": "application/x-www-form-urlencoded; charset=utf-8"}
    assert result(client.simulate_post("/callbacks/sandbox", body=body, headers=headers)) == "applied"


# --- who is believed


def tampered(**changes: str | None) -> dict[str, str]:
    body = json.dumps(neutral(NOBODY)).encode()
    given: dict[str, str | None] = {**calls.signed(body), **changes}
    return {name: value for name, value in given.items() if value is not None}


OTHER_SECRET = "whsec_YW5vdGhlci1zZWNyZXQtZm9yLXRlc3Rz"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"webhook-id": None},
        {"webhook-id": ""},
        {"webhook-id": "another"},
        {"webhook-timestamp": None},
        {"webhook-timestamp": "0"},
        {"webhook-timestamp": "-1"},
        {"webhook-timestamp": "now"},
        {"webhook-timestamp": "1e9"},
        {"webhook-timestamp": "9" * 400},
        {"webhook-timestamp": "\xb2"},
        {"webhook-signature": None},
        {"webhook-signature": ""},
        {"webhook-signature": "v1,"},
        {"webhook-signature": "v1,AAAA"},
        {"webhook-signature": "v1,\xff"},
        {"webhook-signature": "v2,AAAA v1a,BBBB " * 400},
        {"webhook-signature": "\xe9"},
    ],
    ids=range(18),
)
def test_what_is_not_signed_is_not_stored(anonymous: Client, headers: dict[str, str | None]) -> None:
    given = tampered(**headers) if headers else {}
    body = json.dumps(neutral(NOBODY)).encode()
    calls.problem(anonymous.simulate_post("/callbacks/sandbox", body=body, headers=given), 401)
    assert calls.inbox() == []


@pytest.mark.parametrize("age_seconds", [302, -302])
def test_a_signature_holds_for_five_minutes(anonymous: Client, age_seconds: float) -> None:
    body = json.dumps(neutral(NOBODY)).encode()
    for age, status in ((age_seconds, 401), (age_seconds * 0.9, 202)):
        headers = calls.signed(body, age_seconds=age)
        assert anonymous.simulate_post("/callbacks/sandbox", body=body, headers=headers).status_code == status
    assert len(calls.inbox()) == 1


def test_anothers_secret_and_another_body_are_refused(anonymous: Client) -> None:
    body = json.dumps(neutral(NOBODY)).encode()
    for headers, sent in (
        (calls.signed(body, secret=OTHER_SECRET), body),
        (calls.signed(body), body + b" "),
        (calls.signed(body), b""),
    ):
        calls.problem(anonymous.simulate_post("/callbacks/sandbox", body=sent, headers=headers), 401)
    assert calls.inbox() == []


def test_any_signature_of_several_may_match(anonymous: Client) -> None:
    body = json.dumps(neutral(NOBODY)).encode()
    headers = calls.signed(body)
    headers["webhook-signature"] = f"v1a,x v1,AAAA {headers['webhook-signature']}"
    assert anonymous.simulate_post("/callbacks/sandbox", body=body, headers=headers).status_code == 202


def test_both_secrets_count_while_one_is_rotated(anonymous: Client) -> None:
    credentials = factories.CREDENTIALS | {"callback_secret": f"{OTHER_SECRET}\n{calls.SECRET}"}
    factories.add_provider(credentials=credentials)
    body = json.dumps(neutral(NOBODY)).encode()
    for secret in (OTHER_SECRET, calls.SECRET):
        headers = calls.signed(body, secret=secret)
        assert anonymous.simulate_post("/callbacks/sandbox", body=body, headers=headers).status_code == 202


def test_an_event_id_that_no_index_holds_is_refused(anonymous: Client) -> None:
    body = json.dumps(neutral(NOBODY)).encode()
    longest, too_long = "x" * 255, "".join(map(str, range(2000)))
    for webhook_id, status in ((longest, 202), (too_long, 401)):
        headers = calls.signed(body, webhook_id=webhook_id)
        assert anonymous.simulate_post("/callbacks/sandbox", body=body, headers=headers).status_code == status


def test_a_provider_without_a_secret_is_never_believed(anonymous: Client) -> None:
    for scheme in ("standard-webhooks", "token"):
        factories.add_provider(scheme, callback=scheme, credentials={"kod": "1", "sifre": "1"})
        body = json.dumps(neutral(NOBODY)).encode()
        headers = calls.signed(body, secret="whsec_") | {"x-callback-token": ""}
        calls.problem(anonymous.simulate_post(f"/callbacks/{scheme}", body=body, headers=headers), 401)
    assert calls.inbox() == []


def test_a_token_opens_nothing_where_signatures_are_wanted(anonymous: Client) -> None:
    body = json.dumps(neutral(NOBODY)).encode()
    answer = anonymous.simulate_post(f"/callbacks/sandbox/{calls.SECRET}", body=body)
    calls.problem(answer, 401)


@pytest.mark.parametrize("provider", ["nobody", "%00", "\x00", "%ff", "x" * 3000, "SANDBOX", "sandbox "])
def test_an_unknown_provider_is_a_404(anonymous: Client, provider: str) -> None:
    for path in (f"/callbacks/{provider}", f"/callbacks/{provider}/{TOKEN}"):
        calls.problem(anonymous.simulate_post(path, body=b"{}"), 404)
    assert calls.inbox() == []


def test_a_provider_that_is_added_is_known_at_once(anonymous: Client) -> None:
    calls.problem(anonymous.simulate_post("/callbacks/new", body=b"{}"), 404)
    factories.add_provider("new")
    calls.problem(anonymous.simulate_post("/callbacks/new", body=b"{}"), 401)


@pytest.fixture
def forgetful(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(callbacks, "REMEMBER_SECONDS", 0.2)


def test_a_secret_that_is_changed_is_seen_in_a_moment(forgetful: None, anonymous: Client) -> None:
    call_back(anonymous, neutral(NOBODY))
    factories.add_provider(credentials=factories.CREDENTIALS | {"callback_secret": OTHER_SECRET})
    wait_until(lambda: call_back(anonymous, neutral(NOBODY)).status_code == 401)


@pytest.mark.parametrize("length", [MAX_BYTES + 1, 20 * MAX_BYTES])
def test_a_body_that_is_too_large_is_refused(anonymous: Client, length: int) -> None:
    calls.problem(call_back(anonymous, b" " * length), 413)
    assert calls.inbox() == []


# --- tokens, forms, queries and znet's words


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


def test_a_token_in_the_form_or_without_a_scheme_is_none(anonymous: Client, tokened: dict[str, Any]) -> None:
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


def test_znets_unknown_reference_is_not_acknowledged_as_settled(
    anonymous: Client, tokened: dict[str, Any]
) -> None:
    answer = send(anonymous, "GET", places(TOKEN)["query"], {"referans": NOBODY, "durum": "2"})
    assert result(answer, 202) == "unmatched"


@pytest.mark.parametrize(
    "query",
    [
        "",
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
    kept = [sealed.unseal(row["raw"], f"{TOKENED}/{NOBODY}", f"{TOKENED}/") for row in calls.inbox()]
    assert kept and not any(TOKEN in raw for raw in kept)


def test_a_comma_in_a_value_is_a_comma(trusted: Client, tokened: dict[str, Any]) -> None:
    said = {"referans": tokened["provider_referans"], "durum": "2", "pin": "A,B;C+D E&F"}
    assert send(trusted, "GET", places(TOKEN)["query"], said).text == "OK"
    assert trusted.simulate_get(f"/orders/{tokened['id']}").json["pinCode"] == "A,B;C+D E&F"


def test_the_check_of_an_order_is_put_off_after_a_callback(client: Client, order: dict[str, Any]) -> None:
    factories.put(order, nextCheckAt=None)
    call_back(client, neutral(order["provider_referans"], ExternalStatus.PROCESSING))
    sql = """SELECT EXTRACT(EPOCH FROM "nextCheckAt" - now())::int AS seconds FROM product_orders"""
    assert database.rows(sql)[0]["seconds"] in (599, 600)
