"""Queries and forms as PHP senders write them."""

from typing import Any
from urllib.parse import quote_from_bytes

import pytest

from gateway.callbacks import forms
from gateway.providers.base import UnreadableCallback
from models import codes

TURKISH = "Yükleme başarılı, İYİ GÜNLER ğüşıöç"


def read(text: bytes) -> dict[str, Any]:
    return forms.nested(forms.parse(text))


@pytest.mark.parametrize("encoding", ["utf-8", "windows-1254"])
@pytest.mark.parametrize("raw", [True, False], ids=["raw", "percent-encoded"])
def test_text_is_utf8_or_else_windows_1254(encoding: str, raw: bool) -> None:
    value = TURKISH.encode(encoding)
    written = value if raw else quote_from_bytes(value).encode()
    assert read(b"a=" + written + b"&b=1") == {"a": TURKISH, "b": "1"}


def test_bytes_that_are_no_text_are_no_code() -> None:
    found = codes.read(read(b"pin=AB\x9d\xfeCD")["pin"])
    assert found == codes.Codes(unreadable=True)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"", {}),
        (b"&&a=1&", {"a": "1"}),
        (b"a=1&amp;b=2&amp;amp=3", {"a": "1", "b": "2", "amp": "3"}),
        (b"a=1%26amp%3B2", {"a": "1&amp;2"}),
        (b"a=one two+three%20four%2B", {"a": "one two three four+"}),
        (b"\xef\xbb\xbfreferans=1\r\n", {"referans": "1"}),
        (b"%EF%BB%BFreferans=1", {"referans": "1"}),
        (b"a=b=c&d", {"a": "b=c", "d": ""}),
        (b"a=100%&b=%zz", {"a": "100%", "b": "%zz"}),
        (b"referans=1&referans=2", {"referans": "2"}),
    ],
)
def test_fields_are_found_however_they_are_joined(text: bytes, expected: dict[str, str]) -> None:
    assert read(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"pin[]=A&pin[]=B", ["A", "B"]),
        (b"pin%5B%5D=A&pin%5B%5D=B", ["A", "B"]),
        (b"pin[]=A", ["A"]),
        (b"pin=A&pin=B", ["A", "B"]),
        (b"pin=A&pin[]=B", ["A", "B"]),
        (b"pin[]=A&pin=B", ["A", "B"]),
        (b"pin[0]=A&pin[1]=B", ["A", "B"]),
        (b"pin[1]=A&pin[]=B&pin[]=C", ["A", "B", "C"]),
        (b"pin[code]=A&pin[serial]=S", {"code": "A", "serial": "S"}),
        (
            b"pin[0][code]=A&pin[0][serial]=S&pin[1][code]=B",
            [{"code": "A", "serial": "S"}, {"code": "B"}],
        ),
    ],
)
def test_no_code_of_several_is_lost(text: bytes, expected: Any) -> None:
    assert read(text)["pin"] == expected
    assert not codes.read(expected).unreadable


def test_a_serial_is_not_taken_for_a_code_where_it_is_not_said_whose_it_is() -> None:
    found = codes.read(read(b"pin[][code]=A&pin[][serial]=S&pin[][code]=B")["pin"])
    assert found == codes.Codes(unreadable=True)


@pytest.mark.parametrize("text", [b"[]=1", b"pin[=1", b"pin]=1", b"a[b]c=1", b"a[b][c][d][e][f]=1"])
def test_names_that_are_not_nested_stay_as_they_are(text: bytes) -> None:
    assert read(text) == {text.removesuffix(b"=1").decode(): "1"}


def test_the_number_of_fields_is_bounded() -> None:
    assert len(read(b"&".join(b"a%d=1" % number for number in range(forms.MAX_FIELDS)))) == forms.MAX_FIELDS
    with pytest.raises(UnreadableCallback, match="more than 1000 fields"):
        forms.parse(b"&" * forms.MAX_FIELDS)


def part(name: bytes, value: bytes) -> bytes:
    return b'--x\r\nContent-Disposition: form-data; name="' + name + b'"\r\n\r\n' + value + b"\r\n"


def test_a_multipart_form_is_read() -> None:
    body = part(b"pin[]", b"A") + part(b"pin[]", b"B") + part(b"aciklama", TURKISH.encode("windows-1254"))
    for boundary in ("x", '"x"'):
        found = forms.parse_multipart(body + b"--x--\r\n", f"Multipart/Form-Data; boundary={boundary}")
        assert forms.nested(found) == {"pin": ["A", "B"], "aciklama": TURKISH}


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"", "multipart/form-data; boundary=x"),
        (part(b"pin", b"1"), "multipart/form-data; boundary=x"),
        (part(b"pin", b"1") + b"--x--", "multipart/form-data"),
        (part(b"pin", b"1") + b"--x--", f"multipart/form-data; boundary={'x' * 71}"),
        (part(b"\xff", b"1") + b"--x--", "multipart/form-data; boundary=x"),
        (part(b"a", b"") * (forms.MAX_FIELDS + 1) + b"--x--", "multipart/form-data; boundary=x"),
        (b"--x\r\n" + b"a: b\r\n" * 1000 + b"\r\n1\r\n--x--", "multipart/form-data; boundary=x"),
    ],
)
def test_a_multipart_form_that_is_torn_or_too_large_is_unreadable(body: bytes, content_type: str) -> None:
    with pytest.raises(UnreadableCallback):
        forms.parse_multipart(body, content_type)
