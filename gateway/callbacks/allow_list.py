"""Which addresses may call back for a provider: `--callback-allow`. Pure."""

from functools import lru_cache
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

#: Bits before the IPv4 address in an IPv4-mapped one (`::ffff:0:0/96`).
MAPPED_BITS = 96


def read(text: str) -> str:
    """An address or a network in CIDR notation, in its normal form. Raises ValueError."""
    network = ip_network(text.strip())
    mapped = network.network_address.ipv4_mapped if isinstance(network, IPv6Network) else None
    if mapped and network.prefixlen >= MAPPED_BITS:
        return f"{mapped}/{network.prefixlen - MAPPED_BITS}"
    return str(network)


def allows(networks: tuple[str, ...], address: str) -> bool:
    """Whether `address`, which a proxy may have written with a port or brackets, is in one of `networks`."""
    try:
        found = ip_address(_bare(address))
    except ValueError:
        return False
    if isinstance(found, IPv6Address) and found.ipv4_mapped:
        found = found.ipv4_mapped
    return any(found in network for network in _parsed(networks))


def _bare(address: str) -> str:
    """Without a port (`192.0.2.1:443`, `[2001:db8::1]:443`) and without the zone of an interface (`fe80::1%eth0`)."""
    if address.startswith("["):
        address = address[1:].partition("]")[0]
    elif address.count(":") == 1:
        address = address.partition(":")[0]
    return address.partition("%")[0]


@lru_cache(maxsize=1000)
def _parsed(networks: tuple[str, ...]) -> tuple[IPv4Network | IPv6Network, ...]:
    return tuple(map(ip_network, networks))
