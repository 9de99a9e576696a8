"""Codes of every shape that providers send, and the words that they write instead of one."""

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from models import codes
from models.codes import Code, Codes
from tests.growth import is_linear

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(st.sampled_from(["code", "pin", "serial", "expires_at", "x"]), inner, max_size=5)
    ),
    max_leaves=12,
)
CODE = st.text(st.characters(exclude_categories=("C", "Z")), min_size=3, max_size=12).filter(codes.clean)


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "\t\n", "\u00a0", "\u3000", "\u2800", "\u200b", "\u200b \u200b", "\ufeff", "\u202a\u202c", "\u00ad",
        "null", "NULL", "Null", " null ", "n\u200bull", "none", "None", "nil", "NIL", "NİL", "NI\u0307L", "nıl",
        "undefined",
        "UNDEFİNED", "undefıned", "nan", "NaN", "N/A", "n/a", "n / a", "#N/A", "false", "False", "FALSE", "true", "0",
        " 0 ", "٠", "０", "yok", "Yok", "YOK", "yok.", "- yok -", "boş", "BOŞ", "bos\u0327", "لا يوجد", "لايوجد",
        " لا  يوجد ", "\u202bلا يوجد\u202c",
        "-", " - ", "--", "- - -", "—", "–", "\u2011", "−", "*", "*****", "* * *", "＊＊", "-*-", "****-****",
        "[]", "{}", "()", "<>", "[ ]", "[[]]", '""', "''", '" "', "“”", "«»", "``",
        '"null"', "(null)", "[null]", "<none>",
        "\x1b[31mnull\x1b[0m", "...", "?",
    ],
)  # fmt: skip
def test_not_a_code(text: str) -> None:
    assert codes.clean(text) is None
    assert codes.read(text) == Codes()


@pytest.mark.parametrize(
    "text",
    [
        "ABCD-1234", "1234567890123456", "0000", "00", "nullable", "NULL-1234-XYZ", "yok1", "NA", "no", "x", "-AB-",
        "*AB*", "[AB]", "aBc dEf", "AB  CD", "line 1\nPIN: 2", "tab\there", "https://example.com/g?c=1&d=2", "şifre-ğ",
        "é", "رمز-٣", "1.0", "-1",
    ],
)  # fmt: skip
def test_a_code_stays_as_it_is(text: str) -> None:
    assert codes.clean(text) == text
    assert codes.read(text) == Codes((Code(text),))


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("  ABCD \r\n", "ABCD"),
        ("\ufeffABCD\u200b", "ABCD"),
        ("AB\u200bCD", "ABCD"),
        ("\u202a1234\u202c", "1234"),
        ("\u00a0AB\u00a0CD\u00a0", "AB CD"),
        ("AB\u202fCD", "AB CD"),
        ("AB\u2060-\u200d12", "AB-12"),
        ("\x1b[1mABCD\x1b[0m\x07", "ABCD"),
    ],
)
def test_invisible_characters_are_not_part_of_a_code(text: str, code: str) -> None:
    assert codes.clean(text) == code


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1234567890123456, [Code("1234567890123456")]),
        (10**19, [Code("10000000000000000000")]),
        (0, []),
        (None, []),
        (True, []),
        (False, []),
        ([], []),
        ({}, []),
        (["A1", "B2"], [Code("A1"), Code("B2")]),
        (["A1", None, "", "null", False, 0, {}, "B2"], [Code("A1"), Code("B2")]),
        (["B2", "A1", "B2", " B2 "], [Code("B2"), Code("A1")]),
        ({"code": "A1", "serial": "S1"}, [Code("A1", None, "S1")]),
        (
            {"code": "A1", "pin": 42, "serial": "S1", "expires_at": "2027-01-31"},
            [Code("A1", "42", "S1", "2027-01-31")],
        ),
        ({"code": "A1", "expiresAt": 1_800_000_000}, [Code("A1", expires_at="1800000000")]),
        ({"code": "A1", "expires_at": None, "expiresAt": "2027"}, [Code("A1", expires_at="2027")]),
        ({"code": "A1", "expires_at": {"date": "2027-01-31"}}, [Code("A1")]),
        ({"code": "A1", "expires_at": 1_800_000_000.5}, [Code("A1", expires_at="1800000000.5")]),
        ({"code": "A1", "price": 1.5, "pin": "-"}, [Code("A1")]),
        ({"pin": "P1"}, [Code("P1")]),
        ({"code": "N/A", "pin": "P1", "serial": "S1"}, [Code("P1", None, "S1")]),
        ({"serial": "S1"}, [Code("S1")]),
        ({"code": None, "pin": "", "serial": "null"}, []),
        ([{"pin": "P1"}, "A1", 77], [Code("P1"), Code("A1"), Code("77")]),
        (["A1", {"code": "A1", "serial": "S1"}], [Code("A1", None, "S1")]),
        (
            [{"code": "A1", "pin": "P1"}, {"code": "A1", "serial": "S1", "expires_at": "2027"}],
            [Code("A1", "P1", "S1", "2027")],
        ),
        (tuple("AB"), [Code("A"), Code("B")]),
    ],
)
def test_the_shapes_of_codes(value: Any, expected: list[Code]) -> None:
    assert codes.read(value) == Codes(tuple(expected))


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (1234567890123456.0, []),
        (0.0, []),
        (float("nan"), []),
        (["A1", 1.0], ["A1"]),
        ({"code": 1234567890123456.0}, []),
        ({"code": 1.5, "pin": "P1", "serial": "S1"}, []),
        ({"pin": 1.5, "serial": "S1"}, []),
        ({"code": "A1", "pin": 1.5}, ["A1"]),
        ({"code": ["A1"]}, []),
        ({"code": {"code": "A1"}}, []),
        ({"value": "A1"}, []),
        ({"expires_at": "2027"}, []),
        ([["A1"]], []),
        (["A1", ["B2"], "C3"], ["A1", "C3"]),
        (b"A1", []),
        (object(), []),
        ("AB\x00CD", []),
        ("AB\ud800", []),
        ({"code": "A1", "serial": "\udfff"}, ["A1"]),
        ([{"code": "A1", "pin": "P1"}, {"code": "A1", "pin": "P2"}], ["A1"]),
        ([{"code": "A1", "serial": "S1"}, {"code": "A1", "serial": "S2"}], ["A1"]),
    ],
)
def test_what_cannot_be_read_is_said(value: Any, kept: list[str]) -> None:
    found = codes.read(value)
    assert found.unreadable
    assert [code.code for code in found.codes] == kept


def test_a_code_has_at_most_4000_characters() -> None:
    assert codes.read("a" * 4_000) == codes.read("\u200b" + "a" * 4_000) == Codes((Code("a" * 4_000),))
    assert codes.read("a" * 4_001) == codes.read(10**4_100) == codes.read(-(10**5_000)) == Codes((), True)
    assert codes.read("*" * 4_000) == codes.read("\u200b" * 100_000 + "null") == Codes()


def test_a_thousand_codes_are_kept_and_one_more_is_said() -> None:
    many = [f"A{number}" for number in range(codes.MAX_CODES)]
    assert codes.read(many * 2) == Codes(tuple(map(Code, many)))
    assert codes.read([*many, "B"]) == Codes(tuple(map(Code, many)), unreadable=True)


@given(JSON)
@example(["0", 0.0, {"code": {}}])
def test_any_json_is_read(value: Any) -> None:
    found = codes.read(value)
    names = [code.code for code in found.codes]
    assert len(set(names)) == len(names)
    assert all(codes.clean(name) == name for name in names)


@given(st.text(st.characters() | st.sampled_from("\x00\ud800\u200b\u202e\u00a0\x1b[ nul/a-*")))
def test_a_clean_code_is_clean(text: str) -> None:
    code = codes.clean(text)
    assert code is None or (codes.clean(code) == code and code == code.strip() and "\u200b" not in code)


@given(CODE, CODE | st.none(), CODE | st.none(), CODE | st.none())
def test_a_code_is_the_same_after_sealing(
    code: str, pin: str | None, serial: str | None, at: str | None
) -> None:
    whole = Code(code, pin, serial, at)
    assert codes.from_json(codes.as_json(whole)) == whole


def test_what_is_sealed_stays_short() -> None:
    assert codes.as_json(Code("ş1", serial="S")) == '{"code": "ş1", "serial": "S"}'


def test_a_log_never_shows_a_code() -> None:
    assert repr(codes.read({"code": "A1", "pin": "P1", "serial": "S1", "expires_at": "2027"})) == (
        "Codes(codes=(Code(expires_at='2027'),), unreadable=False)"
    )


@pytest.mark.parametrize("piece", ["*", "\u200b", " ", "-a", "\x1b]", "[", "İ", "\ufdfa", "0"])
def test_reading_takes_linear_time(piece: str) -> None:
    assert is_linear(codes.clean, piece)
