"""Regular expressions of protocol files, which meet text from outside. Pure.

They take time in proportion to the text: google-re2 guarantees it where it is installed; and a pattern that Python's
own engine could need longer for is refused, so that a file works the same everywhere.
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
#: Characters of the text that is searched; what follows is not read.
MAX_TEXT = 20_000
#: Repetitions without a bound that one pattern may have, one behind the other: the time grows with their power.
MOST_UNBOUNDED = 4

_REPEATS = (codes.MAX_REPEAT, codes.MIN_REPEAT, codes.POSSESSIVE_REPEAT)
_LOOKS = (codes.ASSERT, codes.ASSERT_NOT, codes.GROUPREF, codes.GROUPREF_EXISTS)


class BadPattern(ValueError):
    """A pattern cannot be used; the message says why."""


class Pattern:
    """A regular expression, matched without regard to case."""

    def __init__(self, text: str) -> None:
        if len(text) > MAX_PATTERN:
            raise BadPattern(f"is longer than {MAX_PATTERN} characters")
        try:
            _check(parser.parse(text))
            self._python = re.compile(text, re.IGNORECASE)
            self._linear = re2.compile(f"(?i){text}") if re2 else None
        except (re.error, OverflowError, RecursionError) as error:
            raise BadPattern(f"is not a valid regular expression: {error}") from None
        except Exception as error:  # google-re2 has an error class of its own
            if isinstance(error, BadPattern):
                raise
            raise BadPattern(f"is not a regular expression of linear time: {error}") from None
        self.groups = frozenset(self._python.groupindex)

    def search(self, text: str) -> Mapping[str, str] | None:
        """The named groups of the first match that are not empty; None without a match."""
        found = (self._linear or self._python).search(text[:MAX_TEXT])
        if found is None:
            return None
        return {name: value.strip() for name, value in found.groupdict().items() if value and value.strip()}


def _check(parsed: Any) -> None:
    """Raises BadPattern for what could backtrack without end, or needs an engine that could."""
    if _unbounded(parsed, within=False) > MOST_UNBOUNDED:
        raise BadPattern(
            f"has more than {MOST_UNBOUNDED} repetitions without a bound, such as `.*`; give them one: {{0,200}}"
        )


def _unbounded(items: Iterable[Any], *, within: bool) -> int:
    """How many repetitions without a bound there are, none within another."""
    count = 0
    for operation, argument in items:
        if operation in _LOOKS:
            raise BadPattern("looks around, or refers back to a group, which protocol files do not take")
        if operation in _REPEATS:
            _, most, repeated = argument
            is_open = most is codes.MAXREPEAT or most > MOST_TIMES
            if is_open and within:
                raise BadPattern(
                    "has a repetition within a repetition, which can take for ever; give the inner one a bound"
                )
            count += is_open + _unbounded(repeated, within=within or most > 1)
        elif operation is codes.BRANCH:
            count += max(_unbounded(each, within=within) for each in argument[1])
        elif operation in (codes.SUBPATTERN, codes.ATOMIC_GROUP):
            count += _unbounded(argument[-1] if operation is codes.SUBPATTERN else argument, within=within)
    return count


#: A repetition of more than so many times counts as one without a bound.
MOST_TIMES = 200
