"""The address a request came from, behind as many proxies as `TRUSTED_PROXIES` says."""

import falcon

from gateway import inputs


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
