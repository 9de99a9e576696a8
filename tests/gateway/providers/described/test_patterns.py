"""Regular expressions of protocol files."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.providers.described import patterns
from gateway.providers.described.patterns import MAX_TEXT, BadPattern, Pattern
from tests.gateway.providers.parties import FILES

PATHOLOGICAL = [
    "(a+)+$",
    "(a*)*b",
    "(a|a)*b",
    "(a|aa){1,50}b",
    "(a?){1,50}b",
    "(a{0,50}){0,50}b",
    "(?:(?:ab)+c)+d",
    ".*.*.*x",
]


@pytest.fixture
def engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param != "google-re2":
        monkeypatch.setattr(patterns, "re2", None)
    elif patterns.re2 is None:
        pytest.skip("google-re2 has no wheel for this Python")
    return str(request.param)


BOTH = pytest.mark.parametrize("engine", ["google-re2", "Python's own"], indirect=True)


@BOTH
@pytest.mark.parametrize("text", PATHOLOGICAL)
def test_a_pattern_that_can_take_for_ever_is_refused(engine: str, text: str) -> None:
    with pytest.raises(BadPattern, match=r"for ever|too many repetitions"):
        Pattern(text)


@BOTH
@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("(?=a)b", "looks around"),
        ("(?<!a)b", "looks around"),
        (r"(a)\1", "refers back"),
        ("(a", "is not a valid regular expression"),
        ("(?i)a", "sets flags"),
        ("(?i:a)", "sets flags"),
        (r"a\Z", "uses a part"),
        (r"\Aa", "uses a part"),
        ("a++", "uses a part"),
        ("(?>a)", "uses a part"),
        ("a{1001}", "more than 1000 times"),
        ("OK", "has a capital letter"),
        ("[A-Z]", "has a capital letter"),
        ("a" * 1001, "of at most 1000 characters"),
    ],
)
def test_a_pattern_that_is_not_taken(engine: str, text: str, told: str) -> None:
    with pytest.raises(BadPattern, match=told):
        Pattern(text)


@BOTH
@pytest.mark.parametrize(
    ("text", "searched", "found"),
    [
        ("^ok$", "OK", {}),
        ("^ok$", " OK\n", {}),
        ("^ok$", "OK!", None),
        ("yetersiz bakiye", "YETERSİZ BAKİYE", {}),
        ("kayit", "Kayıt", {}),
        ("şifre", "ŞİFRE", {}),
        (
            r"^ok\|(?P<amount>[^|]*)\|(?P<message>.*)$",
            "OK| 12,50 |Güle güle",
            {"amount": "12,50", "message": "Güle güle"},
        ),
        (r"(?P<message>x)?y", "y", {}),
        (r"sn: (?P<code>.{1,20}?)\. ", "SN: İbo/RF-1. X", {"code": "İbo/RF-1"}),
        (r"^\d+$", "١٢٣", None),
    ],
)
def test_a_text_is_searched_without_regard_to_case(
    engine: str, text: str, searched: str, found: object
) -> None:
    assert Pattern(text).search(searched) == found


@BOTH
def test_a_text_that_is_too_long_does_not_match(engine: str) -> None:
    assert Pattern("a").search("a" * MAX_TEXT) == {} and Pattern("a").search("a" * (MAX_TEXT + 1)) is None


@given(st.text())
def test_small_letters_take_as_much_room(text: str) -> None:
    assert len(patterns.fold(text)) == len(text)


SHIPPED = [
    re.sub("''", "'", found)
    for each in FILES.iterdir()
    if each.name.endswith(".toml")
    for found in re.findall(r"^text = '(.*)'$", each.read_text(), re.MULTILINE)
]


PIECES = [
    "ok",
    "|",
    "3",
    ":",
    ".",
    " ",
    "sn",
    "=",
    "GAGAL",
    "sukses",
    "bakiye",
    "ip",
    "\u0130",
    "\u0131",
    "\n",
]


@pytest.mark.skipif(patterns.re2 is None, reason="google-re2 has no wheel for this Python")
@given(
    st.sampled_from(SHIPPED),
    st.lists(
        st.sampled_from(PIECES),
        max_size=60,
    ),
)
def test_both_engines_read_a_text_alike(text: str, pieces: list[str]) -> None:
    linear = Pattern(text)
    own = re.compile(text, re.ASCII)
    said = "".join(pieces).strip()
    found = own.search(patterns.fold(said))
    assert (linear.search(said) is None) == (found is None)


@pytest.mark.parametrize("text", SHIPPED)
def test_a_shipped_pattern_ends_soon_in_the_slower_engine(text: str) -> None:
    """With texts of its own words, over and over."""
    own = re.compile(text, re.ASCII)
    words = re.findall(r"[a-z]{2,}", text) or ["a"]
    for unit in (*words, " ".join(words), "sukses sn: ", "1:1:", "|"):
        begun = time.process_time()
        own.search((unit * MAX_TEXT)[:MAX_TEXT])
        assert time.process_time() - begun < 1
