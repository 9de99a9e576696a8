"""Texts and numbers of providers and players: cleaned, bounded, and kept."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models import texts
from tests.growth import is_linear

#: Every character, lone surrogates too; those that matter here come often.
SPECIAL = "\x00\t\n\r\x07\x1b[]P\\;m0\x7f\x85\x90\x9b\x9c\x9d\u200b\u200c\u200d\u202e\u2028\ufeff\ud800 aس❤٣"
ANY = st.text(st.characters() | st.sampled_from(SPECIAL), max_size=80)


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("Oyuncu bulunamadı", "Oyuncu bulunamadı"),
        ("  one\r\ntwo\tthree\u2028four  ", "one two three four"),
        ("\x1b[31mred\x1b[0m and \x1b[1;4mbold\x1b[m", "red and bold"),
        ("\x1b]0;a title\x07text", "text"),
        ("\x1b]8;;https://evil.example\x1b\\click\x1b]8;;\x1b\\ here", "click here"),
        ("\x9b2Jcleared", "cleared"),
        ("\x9d52;c;cm0gLXJm\x9ctext", "text"),
        ("\x1bP1$r0m\x1b\\text", "text"),
        ("\x1bcreset", "reset"),
        ("\x1b(Btext", "text"),
        ("\x1b]0;a title without an end", "0;a title without an end"),
        ("ends in an escape \x1b[31", "ends in an escape"),
        ("\x1b\x1b\x1b[31mtext", "text"),
        ("a\x00b\x08c\x7fd\x81e", "abcde"),
        ("\ud800half\udfff", "half"),
        ("gnp\u202e.exe\u2066!", "gnp.exe!"),
        ("a\u200bb\ufeffc\u00add\u2060e\u3164f\U000e0041g", "abcdefg"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("क्\u200dष", "क्\u200dष"),
        ("👨\u200d👩\u200d👧", "👨\u200d👩\u200d👧"),
        ("a\u200db \u200cس\u200d س\u200d\u200dس", "ab س سس"),
        ("\u0601٣ U+0601 is a visible sign", "\u0601٣ U+0601 is a visible sign"),
        ("", ""),
        ("\u200b \x1b[m", ""),
    ],
)
def test_what_a_text_is_for_people(text: str, cleaned: str) -> None:
    assert texts.clean(text, texts.LAST_MESSAGE) == cleaned


@pytest.mark.parametrize(
    ("text", "limit", "cleaned"),
    [
        ("12345", 5, "12345"),
        ("123456", 5, "1234…"),
        ("123 56", 5, "123…"),
        ("سس\u200cسس", 4, "سس…"),
        ("12345", 1, "…"),
        ("\x1b[31m12345", 5, "12345"),
    ],
)
def test_a_long_text_ends_in_an_ellipsis(text: str, limit: int, cleaned: str) -> None:
    assert texts.clean(text, limit) == cleaned


def test_a_description_of_megabytes_is_cut() -> None:
    assert texts.clean("x" * 3_900_000, texts.WHOLE) == "x" * 19_999 + "…"


def test_megabytes_of_anything_are_read() -> None:
    assert texts.clean("\x1b]\x9d\u200d٣\n" * 200_000, texts.TIMELINE).endswith("…")
    assert texts.visible("\x1b]\x9d\u200d٣\n" * 200_000) == "٣\n" * 200_000
    assert texts.clean_money("1" + "\u200b" * texts.MAX_READ + "000") is None
    assert texts.clean_money("1," * 500_000) is texts.clean_money("1" * 1_000_000) is None


def test_a_text_that_hides_behind_what_is_not_read_is_marked_as_cut() -> None:
    assert texts.clean("shown" + "\u200b" * texts.MAX_READ + "hidden", texts.TIMELINE) == "shown…"


@given(ANY, st.integers(1, 60))
def test_a_clean_text_is_one_safe_line_within_its_limit(text: str, limit: int) -> None:
    cleaned = texts.clean(text, limit)
    assert len(cleaned) <= limit
    assert cleaned == cleaned.strip() and len(cleaned.splitlines()) <= 1
    assert not set(cleaned) & set("\x00\t\x07\x1b\x7f\x85\x90\x9b\x9d\u200b\u202e\u2028\ufeff\ud800")
    assert texts.clean(cleaned, limit) == cleaned


@given(ANY)
def test_a_visible_text_has_no_hidden_character(text: str) -> None:
    shown = texts.visible(text)
    assert not texts.HIDDEN.search(shown) and not set(shown) & set(texts.JOINERS)
    assert texts.visible(shown) == shown


@given(st.text(st.characters(categories=("L", "Nd", "Zs")), max_size=40))
def test_words_and_digits_stay(text: str) -> None:
    plain = texts.HIDDEN.sub("", text)  # a few letters (Hangul fillers) show nothing
    assert texts.clean(text, 40) == plain.strip()


@pytest.mark.parametrize(("text", "folded"), [("٠١٢ ۳۴ ０９ १ 5 ² ⑤", "012 34 09 1 5 ² ⑤"), ("𝟘", "0")])
def test_digits_of_other_scripts(text: str, folded: str) -> None:
    assert texts.fold_digits(text) == folded


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("10.12", "10.12"),
        ("12,50", "12.50"),
        ("1.234,56", "1234.56"),
        ("1,234.56", "1234.56"),
        ("12.345.678,9", "12345678.9"),
        ("1.234.567", "1234567"),
        ("1,234,567", "1234567"),
        ("1.234", "1.234"),
        ("1,234", "1.234"),
        ("-5,00", "-5.00"),
        ("+7", "7"),
        (".5", "0.5"),
        ("5.", "5"),
        ("0", "0"),
        ("-0.00", "0.00"),
        (" \u200b12755.23\u00a0", "12755.23"),
        ("١٢,٥", "12.5"),
        ("1e2", "100"),
        ("1.5E-3", "0.0015"),
        ("1E-999", "0.000000"),
        ("0.1234565", "0.123456"),
        ("0.1234575", "0.123458"),
        ("99999999.99", "99999999.99"),
        ("100000000", "100000000"),
        ("150.000.000", "150000000"),
        ("41.950.000.000,50", "41950000000.50"),
        ("999999999999.99", "999999999999.99"),
    ],
)
def test_amounts_as_providers_write_them(text: str, amount: str) -> None:
    cleaned = texts.clean_money(text)
    assert str(cleaned) == amount


@pytest.mark.parametrize(
    "text",
    [
        "1E-200000", "1e999999", "1E+999", "NaN", "sNaN", "Infinity", "-inf", "1000000000000", "999999999999.9999999",
        "-1000000000000", "9" * 15, "", " ", "-", ".", ",", "1,2,3", "1.23.4", "1.234,56,7",
        "1,234.567.8", ",123,456", "12,34.5", "1.234,567,890.1", "1 2", "10.12 TL", "0x10", "1_000", "½",
        "9" * 41, "0." + "1" * 39,
        "e5", "1e", "null",
    ],
)  # fmt: skip
def test_not_an_amount(text: str) -> None:
    assert texts.clean_money(text) is None


@given(st.text("0123456789.,eE+-٣ NaInf\u200b", max_size=45) | ANY)
def test_an_amount_fits_its_column(text: str) -> None:
    amount = texts.clean_money(text)
    if amount is not None:
        assert amount.is_finite() and abs(amount) < texts.MAX_MONEY
        assert -texts.DECIMALS <= int(amount.as_tuple().exponent) <= 0
        assert len(str(amount)) <= 20


@given(st.decimals(-999_999_999_999, 999_999_999_999, places=2))
def test_an_amount_is_the_same_with_a_comma_and_in_groups(amount: Decimal) -> None:
    english = f"{amount:,}"
    turkish = english.translate(str.maketrans(",.", ".,"))
    written = (str(amount), str(amount).replace(".", ","), english, turkish)
    assert {texts.clean_money(text) for text in written} == {amount}


@pytest.mark.parametrize(
    "piece",
    ["\x1b", "\x1b[", "\x1b[1;", "\x1b]", "\x1b]0;x", "\x9d", "\x9dx", "\x1b (", "\x90\x98", "\x07", "\x1b\\", "\u200d",
     "س\u200d", "\r\n", " ", "٣", "1,", "\ud800"],
)  # fmt: skip
def test_patterns_take_linear_time(piece: str) -> None:
    def every_pattern(text: str) -> None:
        texts.visible(text)
        for pattern in (texts.LOOSE_JOINER, texts.BREAKS):
            pattern.sub("", text)

    assert is_linear(every_pattern, piece)
