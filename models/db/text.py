"""Text that PostgreSQL can store."""

import re

#: NUL, which PostgreSQL does not store, and lone surrogates, which have no UTF-8 form.
INVALID_CHARACTERS = re.compile("[\x00\ud800-\udfff]")
#: What an error says of text that contains one.
INVALID = "contains an invalid character (NUL or a lone surrogate)"


def is_storable(text: str) -> bool:
    """Whether `text` has no invalid character."""
    return INVALID_CHARACTERS.search(text) is None
