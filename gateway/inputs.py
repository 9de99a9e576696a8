"""Checks of text from outside that several modules need. Pure; imports nothing of ours."""

import re
import socket
import unicodedata
from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import SplitResult, urlsplit

#: Whole numbers below it are the same as a float.
EXACT = 2**53
#: PostgreSQL stores no NUL, and UTF-8 has no lone surrogates.
INVALID_CHARACTER = re.compile("[\x00\ud800-\udfff]")


def http_url(text: str) -> SplitResult:
    """The parts of an absolute http or https URL. Raises ValueError for anything else, blanks included."""
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise ValueError("must have a valid host and port") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        raise ValueError("must be an absolute URL that begins with http:// or https://")
    if not text.isprintable() or " " in text:
        raise ValueError("must not contain blanks or control characters")
    return parts


def host_address(hostname: str) -> IPv4Address | IPv6Address | None:
    """The IP address that the host of a URL is, in any notation that resolvers take, or None for a name.

    Such as `169.254.1.1`, `0xa9fe0101`, `2852061441` and `[::ffff:169.254.1.1]`, in the digits of any script.
    """
    host = unicodedata.normalize("NFKC", hostname).replace("\u3002", ".").strip("[]").removesuffix(".")
    try:
        return address(f"[{host}]") if ":" in host else IPv4Address(socket.inet_aton(host))
    except (ValueError, OSError):
        return None


def exact(value: object) -> object:
    """A whole number that its sender keeps as a float (PHP, JavaScript) as an int; anything else as it is."""
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < EXACT else value


def is_storable(text: str) -> bool:
    """Whether the database can store `text`."""
    return INVALID_CHARACTER.search(text) is None


def storable(text: str) -> str:
    """`text`, which the database can store. Raises ValueError."""
    if not is_storable(text):
        raise ValueError("contains an invalid character (NUL or a lone surrogate)")
    return text


def address(text: str) -> IPv4Address | IPv6Address:
    """The IP address in `text`, which a proxy may have written with a port, brackets or a zone. Raises ValueError.

    An IPv4 address mapped into IPv6 (`::ffff:192.0.2.1`, what a dual-stack socket shows) becomes the IPv4 address.
    """
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    found = ip_address(text.partition("%")[0])
    return found.ipv4_mapped or found if isinstance(found, IPv6Address) else found
