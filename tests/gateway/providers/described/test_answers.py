"""What answers mean: rules in order, and what no rule says."""

import json
from typing import Any

import jmespath
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.providers.base import (
    InDoubt,
    NoAnswer,
    NotNow,
    ProviderError,
    QuestionRefused,
    Refused,
    UnknownReference,
)
from gateway.providers.described import answers, protocol
from gateway.providers.described.answers import Answer, Meant, parse
from gateway.providers.described.places import BadPath, Path, word
from gateway.providers.described.schema import Means, Operation
from models import masking
from models.masking import Known

HTML = b"<!DOCTYPE html><title>502</title>"
ORDER = {"reference": "r1", "own": ""}


def operation(**described: Any) -> Operation:
    return Operation.model_validate({"path": "/p", **described})


def meant(body: object, http: int = 200, expects: str = "auto", **described: Any) -> Meant | None:
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    said = operation(**described)
    answer = parse(said.answer, http, text, columns=said.columns)
    return answers.meaning(said, answer, ORDER, expects)


def rule(means: str, **said: Any) -> dict[str, Any]:
    has_condition = {"http", "where", "text"} & said.keys()
    return {"means": means, **({} if has_condition else {"http": 200}), **said}


def test_the_first_rule_that_fits_counts() -> None:
    rules = [
        rule("failed", http=410),
        rule("refused", where={"code": [1, 2], "status": "ERROR"}),
        rule("sent", where={"status": ["ok", "fine"]}),
        rule("in_doubt", text=""),
    ]
    said = [
        ({"code": 1, "status": "error"}, 200, Means.REFUSED),
        ({"code": "2", "status": " Error "}, 200, Means.REFUSED),
        ({"code": 3, "status": "error"}, 200, Means.IN_DOUBT),
        ({"status": "FINE"}, 200, Means.SENT),
        ({"status": "FINE"}, 410, Means.FAILED),
        ({}, 200, Means.IN_DOUBT),
    ]
    for body, http, means in said:
        found = meant(body, http, rules=rules)
        assert found is not None and found.means is means, body


@pytest.mark.parametrize(
    "said",
    [
        {"http": 200},
        {"http": "2xx"},
        {"http": ["4xx", 200]},
        {"where": {"a.b[0]": "X"}},
        {"text": '"x"'},
        {"text_of": "a.b[0]", "text": "^x$"},
    ],
)
def test_a_condition_holds_or_not(said: dict[str, Any]) -> None:
    assert meant({"a": {"b": ["x"]}}, rules=[rule("sent", **said)]) is not None
    assert meant(
        {"a": {"b": ["y"]}}, 404 if "http" in said else 200, rules=[rule("sent", **said)]
    ) is None or "4xx" in said.get("http", "")


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda each: st.lists(each, max_size=3) | st.dictionaries(st.text(max_size=5), each, max_size=3),
    ),
    st.sampled_from([200, 400, 404, 500, 503]),
)
def test_what_no_rule_says_is_never_a_refusal_and_never_unknown(body: object, http: int) -> None:
    answer = parse("json", http, json.dumps(body).encode())
    assert isinstance(protocol.not_sent(None, answer), InDoubt | NoAnswer)
    assert isinstance(protocol.not_learned(None, answer), QuestionRefused | NoAnswer)


@given(st.binary(max_size=300), st.sampled_from(["json", "xml", "text"]))
def test_any_bytes_can_be_read(body: bytes, kind: str) -> None:
    answer = parse(kind, 200, body)
    assert not isinstance(protocol.not_sent(None, answer), Refused)


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("json", HTML),
        ("json", b""),
        ("json", b"{"),
        ("json", b'{"a": NaN}'),
        ("json", b'{"a": Infinity}'),
        ("json", b'{"status": "ok", "status": "failed"}'),
        ("json", b"[" * 100_000),
        ("json", b'{"a": ' + b"9" * 5_000 + b"}"),
        ("json", b'{"a": 1} trailing'),
        ("xml", b""),
        ("xml", b"<a><b></a>"),
        ("xml", b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "b"><!ENTITY c "&b;&b;">]><a>&c;</a>'),
        ("xml", b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>'),
        ("xml", b'<?xml version="1.0" encoding="x-nothing"?><a/>'),
        ("text", b""),
        ("text", b" \r\n"),
        ("text", HTML),
    ],
)
def test_what_cannot_be_read_is_no_answer(kind: str, body: bytes) -> None:
    answer = parse(kind, 200, body)
    assert not answer.is_readable and answer.tree is None
    assert isinstance(protocol.not_sent(None, answer), NoAnswer)
    assert isinstance(protocol.not_learned(None, answer), NoAnswer)


def test_a_deep_xml_is_read_to_some_depth() -> None:
    answer = parse("xml", 200, b"<a>" * 5_000 + b"x" + b"</a>" * 5_000)
    assert answer.is_readable


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("Güle güle ş".encode(), "Güle güle ş"),
        ("﻿Güle".encode(), "Güle"),
        ("Şifre hatalı, İşlem".encode("windows-1254"), "Şifre hatalı, İşlem"),
    ],
)
def test_a_text_in_the_encodings_that_servers_use(body: bytes, text: str) -> None:
    assert parse("text", 200, body).text == text


def test_xml_in_its_own_encoding() -> None:
    body = '<?xml version="1.0" encoding="ISO-8859-9"?><a><b>ş</b></a>'.encode("iso-8859-9")
    assert parse("xml", 200, body).tree == {"a": {"b": "ş"}}


def test_xml_is_read_like_json() -> None:
    body = b"<a><b>1</b><c><d>2</d><d><e/></d></c><f> x </f></a>"
    assert parse("xml", 200, body).tree == {"a": {"b": "1", "c": {"d": ["2", {"e": ""}]}, "f": "x"}}


def test_attributes_of_xml_are_read_by_name() -> None:
    body = b'<a><o no="7" state="Done"><pin serial="S1">P1</pin><pin>P2</pin><b c="1"/></o></a>'
    tree = parse("xml", 200, body).tree
    found = {path: Path(path).find(tree) for path in ("a.o.no", "a.o.b.c", "a.o.pin[*].serial", "a.o.b")}
    assert found == {"a.o.no": "7", "a.o.b.c": "1", "a.o.pin[*].serial": ["S1"], "a.o.b": ""}
    said = meant(
        body,
        answer="xml",
        rules=[rule("completed", where={"a.o.state": "done", "a.o.pin[0].nothing": ""})],
        codes={"each": "a.o.pin", "code": "@", "serial": "serial"},
    )
    assert said is not None and [(each.code, each.serial) for each in said.codes] == [
        ("P1", "S1"),
        ("P2", None),
    ]


def test_text_in_columns_is_a_list_of_lines() -> None:
    described = {
        "answer": "text",
        "columns": "|",
        "rules": [rule("ok", where={"[0][0]": "OK"})],
        "lines": {"each": "[1:]", "read": {"reference": "[0]", "cost": "[2]"}, "rules": [rule("sent")]},
    }
    said = meant(b"OK\r\nr0|x|1\r\n\r\nr1|x|48,25|\r\n", **described)
    assert said is not None and (said.means, said.parts["cost"]) == (Means.SENT, "48,25")
    for body in (b"HATA|r1", b"", b"<html>OK|"):
        assert meant(body, **described) is None


@pytest.mark.parametrize(
    ("value", "compared"),
    [
        (None, ""), (True, "true"), (False, "false"), (5, "5"), (5.0, "5"), (5.5, "5.5"), (1e300, "1e+300"),
        (float("inf"), "inf"), (" OK ", "ok"), ("000", "000"), ("İ", "i̇"),
    ],
)  # fmt: skip
def test_how_values_are_compared(value: object, compared: str) -> None:
    assert word(value) == compared


@pytest.mark.parametrize("number", ["1e999999", "1e-999999", "1" * 300, "0.1", "5.00"])
def test_a_number_is_compared_in_no_time_and_keeps_its_digits(number: str) -> None:
    found = meant(
        f'{{"cost": {number}}}'.encode(),
        rules=[rule("sent", where={"cost": [7, 0, ""]}), rule("failed")],
        read={"cost": "cost"},
    )
    assert found is not None and found.parts.get("cost", "") in (number, "")


def test_parts_are_read_where_they_stand() -> None:
    found = meant(
        {"id": 7, "note": [" a ", "b"], "flag": True, "deep": {"x": 1}, "cost": 1.50, "none": None},
        rules=[rule("sent", text='"id": (?P<own>[0-9]+)', read={"message": "note"})],
        read={
            "own": "id",
            "message": "id",
            "receipt": "flag",
            "currency": "deep",
            "cost": "cost",
            "remaining": "none",
        },
    )
    assert found is not None and found.parts == {"own": "7", "message": "a b", "cost": "1.5"}


CODES = {"each": "codes", "code": "code", "pin": "pin", "serial": "serial", "expires_at": "until"}


@pytest.mark.parametrize(
    ("codes", "found", "is_unreadable"),
    [
        (
            [{"code": "A1", "pin": "1", "serial": "S", "until": "2027"}],
            [{"code": "A1", "pin": "1", "serial": "S", "expires_at": "2027"}],
            False,
        ),
        ([{"code": "A1"}, {"code": "A2"}], [{"code": "A1"}, {"code": "A2"}], False),
        ({"code": "A1"}, [{"code": "A1"}], False),
        ([{"pin": "1"}], [{"code": "1"}], False),
        ([{"code": " - "}, {"code": None}, {"code": ""}, {}], [], False),
        ([], [], False),
        (None, [], False),
        ([{"code": 12345}], [{"code": "12345"}], False),
        ([{"code": 1.5e15}], [], True),
        ([{"code": {"x": 1}}], [], True),
        ([{"code": "A1"}, {"code": ["B1", "B2"]}], [{"code": "A1"}], True),
    ],
)
def test_codes(codes: object, found: list[dict[str, str]], is_unreadable: bool) -> None:
    said = meant({"codes": codes}, rules=[rule("completed")], codes=CODES)
    assert said is not None
    assert [each.as_dict() for each in said.codes] == found and said.unreadable_code is is_unreadable


def test_only_what_is_delivered_has_codes() -> None:
    said = meant({"codes": [{"code": "A1"}]}, rules=[rule("processing")], codes=CODES)
    assert said is not None and said.codes == ()


WORDS, CODE = "NAMA PEMAIN/RF-88120", "1122-3344-5566-7788"


@pytest.mark.parametrize(
    ("sn", "expects", "codes", "otherwise"),
    [
        (WORDS, "auto", [], WORDS),
        (WORDS, "no-code", [], WORDS),
        (WORDS, "code", [WORDS], None),
        (CODE, "auto", [CODE], None),
        (CODE, "no-code", [], CODE),
        (CODE, "code", [CODE], None),
        ("Terima kasih", "auto", [], "Terima kasih"),
        ("2026-03-14", "auto", [], "2026-03-14"),
        ("", "code", [], None),
        ("-", "code", [], None),
    ],
)
def test_what_may_be_words_is_a_code_if_it_looks_like_one(
    sn: str, expects: str, codes: list[str], otherwise: str | None
) -> None:
    """A code in a receipt would be shown to everyone; words as a code would be sold to a customer."""
    said = meant(
        {"sn": sn}, expects=expects, rules=[rule("completed")], codes={"code": "sn", "otherwise": "receipt"}
    )
    assert said is not None
    assert [each.code for each in said.codes] == codes and said.parts.get("receipt") == otherwise


def test_the_orders_own_number_is_no_code() -> None:
    with masking.knowing(Known(own=("081234567890",))):
        said = meant(
            {"sn": "081234567890"}, rules=[rule("completed")], codes={"code": "sn", "otherwise": "receipt"}
        )
    assert said is not None and said.codes == () and said.parts["receipt"] == "081234567890"


def test_a_message_beside_a_code() -> None:
    """A message is masked where it is kept, so that it may say the code too."""
    said = meant({"sn": [CODE]}, rules=[rule("completed")], codes={"code": "sn", "otherwise": "message"})
    assert said is not None and [each.code for each in said.codes] == [CODE] and said.parts["message"] == CODE


LINES = {
    "lines": {
        "each": "data",
        "read": {"reference": "ref", "own": "id"},
        "rules": [rule("completed", where={"s": "ok"})],
    }
}
WHOLE = [
    rule("unknown", where={"length(data)": 0}),
    rule("ok", where={"type(data)": "array"}),
    rule("not_now", http=429),
]


@pytest.mark.parametrize(
    ("data", "means"),
    [
        ([{"ref": "r1", "s": "ok"}], Means.COMPLETED),
        ([{"ref": "r2", "s": "ok"}, {"ref": "r1", "s": "ok"}], Means.COMPLETED),
        ([{"ref": "r1", "s": "?"}], None),
        ([{"ref": "r2", "s": "ok"}], None),
        ([{"ref": "r1", "s": "ok"}, {"ref": "r1", "s": "failed"}], None),
        ([{"s": "ok"}], None),
        (["r1"], None),
        ([], Means.UNKNOWN),
        (None, None),
    ],
)
def test_the_line_of_the_order_counts(data: object, means: Means | None) -> None:
    found = meant({"data": data}, rules=WHOLE, **LINES)
    assert (found.means if found else None) is means


def test_a_line_that_stands_alone() -> None:
    alone = {"lines": {**LINES["lines"], "alone": True}}
    assert meant({"data": [{"id": 9, "s": "ok"}]}, rules=WHOLE, **alone) is not None
    assert meant({"data": [{"id": 9, "s": "ok"}, {"id": 8, "s": "ok"}]}, rules=WHOLE, **alone) is None
    assert meant({"data": [{"ref": "r1", "s": "ok"}]}, rules=WHOLE, **alone) is not None
    assert meant({"data": [{"ref": "r2", "s": "ok"}]}, rules=WHOLE, **alone) is None, "another order's"


def test_what_errors_say() -> None:
    answer = Answer(429, "x", True, {}, "17")
    [described, unknown] = operation(rules=[rule("not_now", retry_after="30s"), rule("unknown")]).rules
    said = protocol.not_sent(Meant(described, {}), answer)
    assert isinstance(said, NotNow) and said.retry_after_seconds == 17
    said = protocol.not_learned(Meant(described, {"retry_after": "soon"}), answer)
    assert isinstance(said, NotNow) and said.retry_after_seconds == 30
    assert isinstance(protocol.not_learned(Meant(unknown, {}), answer), UnknownReference)
    assert isinstance(protocol.not_sent(Meant(unknown, {}), answer), InDoubt)


@pytest.mark.parametrize("means", [each for each in Means if each not in protocol.STATUSES])
def test_a_meaning_that_is_no_outcome_is_an_error(means: Means) -> None:
    """Only REFUSED refuses a send, and only UNKNOWN makes an order unknown."""
    [described] = operation(rules=[rule(means.value)]).rules
    answer, found = Answer(200, "x", True, {}), Meant(described, {})
    sent: ProviderError = protocol.not_sent(found, answer)
    learned: ProviderError = protocol.not_learned(found, answer)
    assert isinstance(sent, Refused) is (means is Means.REFUSED)
    assert isinstance(learned, UnknownReference) is (means is Means.UNKNOWN)
    assert not isinstance(learned, Refused)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a | " * 125 + "a", "is longer than 500 characters"),
        ("to_array(" * 40 + "a" + ")" * 40, ""),
        ("[@,@]" + " | [@,@][]" * 4, "could repeat parts of the answer more than 16 times"),
        ("to_string([" * 5 + "a" + "])" * 5, "could repeat parts of the answer more than 16 times"),
        ("join(a, b)", "uses `join`"),
        ("[?contains(['A', 'B', 'C', 'D', 'E', 'F', 'G', 'H', 'I', 'J', 'K', 'L'], status)]", ""),
        ("{a: a, b: b, c: c} | [a, b, c]", ""),
    ],
)
def test_a_path_makes_no_small_answer_large(text: str, told: str) -> None:
    if not told:
        assert Path(text)
        return
    with pytest.raises(BadPath) as error:
        Path(text)
    assert str(error.value).startswith(told)


def test_a_path_meets_an_answer_that_is_nested_deeply() -> None:
    tree: object = 1
    for _ in range(100_000):
        tree = [tree]
    assert Path("a.to_string(@)").text_in({"a": tree}) == ""
    assert Path("length(a[?@ == `[[1]]`]) == `0`").find({"a": [tree]}) in (True, None)


TREES = st.recursive(
    st.none() | st.integers() | st.text(max_size=2),
    lambda each: st.lists(each, max_size=2) | st.dictionaries(st.sampled_from("abc"), each, max_size=3),
)


@given(TREES, st.lists(st.sampled_from("abc"), min_size=1, max_size=3).map(".".join))
def test_names_lead_where_jmespath_leads(tree: object, text: str) -> None:
    assert Path(text).find(tree) == jmespath.search(text, tree)
