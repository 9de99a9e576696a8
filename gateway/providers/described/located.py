"""Where in a TOML text a key stands. Pure."""

import re
import tomllib
from bisect import bisect_left
from collections.abc import Sequence
from typing import Any

#: A key of a table, or a place in a list.
Key = str | int

#: What decides whether a line ends an assignment: texts, comments, brackets, and ends of lines. A text without its end
#: goes on to where it must end, so that nothing is looked through twice.
TOKEN = re.compile(
    r'"""(?:\\.|[^\\])*?(?:"{3,5}|\\?\Z)'
    r"|'''.*?(?:'{3,5}|\Z)"
    r'|"(?:\\.|[^"\\\n])*"?'
    r"|'[^'\n]*'?|#[^\n]*|[\[\]{}\n]",
    re.DOTALL,
)


def line_of(text: str, keys: Sequence[Key]) -> int:
    """The line on which the last of `keys` begins that the text has, which is valid TOML."""
    lines, ends, found = text.split("\n"), _ends(text), present(tomllib.loads(text), keys)
    number = bisect_left(
        ends, True, key=lambda end: present(tomllib.loads("\n".join(lines[:end])), keys) == found
    )
    return (ends[number - 1] if number else 0) + 1


def _ends(text: str) -> list[int]:
    """Numbers of lines after which the text is between two assignments, found in one pass."""
    ends, line, depth = [0], 0, 0
    for found in TOKEN.findall(text + "\n"):
        line += found.count("\n")
        depth += (found in ("[", "{")) - (found in ("]", "}"))
        if found == "\n" and depth == 0:
            ends.append(line)
    return ends


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
