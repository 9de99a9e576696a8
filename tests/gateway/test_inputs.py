"""What is an http URL, and which text a database stores."""

import pytest

from gateway import inputs


@pytest.mark.parametrize(
    "text",
    [
        "http://h",
        "https://shop.example:8443/a?b=c#d",
        "HTTPS://Shop.example",
        "http://[::1]:80/",
        "https://مثال.example",
    ],
)
def test_an_http_url_is_taken(text: str) -> None:
    assert inputs.http_url(text).hostname


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "shop.example",
            "//shop.example",
            "ftp://h",
            "javascript:alert(1)",
            "http:",
            "http://",
            "http:///a",
        ),
        *(
            "http://?x",
            "http://h:port",
            "http://h:0",
            "http://h:99999",
            "http://[",
            "http://[::1",
            "http://:80",
        ),
        *(
            "http://h h",
            "http://h/a b",
            " http://h",
            "http://h\n",
            "http://h\t/",
            "http://h/\x00",
            "http://h/\ud800",
        ),
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        inputs.http_url(text)


@pytest.mark.parametrize("text", ["\x00", "a\x00b", "\ud800", "x\udfff"])
def test_text_that_no_database_stores_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="invalid character"):
        inputs.storable(text)


def test_any_other_text_is_stored() -> None:
    assert inputs.storable("ş😀\u202e\n\x01") == "ş😀\u202e\n\x01"
