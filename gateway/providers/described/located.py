"""Where in a TOML text a key stands. Pure."""

import tomllib
from bisect import bisect_left
from collections.abc import Sequence
from typing import Any

#: A key of a table, or a place in a list.
Key = str | int


def line_of(text: str, keys: Sequence[Key]) -> int:
    """The line on which the last of `keys` begins that the text has."""
    lines, found = text.split("\n"), present(tomllib.loads(text), keys)
    end = bisect_left(
        range(len(lines)), True, key=lambda count: present(_beginning(lines, count)[1], keys) == found
    )
    return _beginning(lines, end - 1)[0] + 1


def _beginning(lines: Sequence[str], count: int) -> tuple[int, Any]:
    """The longest beginning of at most `count` lines that ends between two assignments, and what it says."""
    for length in range(count, 0, -1):
        try:
            return length, tomllib.loads("\n".join(lines[:length]))
        except tomllib.TOMLDecodeError:
            continue
    return 0, {}


def present(tree: Any, keys: Sequence[Key]) -> list[Key]:
    """Those of the keys that lead to something; pydantic names parts of types among them, which lead nowhere."""
    found = []
    for key in keys:
        try:
            tree = tree[key]
        except (KeyError, IndexError, TypeError):
            continue
        found.append(key)
    return found
