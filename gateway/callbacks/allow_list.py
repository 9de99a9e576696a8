"""Which addresses may call back for a provider: `--callback-allow`. Pure."""

from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_network

from gateway import inputs

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
    """Whether `address`, in any notation that `inputs.address` takes, is in one of `networks`."""
    try:
        found = inputs.address(address)
    except ValueError:
        return False
    return any(found in network for network in _parsed(networks))


@lru_cache(maxsize=1000)
def _parsed(networks: tuple[str, ...]) -> tuple[IPv4Network | IPv6Network, ...]:
    return tuple(map(ip_network, networks))
