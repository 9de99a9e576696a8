"""Whether what is told of an order that names no receiver of its own has one."""

_has_default = False


def bind(has_default: bool) -> None:
    """Keep to this from now on: whether NOTIFY_URL is set; called by `binding.bind`."""
    global _has_default  # noqa: PLW0603
    _has_default = has_default


def has_default() -> bool:
    """Whether notifications of an order without a `notifyUrl` are written; they go to NOTIFY_URL."""
    return _has_default
