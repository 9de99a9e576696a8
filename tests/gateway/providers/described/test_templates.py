"""Texts with places, and their filters."""

from collections import defaultdict
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.providers.described import templates
from gateway.providers.described.templates import BadTemplate, BadValue, Template

VALUES = defaultdict(
    str,
    {
        "referans": "482915736401852",
        "created_at": datetime(2026, 3, 14, 23, 30, tzinfo=UTC).isoformat(),
        "user": "Ali {extra}|x",
        "credentials.secret": "s3cr3t",
        "credentials.pass": "p",
        "price": "105.5",
    },
)


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("", ""),
        ("plain", "plain"),
        ("{credentials.pass}/{referans}", "p/482915736401852"),
        ("{missing}{credentials.missing}{referans.deeper}", ""),
        ("{user}", "Ali {extra}|x"),
        ("{created_at|date:%Y%m%d%H%M:Africa/Lagos}", "202603150030"),
        ("{created_at|unix}", "1773531000"),
        ("{credentials.pass|md5|hex}", "83878c91171338902e0fe0fb97a8c47a"),
        ("{credentials.pass|sha1|base64}", "UWuXg/ylF+7L0dBk2i0WUxCxl1k="),
        ("{credentials.pass|hmac_sha256:credentials.secret|hex|first:8}", "e7016637"),
        ("{user|lower|first:3}", "ali"),
        ("{user|upper|first:3}", "ALI"),
        ("{user|digits}", ""),
        ("{credentials.pass|after:Basic }", "Basic p"),
        ("a=1{extra|after:&zone=}", "a=1"),
        ("{credentials.pass|without:p}", ""),
        ("{price|comma}", "105,5"),
        ("{credentials.secret|ending:/oauth/token}", "s3cr3t/oauth/token"),
    ],
)
def test_a_template_is_filled(text: str, filled: str) -> None:
    assert Template(text).fill(VALUES) == filled


@pytest.mark.parametrize(
    ("value", "filled"),
    [
        ("https://auth.example", "https://auth.example/oauth/token"),
        ("https://auth.example/", "https://auth.example/oauth/token"),
        ("https://auth.example/oauth/token", "https://auth.example/oauth/token"),
    ],
)
def test_an_ending_is_there_once(value: str, filled: str) -> None:
    assert Template("{url|ending:/oauth/token}").fill({"url": value}) == filled


@pytest.mark.parametrize(
    ("value", "filled"), [("+90 532 123 45 67", "905321234567"), ("", ""), ("00905321234567", "905321234567")]
)
def test_a_phone(value: str, filled: str) -> None:
    assert Template("{user|phone}").fill({"user": value}) == filled


@pytest.mark.parametrize(
    ("text", "value", "told"),
    [
        ("{user|phone}", "Ali", "phone: the value is not a phone number"),
        ("{user|date:%Y:UTC}", "", "date: the value does not have the form that it takes"),
        ("{user|date:%Y:UTC}", "yesterday", "date: the value does not have the form that it takes"),
        ("{user|unix}", "soon", "unix: the value does not have the form that it takes"),
        ("{user|uuid}", "x", "uuid: only a reference of ours fits into one"),
        ("{user|uuid}", str(1 << 62), "uuid: only a reference of ours fits into one"),
    ],
)
def test_a_value_that_does_not_fit_is_not_repeated(text: str, value: str, told: str) -> None:
    with pytest.raises(BadValue) as error:
        Template(text).fill({"user": value})
    assert str(error.value).startswith(told)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "has a `{` outside of a place"),
        ("a}", "has a `}` outside of a place"),
        ("{a b}", "has a `{`"),
        ("{a|b c}", "has a `{`"),
        ("{a|nofilter}", "has the unknown filter `nofilter`"),
        ("{a|md5:x}", "has the filter `md5` with a wrong argument; it takes none"),
        ("{a|date:%Y}", "has the filter `date` with a wrong argument; it takes such as `date:%Y%m%d:UTC`"),
        ("{a|date:%Y:Nowhere/Town}", "has the filter `date` with"),
        ("{a|first:x}", "has the filter `first`"),
        ("{a|md5}", "has the filter `md5` without `hex`, `base64` or `base64url` behind it"),
        ("{a|sha1|upper|hex}", "has the filter `sha1` without `hex`"),
        ("{a|hmac_sha1}", "has the filter `hmac_sha1`"),
        ("x" * 2001, "is longer than 2000 characters"),
        (f"{{a{'|hex' * 13}}}", "has more than 12 filters"),
    ],
)
def test_a_template_that_cannot_work(text: str, told: str) -> None:
    with pytest.raises(BadTemplate) as error:
        Template(text)
    assert str(error.value).startswith(told)


def test_a_value_has_a_bound_however_it_grows() -> None:
    template = Template(f"{{body{'|hex' * 12}}}")
    assert len(template.fill({"body": "x"})) == 2**12
    with pytest.raises(BadValue, match="hex: the value becomes too long"):
        template.fill({"body": "x" * 64 * 1024})


def test_a_template_tells_what_it_names() -> None:
    named = Template("{a.b|hmac_sha1:credentials.secret|hex}{c}").names
    assert named == {"a.b", "credentials.secret", "c"}


@given(st.text())
def test_a_value_is_put_in_as_it_is(value: str) -> None:
    assert Template("<{a}>").fill({"a": value}) == f"<{value}>"


@given(st.integers(0, (1 << 62) - 1))
def test_a_uuid_brings_our_reference_back(number: int) -> None:
    made = templates.to_uuid(str(number))
    assert templates.from_uuid(made) == str(number) and templates.from_uuid(made.upper()) == str(number)


@given(st.uuids())
def test_a_uuid_of_somebody_else_is_not_ours(value: object) -> None:
    assert templates.from_uuid(str(value)) is None


def test_what_is_not_a_uuid() -> None:
    assert templates.from_uuid("482915736401852") is None
