"""Which addresses may be called that others choose."""

import socket
from ipaddress import ip_address

import pytest

from gateway.public_addresses import NotPublic, check_url, is_public, resolve

PUBLIC = ["8.8.8.8", "172.15.0.1", "172.32.0.1", "100.63.0.1", "100.128.0.1", "192.169.0.1", "2a00:1450::1"]
PUBLIC += ["::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1"]
PRIVATE = [
    "0.0.0.0",  # noqa: S104  (it is refused)
    "10.1.2.3",
    "100.64.0.1",
    "100.127.255.255",
    "127.0.0.1",
    "127.255.0.1",
    "169.254.169.254",
]
PRIVATE += ["172.16.0.1", "172.31.255.255", "192.168.1.1", "198.18.0.1", "224.0.0.1", "255.255.255.255"]
PRIVATE += ["::", "::1", "fe80::1", "fec0::1", "fc00::1", "fdff::1", "ff02::1", "::ffff:10.0.0.1", "::7f00:1"]
PRIVATE += [
    "::ffff:0:a00:1",
    "64:ff9b::7f00:1",
    "64:ff9b:1::1",
    "2002:7f00:1::1",
    "2001:0:808:808::80ff:fffe",
]


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_may_be_called(address: str) -> None:
    assert is_public(ip_address(address))


@pytest.mark.parametrize("address", PRIVATE)
def test_others_may_not_whatever_contains_them(address: str) -> None:
    assert not is_public(ip_address(address))


@pytest.mark.parametrize(
    "host",
    [
        *(
            "127.0.0.1",
            "127.0.0.1.",
            "127.1",
            "2130706433",
            "0x7f000001",
            "0x7f.0.0.1",
            "0177.0.0.1",
            "017700000001",
        ),
        *(
            "0",
            "０x7f000001",
            "１２７.0.0.1",
            "127。0。0。1",
            "①②⑦.0.0.1",
            "10.0.0.1",
            "192.168.0.1",
            "100.64.0.1",
        ),
        *(
            "[::1]",
            "[::]",
            "[::ffff:127.0.0.1]",
            "[::ffff:7f00:1]",
            "[fe80::1]",
            "[64:ff9b::a00:1]",
            "[::127.0.0.1]",
        ),
    ],
)
def test_a_literal_that_is_not_public_is_refused_in_any_notation(host: str) -> None:
    url = f"https://{host}/hook"
    with pytest.raises(NotPublic):
        check_url(url)
    assert check_url(url, allow_private=True) == url


@pytest.mark.parametrize(
    "url",
    [
        *(
            "ftp://shop.example/",
            "shop.example/hook",
            "//shop.example/hook",
            "https:///hook",
            "file:///etc/passwd",
        ),
        *(
            "https://user@shop.example/",
            "https://user:word@shop.example/",
            "https://@shop.example/",
            "https://8.8.8.8@10.0.0.1/",
        ),
        *("https://shop.example\\@10.0.0.1/", "https://shop.example\\.other/", "https://[fe80::1%25eth0]/"),
        *("https://shop%2eexample/", "https://%31%32%37.0.0.1/", "https://" + "a" * 64 + ".example/"),
        *(
            "https://shop.example/a b",
            "https://shop.example/\n",
            "https://shop.example:0/",
            "https://shop.example:99999/",
        ),
        f"https://shop.example/{'a' * 2048}",
    ],
)
def test_what_is_no_url_that_can_be_called_is_refused(url: str) -> None:
    for allow_private in (False, True):
        with pytest.raises(ValueError, match=r".+"):
            check_url(url, allow_private=allow_private)


@pytest.mark.parametrize(
    "url",
    [
        *(
            "https://shop.example/hook?from=referans&x=1",
            "http://shop.example:8080",
            "https://8.8.8.8/",
            "https://متجر.example/",
        ),
        *(
            "https://[2a00:1450::1]:8443/",
            "https://xn--mgbaaa.example/",
            "https://shop_1.example/",
            "https://localhost/",
            "http://LOCALHOST.:3000/",
        ),
    ],
)
def test_names_and_public_literals_are_taken(url: str) -> None:
    """Names are resolved at every call."""
    assert check_url(url) == url


def test_a_name_is_refused_if_any_of_its_addresses_is_not_public(monkeypatch: pytest.MonkeyPatch) -> None:
    def addresses(*found: str) -> None:
        answer = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, 443)) for each in found]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: answer)

    addresses("8.8.8.8", "8.8.8.8", "9.9.9.9")
    assert resolve("shop.example", 5) == ["8.8.8.8", "9.9.9.9"]
    addresses("8.8.8.8", "10.0.0.1")
    with pytest.raises(NotPublic):
        resolve("shop.example", 5)


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "127.1", "::1", "2130706433"])
def test_what_the_system_resolves_to_this_machine_is_refused(host: str) -> None:
    with pytest.raises(NotPublic):
        resolve(host, 5)
