"""Whether what becomes of orders is told to anybody."""

_has_default = False
_tells = True


def bind(has_default: bool, *, tells: bool = True) -> None:
    """Keep to this from now on: whether NOTIFY_URL is set, and whether anything can go out. See `binding.bind`."""
    global _has_default, _tells
    _has_default, _tells = has_default, tells


def has_default() -> bool:
    """Whether notifications of an order without a `notifyUrl` are written; they go to NOTIFY_URL."""
    return _has_default


def tells() -> bool:
    """Whether notifications are written at all. Without a secret none can be signed, and no order names a receiver."""
    return _tells
