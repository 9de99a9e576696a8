"""The address a request came from, behind as many proxies as `TRUSTED_PROXIES` says."""

import falcon


def client_address(req: falcon.Request, trusted_proxies: int) -> str:
    """The address that the outermost trusted proxy saw, as it wrote it.

    Each proxy appends the address of its caller to `X-Forwarded-For`. Counted from the end, as many entries are true as
    there are trusted proxies; the client may have written those before. A request with fewer entries did not pass all
    of the proxies: its address is that of the connection.
    """
    peer = str(req.remote_addr)
    if not trusted_proxies:
        return peer
    hops = [hop.strip() for hop in (req.get_header("X-Forwarded-For") or "").split(",")]
    return (hops[-trusted_proxies] if len(hops) >= trusted_proxies else "") or peer
