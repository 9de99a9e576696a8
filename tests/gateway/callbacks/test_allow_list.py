"""Addresses that may call back, in every notation that a proxy or a person writes."""

import pytest

from gateway.callbacks import allow_list


@pytest.mark.parametrize(
    ("networks", "address"),
    [
        (["203.0.113.7"], "203.0.113.7"),
        (["203.0.113.0/24"], "203.0.113.255"),
        (["10.0.0.0/8", "203.0.113.0/24"], "203.0.113.1"),
        (["0.0.0.0/0"], "192.0.2.1"),
        (["203.0.113.0/24"], "203.0.113.7:4711"),
        (["203.0.113.0/24"], "::ffff:203.0.113.7"),
        (["203.0.113.0/24"], "::FFFF:cb00:7107"),
        (["203.0.113.0/24"], "[::ffff:203.0.113.7]:4711"),
        (["::ffff:203.0.113.0/120"], "203.0.113.7"),
        (["::ffff:203.0.113.7"], "203.0.113.7"),
        (["2001:db8::/32"], "2001:DB8:0:0::1"),
        (["2001:db8::1"], "[2001:db8::1]:4711"),
        (["2001:db8::1"], "[2001:db8::1]"),
        (["fe80::/10"], "fe80::1%eth0"),
    ],
)
def test_an_address_on_the_list_is_allowed(networks: list[str], address: str) -> None:
    assert allow_list.allows(tuple(map(allow_list.read, networks)), address)


@pytest.mark.parametrize(
    ("networks", "address"),
    [
        (["203.0.113.7"], "203.0.113.8"),
        (["203.0.113.0/24"], "203.0.114.0"),
        (["0.0.0.0/0"], "2001:db8::1"),
        (["::/0"], "203.0.113.7"),
        (["::/0"], "::ffff:203.0.113.7"),
        (["203.0.113.0/24"], "::203.0.113.7"),
        (["2001:db8::/32"], "2001:db9::1"),
        *[
            (["0.0.0.0/0", "::/0"], odd)
            for odd in (
                "",
                "unknown",
                "_hidden",
                "203.0.113",
                "203.0.113.07",
                "203.0.113.7, 203.0.113.8",
                "[",
                "[]",
                "::1::",
                "gateway.example",
                "\x00",
                "٢٠٣.0.113.7",
            )
        ],
    ],
)
def test_any_other_address_is_not(networks: list[str], address: str) -> None:
    assert not allow_list.allows(tuple(map(allow_list.read, networks)), address)


@pytest.mark.parametrize(
    "text", ["", "203.0.113.7/24", "203.0.113.0/33", "203.0.113", "bayi.example", "2001:db8::1/32", "*"]
)
def test_an_entry_that_is_not_a_network_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"does not appear to be|host bits set"):
        allow_list.read(text)


def test_entries_are_kept_in_their_normal_form() -> None:
    read = [allow_list.read(text) for text in (" 203.0.113.7", "2001:DB8::/32", "::ffff:10.0.0.0/104")]
    assert read == ["203.0.113.7/32", "2001:db8::/32", "10.0.0.0/8"]
