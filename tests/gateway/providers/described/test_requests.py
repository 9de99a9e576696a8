"""Calls are made of structure: what a customer wrote stays one value, wherever it is put."""

import json
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest
from defusedxml import ElementTree
from hypothesis import given
from hypothesis import strategies as st

from gateway.providers.described.requests import Call, build
from gateway.providers.described.schema import Request
from gateway.providers.described.templates import BadValue
from models import texts

#: What somebody may write as a player's id.
NASTY = [
    *("5123456789", "a&qty=2", "a=b", "a#b", "a?b", "a/b", "a/../b", "%2e%2e", "<x/>", "]]>"),
    *("</character><adet>9</adet>", '"', "'", '","qty":"2', "\\", "{credentials.key}", "{a|md5}"),
    *("a;b", "a+b", "a b", "a\r\nX-Other: 1", "\n", "ق١٢", "🙂", "|"),
]


def made(values: dict[str, Any] | None = None, **described: Any) -> Call:
    request = Request.model_validate({"path": "/p", **described})
    return build(request, {"user": "u", "credentials.key": "k", **(values or {})})


@pytest.mark.parametrize("user", NASTY)
def test_a_value_in_query_form_json_and_xml(user: str) -> None:
    values = {"user": user}
    assert made(values, query={"a": "{user}", "b": "1"}).query == {"a": user, "b": "1"}

    form = made(values, form={"a": "{user}", "b": "1"})
    assert dict(parse_qsl((form.body or b"").decode(), keep_blank_values=True)) == {"a": user, "b": "1"}

    body = made(values, json={"a": {"b": ["{user}"]}, "c": True}).body
    assert json.loads(body or b"") == {"a": {"b": [user]}, "c": True}

    root = ElementTree.fromstring((made(values, xml={"a": {"b": "{user}", "c": "1"}}).body or b"").decode())
    assert [(each.tag, each.text or "") for each in root] == [
        ("b", texts.visible(user).replace("\r\n", "\n")),
        ("c", "1"),
    ]


@pytest.mark.parametrize("user", NASTY)
def test_a_value_in_a_path(user: str) -> None:
    path = made({"user": user}, path="/orders/{user}/keys").path
    assert path.count("/") == 3 and unquote(path.split("/")[2]) == user
    assert urlsplit(f"http://x{path}").path == path


@pytest.mark.parametrize("user", ["", ".", ".."])
def test_a_path_leads_nowhere_else(user: str) -> None:
    with pytest.raises(BadValue, match="a part of the path would be empty, or dots alone"):
        made({"user": user}, path="/orders/{user}/keys")


@pytest.mark.parametrize("user", ["a\r\nX: 1", "a\nb", "a\x00b", "ü", "\x7f"])
def test_a_header_takes_no_line_end(user: str) -> None:
    for headers in ({"X-User": "{user}"}, {"X-{user}": "1"}):
        with pytest.raises(BadValue, match="a header would have characters"):
            made({"user": user}, headers=headers)


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"])))
def test_any_text_stays_one_value(user: str) -> None:
    values = {"user": user}
    form = dict(
        parse_qsl((made(values, form={"a": "{user}", "b": "1"}).body or b"").decode(), keep_blank_values=True)
    )
    assert form == {"a": user, "b": "1"}
    assert json.loads(made(values, json={"a": "{user}"}).body or b"") == {"a": user}


def test_what_may_be_left_out() -> None:
    values = {"user": ""}
    assert made(values, query={"a?": "{user}", "b": "{user}"}).query == {"b": ""}
    assert (
        made(values, json={"a?": {"b": "{user}"}, "c?": {"d": "{credentials.key}"}}).body
        == b'{"c":{"d":"k"}}'
    )


@pytest.mark.parametrize(
    ("text", "number"), [("5", b"5"), ("-5", b"-5"), ("5.00", b"5.0"), ("0.1", b"0.1"), ("1e3", b"1000.0")]
)
def test_a_number_in_json(text: str, number: bytes) -> None:
    assert (
        made({"user": text}, json={"a": {"text": "{user}", "number": True}}).body == b'{"a":' + number + b"}"
    )


@pytest.mark.parametrize("text", ["", "x", "1,5", "NaN", "inf", "1e9999", "1" * 41, "0x1"])
def test_what_is_not_a_number(text: str) -> None:
    with pytest.raises(BadValue, match="number: the value is not one"):
        made({"user": text}, json={"a": {"text": "{user}", "number": True}})


def test_content_types() -> None:
    assert made(json={"a": "1"}).headers == {"Content-Type": "application/json"}
    assert made(form={"a": "1"}).headers == {"Content-Type": "application/x-www-form-urlencoded"}
    assert made(xml={"a": "1"}).headers == {"Content-Type": "application/xml"}
    assert made(json={"a": "1"}, headers={"content-type": "application/vnd.x+json"}).headers == {
        "content-type": "application/vnd.x+json"
    }
    assert made().headers == {} and made().body is None


def test_query_and_headers_may_name_what_is_sent() -> None:
    signed = "{method} {path} {body|hmac_sha256:credentials.key|hex|first:8}"
    call = made(method="POST", json={"a": "{user}"}, headers={"X-Sign": signed}, query={"b": "{body}"})
    assert call.headers["X-Sign"] == "POST /p 60540a97" and call.query == {"b": (call.body or b"").decode()}
    assert made(query={"b": "{body}"}).query == {"b": ""}


def test_xml_in_a_field_of_a_form() -> None:
    body = made(xml={"a": {"b": "{user}"}}, xml_field="DATA", form={"x": "1"}, values={"user": "<&>"}).body
    assert dict(parse_qsl((body or b"").decode())) == {"x": "1", "DATA": "<a><b>&lt;&amp;&gt;</b></a>"}
