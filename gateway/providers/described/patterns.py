"""Regular expressions of protocol files, which meet text from outside. Pure.

google-re2, where it is installed, takes time in proportion to the text; Python's own engine does not. So a pattern
that it could need long for is refused, and only what both engines read alike is taken: a file works everywhere or
nowhere.
"""

import re
from collections.abc import Iterable, Mapping
from re import _constants as codes  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

try:
    import re2
except ImportError:  # it has no wheel for this Python
    re2 = None

#: Characters of a pattern.
MAX_PATTERN = 1_000
#: Characters of the text that is searched; a longer one does not match: its end may say what changes its meaning.
MAX_TEXT = 2_000
#: Times that something may be repeated by a number; google-re2 takes no more.
MAX_TIMES = 1_000
#: Ways in which the parts of a pattern can share a text among them. Python's engine tries them all in about a second.
MAX_WAYS = 1_000_000_000
#: Turkish letters whose small and capital forms other languages pair differently.
TURKISH_I = str.maketrans("İı", "ii")

_REPEATS = (codes.MAX_REPEAT, codes.MIN_REPEAT)
_LOOKS = (codes.ASSERT, codes.ASSERT_NOT, codes.GROUPREF, codes.GROUPREF_EXISTS)
_LETTERS = (codes.LITERAL, codes.NOT_LITERAL, codes.IN)
_ENDS = (codes.AT, codes.AT_END_STRING), (codes.AT, codes.AT_BEGINNING_STRING)


class BadPattern(ValueError):
    """A pattern cannot be used; the message says why."""


class Pattern:
    """A regular expression. Texts are searched in small letters, so it is written in small letters."""

    def __init__(self, text: object) -> None:
        if not isinstance(text, str) or len(text) > MAX_PATTERN:
            raise BadPattern(f"must be a regular expression in quotes of at most {MAX_PATTERN} characters")
        try:
            parsed = parser.parse(text, re.ASCII)
            compiled = re.compile(text, re.ASCII)
        except (re.error, OverflowError, RecursionError) as error:
            raise BadPattern(f"is not a valid regular expression: {error}") from None
        if compiled.flags != re.ASCII:
            raise BadPattern("sets flags, which protocol files do not take")
        is_anchored = bool(parsed) and parsed[0] == (codes.AT, codes.AT_BEGINNING)
        if _ways(parsed) * (1 if is_anchored else MAX_TEXT) > MAX_WAYS:
            raise BadPattern(
                "has too many repetitions that can share a text among them; begin it with `^`, or bound them: `.{0,80}`"
            )
        self.text = text
        #: Whether it looks at the beginning of a text alone.
        self.is_anchored = is_anchored
        self.groups = compiled.groupindex
        self._compiled = re2.compile(text) if re2 else compiled

    def search(self, text: str) -> Mapping[str, str] | None:
        """The named groups of the first match that are not empty; None without a match."""
        text = text.strip()
        found = self._compiled.search(fold(text)) if len(text) <= MAX_TEXT else None
        if found is None:
            return None
        spans = {name: found.span(number) for name, number in self.groups.items()}
        said = {name: text[start:end].strip() for name, (start, end) in spans.items() if start >= 0}
        return {name: value for name, value in said.items() if value}


def fold(text: str) -> str:
    """`text` in small letters, as long as it was."""
    return text.translate(TURKISH_I).lower()


def _ways(items: Iterable[Any], *, is_repeated: bool = False) -> int:
    """In how many ways the repetitions can share a text. What is repeated has none, and no alternatives.

    Raises BadPattern also for what the two engines could read differently, and for what would never match.
    """
    ways = 1
    for operation, argument in items:
        if is_repeated and operation in (*_REPEATS, codes.BRANCH):
            raise BadPattern(
                "has a repetition or an alternative within a repetition, which can take for ever"
            )
        if operation in _REPEATS:
            ways *= _repetitions(*argument)
        elif operation is codes.BRANCH:
            ways *= sum(map(_ways, argument[1]))
        elif operation is codes.SUBPATTERN:
            _, added, removed, within = argument
            if added or removed:
                raise BadPattern("sets flags, which protocol files do not take")
            ways *= _ways(within, is_repeated=is_repeated)
        else:
            _check_one(operation, argument)
    return ways


def _repetitions(least: int, most: Any, repeated: Iterable[Any]) -> int:
    is_open = most is codes.MAXREPEAT
    if max(least, 0 if is_open else most) > MAX_TIMES:
        raise BadPattern(f"repeats something more than {MAX_TIMES} times")
    inner = _ways(repeated, is_repeated=is_open or most > 1)
    return inner * (MAX_TEXT if is_open else most - least + 1)


def _check_one(operation: Any, argument: Any) -> None:
    """Raises BadPattern for what is neither a place nor a letter that a text in small letters can have."""
    if operation in _LOOKS:
        raise BadPattern("looks around, or refers back to a group, which protocol files do not take")
    if operation not in (*_LETTERS, codes.ANY, codes.AT) or (operation, argument) in _ENDS:
        raise BadPattern("uses a part of regular expressions that protocol files do not take")
    for kind, value in argument if operation is codes.IN else [(operation, argument)]:
        letters = value if kind is codes.RANGE else [value] if kind in _LETTERS else []
        if any(fold(chr(each)) != chr(each) for each in letters):
            raise BadPattern("has a capital letter; texts are searched in small letters, so write it small")
