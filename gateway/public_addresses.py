"""Which addresses may be called that others choose: public ones only, whatever the notation."""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from gateway.inputs import host_address, http_url
from gateway.names import Names

#: Characters of the longest URL that others may choose.
MAX_URL = 2048
#: What is said of a URL that leads into our network, as far as it shows.
PRIVATE = (
    "must not lead to a private, loopback, link-local or shared address, unless NOTIFY_ALLOW_PRIVATE is 1"
)
#: What nobody outside may have called: this host, private, shared and link-local networks, those that are kept for
#: benchmarks and protocols, multicast, and what was never given to anybody.
NOT_PUBLIC: tuple[IPv4Network | IPv6Network, ...] = tuple(
    ip_network(each)
    for each in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
        *("192.0.0.0/24", "192.168.0.0/16", "198.18.0.0/15", "224.0.0.0/3"),
        *("::/127", "64:ff9b:1::/48", "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8"),
    )
)
#: IPv6 networks whose addresses contain an IPv4 address that routers translate to: its place, in bits from the right.
CONTAINING = {
    IPv6Network("::/96"): 0,
    IPv6Network("::ffff:0:0/96"): 0,
    IPv6Network("::ffff:0:0:0/96"): 0,
    IPv6Network("64:ff9b::/96"): 0,
    IPv6Network("2002::/16"): 80,
}
#: Looks up the names that others choose: more than all calls of one tenant can have hang at a time.
NAMES = Names(most=128)
#: Teredo contains the address of its server, and that of its client with every bit turned over.
TEREDO = IPv6Network("2001::/32")


class NotPublic(ValueError):
    """The URL leads to an address that is not public."""


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Whether it may be called; an IPv6 address that contains an IPv4 address only if that may be, too."""
    if any(address.version == network.version and address in network for network in NOT_PUBLIC):
        return False
    return all(map(is_public, _contained(address)))


def _contained(address: IPv4Address | IPv6Address) -> list[IPv4Address]:
    if isinstance(address, IPv4Address):
        return []
    number = int(address)
    if address in TEREDO:
        return [IPv4Address(number >> 64 & 0xFFFFFFFF), IPv4Address(~number & 0xFFFFFFFF)]
    return [
        IPv4Address(number >> place & 0xFFFFFFFF)
        for network, place in CONTAINING.items()
        if address in network
    ]


def check_url(text: str, *, allow_private: bool = False) -> str:
    """A URL that others have chosen, if it may be called as far as it shows; a name is resolved at every call.

    Raises ValueError.
    """
    parts = http_url(text)
    if len(text) > MAX_URL:
        raise ValueError(f"must have at most {MAX_URL} characters")
    if "@" in parts.netloc:
        raise ValueError("must not contain a user or a password")
    if "\\" in text:
        raise ValueError("must not contain a backslash")
    literal = host_address(ascii_host(parts.hostname or ""))
    if literal is not None and not is_public(literal) and not allow_private:
        raise NotPublic(PRIVATE)
    return text


def ascii_host(host: str) -> str:
    """The host of a URL as DNS and TLS have it. Raises ValueError."""
    try:
        found = host if ":" in host else host.encode("idna").decode()
    except UnicodeError:
        found = ""
    if not found or "%" in found:  # a zone, or what one parser decodes and another does not
        raise ValueError("must have a valid host")
    return found


def resolve(host: str, seconds: float) -> list[str]:
    """The addresses of a host, if all of them are public. Raises NotPublic, and what `Names.addresses` raises."""
    addresses = NAMES.addresses(host, seconds)
    if not all(is_public(ip_address(each.partition("%")[0])) for each in addresses):
        raise NotPublic("the host leads to an address that is not public; see NOTIFY_ALLOW_PRIVATE")
    return addresses
