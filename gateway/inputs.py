"""Checks of text from outside that several modules need. Pure; imports nothing of ours."""

import re
from urllib.parse import SplitResult, urlsplit

#: PostgreSQL stores no NUL, and UTF-8 has no lone surrogates.
INVALID_CHARACTER = re.compile("[\x00\ud800-\udfff]")


def http_url(text: str) -> SplitResult:
    """The parts of an absolute http or https URL. Raises ValueError for anything else, blanks included."""
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0:
        raise ValueError("must be an absolute URL that begins with http:// or https://")
    if not text.isprintable() or " " in text:
        raise ValueError("must not contain blanks or control characters")
    return parts


def is_storable(text: str) -> bool:
    """Whether the database can store `text`."""
    return INVALID_CHARACTER.search(text) is None


def storable(text: str) -> str:
    """`text`, which the database can store. Raises ValueError."""
    if not is_storable(text):
        raise ValueError("contains an invalid character (NUL or a lone surrogate)")
    return text
