"""The format of callbacks is chosen; and the many ways in which PHP scripts send them."""

import json
from typing import Any
from urllib.parse import quote_from_bytes, urlencode

import pytest
from falcon.testing import Result

from models.provider import CallbackFormat
from tests import factories
from tests.gateway.web import calls
from tests.gateway.web.calls import NOBODY, neutral, result, standing
from tests.gateway.web.conftest import Client
from tests.gateway.web.test_callback_kinds import HMAC_DEFAULTS, basic, digest

TOKEN = "a-token-for-tests-only"
PATH = f"/callbacks/sandbox/{TOKEN}"
FORM = {"content-type": "application/x-www-form-urlencoded"}
TURKISH = "Yükleme başarılı"


def add(kind: str = "token", chosen: CallbackFormat | None = CallbackFormat.PROTOCOL, **fields: Any) -> None:
    credentials = factories.CREDENTIALS | {"callback_secret": TOKEN, "callback_user": "panel"}
    factories.add_provider(callback=kind, credentials=credentials, callback_format=chosen, **fields)


@pytest.fixture
def panel(pool: object) -> dict[str, Any]:
    """An order of a panel that calls back in its own words."""
    add()
    return factories.sent()


def words(panel: dict[str, Any], **fields: str) -> dict[str, str]:
    return {
        "referans": panel["provider_referans"],
        "durum": "2",
        "pin": "PIN-1",
        "aciklama": TURKISH,
    } | fields


def taken(client: Client, panel: dict[str, Any], answer: Result) -> None:
    """The callback was acknowledged, and says what `words` says."""
    assert (answer.status_code, answer.text) == (200, "OK")
    shown = client.simulate_get(f"/orders/{panel['id']}").json
    told = [shown[name] for name in ("externalStatus", "pinCode", "lastMessage")]
    assert told == ["completed", "PIN-1", TURKISH]
    assert [kept["result"] for kept in calls.inbox()] == ["applied"]


# --- the format is chosen


@pytest.mark.parametrize(
    "beside",
    [
        {"status": "completed"},
        {"status": "success", "orders": "1"},
        {"orders": [{"provider_referans": NOBODY, "status": "failed"}]},
        {"provider_referans": NOBODY, "status": "failed"},
    ],
)
def test_a_panels_own_words_count_whatever_stands_beside_them(
    trusted: Client, panel: dict[str, Any], beside: dict[str, Any]
) -> None:
    taken(trusted, panel, trusted.simulate_post(PATH, json=words(panel) | beside))


def test_a_panel_is_not_read_as_neutral(client: Client, panel: dict[str, Any]) -> None:
    calls.problem(client.simulate_post(PATH, json=neutral(panel["provider_referans"])), 400)
    assert standing(panel) == "sent"
    assert [kept["result"] for kept in calls.inbox()] == ["invalid"]


def test_the_neutral_format_is_not_read_as_a_panels(client: Client, panel: dict[str, Any]) -> None:
    add(chosen=CallbackFormat.NEUTRAL)
    calls.problem(client.simulate_post(PATH, json=words(panel)), 400)
    assert result(client.simulate_post(PATH, json=neutral(panel["provider_referans"]))) == "applied"


@pytest.mark.parametrize("beside", [{}, {"status": "ok"}, {"status": 1.5, "orders": []}])
def test_where_none_was_chosen_both_are_read(
    trusted: Client, panel: dict[str, Any], beside: dict[str, Any]
) -> None:
    add(chosen=None)
    taken(trusted, panel, trusted.simulate_post(PATH, json=words(panel) | beside))
    other = factories.sent()
    assert result(trusted.simulate_post(PATH, json=neutral(other["provider_referans"]))) == "applied"


def test_a_panel_under_standard_webhooks_is_read_in_its_words(client: Client) -> None:
    factories.add_provider(callback_format=CallbackFormat.PROTOCOL)
    order = factories.sent()
    assert calls.call_back(client, words(order)).text == "OK"
    assert standing(order) == "completed"


# --- PHP's ways of sending


@pytest.mark.parametrize("exponent", [False, True])
def test_a_reference_that_its_sender_keeps_as_a_float(
    trusted: Client, panel: dict[str, Any], exponent: bool
) -> None:
    reference = panel["provider_referans"]
    written = f"{reference[0]}.{reference[1:]}e+14" if exponent else f"{reference}.0"
    said = json.dumps(words(panel)).replace(f'"{reference}"', written)
    taken(trusted, panel, trusted.simulate_post(PATH, body=said.encode()))


def test_likewise_in_the_neutral_format(trusted: Client, panel: dict[str, Any]) -> None:
    add(chosen=CallbackFormat.NEUTRAL)
    body = f'{{"provider_referans": {panel["provider_referans"]}.0, "status": "completed", "pin_code": "A"}}'
    assert result(trusted.simulate_post(PATH, body=body.encode())) == "applied"


@pytest.mark.parametrize("content_type", ["application/x-www-form-urlencoded", "text/plain", None])
@pytest.mark.parametrize("bom", ["", "\ufeff"])
def test_json_counts_under_any_content_type(
    trusted: Client, panel: dict[str, Any], content_type: str | None, bom: str
) -> None:
    body = (bom + json.dumps(words(panel))).encode()
    headers = {"content-type": content_type} if content_type else {}
    taken(trusted, panel, trusted.simulate_post(PATH, body=body, headers=headers))


@pytest.mark.parametrize("content_type", ["application/x-www-form-urlencoded", "text/html", None])
@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
def test_a_form_counts_without_its_content_type(
    trusted: Client, panel: dict[str, Any], content_type: str | None, bom: bytes
) -> None:
    headers = {"content-type": content_type} if content_type else {}
    body = bom + urlencode(words(panel)).encode()
    taken(trusted, panel, trusted.simulate_post(PATH, body=body, headers=headers))


@pytest.mark.parametrize("encoding", ["utf-8", "windows-1254"])
@pytest.mark.parametrize("raw", [True, False], ids=["raw", "percent-encoded"])
@pytest.mark.parametrize("join", [b"&", b"&amp;"])
def test_forms_of_any_encoding(
    trusted: Client, panel: dict[str, Any], encoding: str, raw: bool, join: bytes
) -> None:
    pairs = ((name, value.encode(encoding)) for name, value in words(panel).items())
    body = join.join(
        name.encode() + b"=" + (value if raw else quote_from_bytes(value).encode()) for name, value in pairs
    )
    taken(trusted, panel, trusted.simulate_post(PATH, body=body, headers=FORM))


@pytest.mark.parametrize("encoding", ["utf-8", "windows-1254"])
@pytest.mark.parametrize("join", ["&", "&amp;"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_fields_in_the_query(
    trusted: Client, panel: dict[str, Any], encoding: str, join: str, method: str
) -> None:
    query = urlencode(words(panel), encoding=encoding).replace("&", join)
    taken(trusted, panel, trusted.simulate_request(method, PATH, query_string=query))


@pytest.mark.parametrize("form", [True, False])
def test_fields_in_the_query_beside_a_body(trusted: Client, panel: dict[str, Any], form: bool) -> None:
    said = words(panel)
    query = urlencode({"referans": said.pop("referans"), "pin": "NOT-THIS"})
    body, headers = (urlencode(said), FORM) if form else (json.dumps(said), {})
    answer = trusted.simulate_post(PATH, query_string=query, body=body, headers=headers)
    taken(trusted, panel, answer)


def test_a_multipart_form(trusted: Client, panel: dict[str, Any]) -> None:
    parts = [
        f'--x1\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in words(panel).items()
    ]
    headers = {"content-type": "multipart/form-data; boundary=x1"}
    body = "".join(parts).encode("windows-1254") + b"--x1--\r\n"
    taken(trusted, panel, trusted.simulate_post(PATH, body=body, headers=headers))


def test_a_token_behind_an_escaped_ampersand_is_found_and_not_kept(
    trusted: Client, panel: dict[str, Any]
) -> None:
    query = urlencode(words(panel)).replace("&", "&amp;") + f"&amp;token={TOKEN}"
    taken(trusted, panel, trusted.simulate_get("/callbacks/sandbox", query_string=query))


def test_the_same_form_again_is_a_duplicate(client: Client, panel: dict[str, Any]) -> None:
    body = urlencode(words(panel, durum="1"), encoding="windows-1254").encode() + b"&x=\xfe"
    for _ in range(2):
        assert client.simulate_post(PATH, body=body, headers=FORM).text == "OK"
    assert [kept["result"] for kept in calls.inbox()] == ["applied"]


@pytest.mark.parametrize("name", ["referans", "tahsilat_api_islem_id"])
def test_a_reference_that_is_not_ours_is_acknowledged(
    client: Client, panel: dict[str, Any], name: str
) -> None:
    answer = client.simulate_post(PATH, body=urlencode({name: NOBODY, "durum": "2"}), headers=FORM)
    assert (answer.status_code, answer.text) == (200, "OK")
    assert [kept["result"] for kept in calls.inbox()] == ["unmatched"]


def test_a_query_with_more_fields_than_are_read_is_refused(client: Client, panel: dict[str, Any]) -> None:
    calls.problem(client.simulate_get(PATH, query_string="&" * 1001), 400)


# --- trying the address out


@pytest.mark.parametrize(
    ("method", "query", "body"),
    [
        ("HEAD", "", b""),
        ("HEAD", "referans=1&durum=2", b""),
        ("GET", "", b""),
        ("GET", f"token={TOKEN}", b""),
        ("GET", "type=ping", b""),
        ("POST", "", b'{"type": "ping"}'),
        ("POST", "", b'{"type": "ping", "sent": 1700000000}'),
        ("POST", "", b"type=ping"),
    ],
)
@pytest.mark.parametrize(
    ("chosen", "text"),
    [
        (CallbackFormat.PROTOCOL, "OK"),
        (CallbackFormat.NEUTRAL, '{"result": "reached"}'),
        (None, "OK"),
    ],
)
def test_whoever_tries_the_address_out_is_told_that_it_works(
    anonymous: Client,
    pool: object,
    method: str,
    query: str,
    body: bytes,
    chosen: CallbackFormat | None,
    text: str,
) -> None:
    add(chosen=chosen)
    for path, expected in ((PATH, 200), ("/callbacks/sandbox/not-the-token-of-tests", 401)):
        answer = anonymous.simulate_request(method, path, query_string=query, body=body)
        assert answer.status_code == expected
        assert method == "HEAD" or expected == 401 or answer.text == text
    assert calls.inbox() == []


def test_a_ping_is_signed_like_everything_else(anonymous: Client, pool: object) -> None:
    body = b'{"type": "ping"}'
    answer = anonymous.simulate_post("/callbacks/sandbox", body=body, headers=calls.signed(body))
    assert answer.status_code == 200
    calls.problem(
        anonymous.simulate_post("/callbacks/sandbox", body=body, headers=calls.signed(body + b" ")), 401
    )
    head = anonymous.simulate_head("/callbacks/sandbox", headers=calls.signed(b""))
    assert head.status_code == 200
    assert anonymous.simulate_head("/callbacks/sandbox").status_code == 401
    assert anonymous.simulate_head("/callbacks/nobody").status_code == 404
    assert calls.inbox() == []


@pytest.mark.parametrize("kind", ["hmac", "basic"])
def test_other_kinds_try_the_address_out_too(anonymous: Client, pool: object, kind: str) -> None:
    add(kind, callback_options=HMAC_DEFAULTS if kind == "hmac" else {})
    right = {"X-Signature": digest(b"", secret=TOKEN).hex()} if kind == "hmac" else basic("panel", TOKEN)
    for method in ("HEAD", "GET"):
        for headers, expected in ((right, 200), ({}, 401)):
            answer = anonymous.simulate_request(method, "/callbacks/sandbox", headers=headers)
            assert answer.status_code == expected


def test_an_outcome_is_never_taken_for_a_ping(client: Client, panel: dict[str, Any]) -> None:
    assert client.simulate_post(PATH, json=words(panel) | {"type": "ping"}).text == "OK"
    assert standing(panel) == "completed"


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_other_methods_are_not_taken(client: Client, panel: dict[str, Any], method: str) -> None:
    answer = client.simulate_request(method, PATH, json=words(panel))
    calls.problem(answer, 405)
    assert standing(panel) == "sent"


def test_an_empty_post_is_refused_and_kept(client: Client, panel: dict[str, Any]) -> None:
    calls.problem(client.simulate_post(PATH), 400)
    assert [kept["result"] for kept in calls.inbox()] == ["invalid"]
