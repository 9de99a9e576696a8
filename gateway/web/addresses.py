"""The address a request came from, behind as many proxies as `TRUSTED_PROXIES` says."""

from ipaddress import IPv6Address, IPv6Network

import falcon

from gateway import inputs

#: Bits of an IPv6 address that name a customer's network; the customer chooses the others at will.
NETWORK_BITS = 64


def client_address(req: falcon.Request, trusted_proxies: int) -> str:
    """The address that the outermost trusted proxy saw, in its plain form: without a port, IPv4 as IPv4.

    Each proxy appends the address of its caller to `X-Forwarded-For`. Counted from the end, as many entries are true as
    there are trusted proxies; the client may have written those before. A request with fewer entries did not pass all
    of the proxies: its address is that of the connection. What is not an address is returned as it was written.
    """
    found = str(req.remote_addr)
    if trusted_proxies:
        hops = [hop.strip() for hop in (req.get_header("X-Forwarded-For") or "").split(",")]
        found = (hops[-trusted_proxies] if len(hops) >= trusted_proxies else "") or found
    try:
        return str(inputs.address(found))
    except ValueError:
        return found


def client_network(req: falcon.Request, trusted_proxies: int) -> str:
    """What is counted as one address: that of `client_address`, and of an IPv6 address its /64."""
    found = client_address(req, trusted_proxies)
    try:
        address = inputs.address(found)
    except ValueError:
        return found
    if isinstance(address, IPv6Address):
        return str(IPv6Network((int(address) >> (128 - NETWORK_BITS) << (128 - NETWORK_BITS), NETWORK_BITS)))
    return str(address)
