"""Where in a TOML text a key stands. Pure."""

import tomllib
from bisect import bisect_left
from collections.abc import Sequence
from typing import Any

#: A key of a table, or a place in a list.
Key = str | int


def line_of(text: str, keys: Sequence[Key]) -> int:
    """The line on which the key at the end of `keys` begins, or the last of them that the text has."""
    lines = text.split("\n")
    found = _steps(tomllib.loads(text), keys)

    def has_it(count: int) -> bool:
        return _steps(_beginning(lines, count)[1], keys) == found

    end = bisect_left(range(len(lines)), True, key=has_it)
    return _beginning(lines, end - 1)[0] + 1


def _beginning(lines: Sequence[str], count: int) -> tuple[int, Any]:
    """The longest beginning of at most `count` lines that ends between two assignments, and what it says."""
    for length in range(count, 0, -1):
        try:
            return length, tomllib.loads("\n".join(lines[:length]))
        except tomllib.TOMLDecodeError:
            continue
    return 0, {}


def _steps(tree: Any, keys: Sequence[Key]) -> int:
    """How many of the keys lead to something; pydantic names parts of types among them, which lead nowhere."""
    steps = 0
    for key in keys:
        try:
            tree = tree[key]
        except (KeyError, IndexError, TypeError):
            continue
        steps += 1
    return steps
