"""Every regular expression takes time in proportion to the text."""

import re
import time
from collections.abc import Callable

import pytest

from gateway.dev.simulator.described import writing
from gateway.providers.described import patterns as described
from gateway.web.ops import stored
from models import masking
from tests import patterns
from tests.growth import is_linear
from tests.patterns import Pattern, Text

FOUND, MADE_AT_RUN_TIME = patterns.find()
#: Of those that are made at run time: how, from a text of that size.
MADE: dict[str, Callable[[str], object]] = {
    "models.masking._finding": lambda text: masking.strike_credentials(text, ("aaaab", "ab", "a" * 200)),
    "gateway.providers.described.patterns.__init__": lambda text: described.Pattern("^a(.*)b$").search(text),
    "gateway.dev.simulator.described.writing._put": lambda text: writing._put(
        text, {"aab": "x", "aaaab": "y"}
    ),
    "models.masking._without_code": lambda text: masking.strike_codes(text, ["aab", "aaaab", "1-1-1-1-1-2"]),
    "gateway.web.ops.stored.pattern_of": lambda text: stored.read(f"the adapter {text}"),
}
#: Characters of texts that are short, and the seconds of processor time that they take at most: a hundred times what
#: a pattern needs that does not explode. They come first, since with a longer text an exponential one would not end.
SHORT, SHORT_SECONDS = (12, 16, 20, 24, 30, 36, 44, 54, 64), 0.03
#: Characters of texts that are compared: the first two of any pattern, the last one where these leave a doubt.
SIZES = (300, 900, 3_600)
#: How many times longer the second may take than the first, and the last than the second; a square takes 9 and 16
#: times.
LIKELY, LIMIT = 5, 8
#: Seconds; a floor keeps the noise of the clock out of the ratios.
SHORTEST_SECONDS = 0.00005


def seconds(pattern: Pattern, made: str, tries: int = 1) -> float:
    """Processor time, the shortest of some tries."""
    found = []
    for _ in range(tries):
        begun = time.process_time()
        pattern.apply(made)
        found.append(time.process_time() - begun)
    return max(SHORTEST_SECONDS, min(found))


def is_slow(pattern: Pattern, text: Text) -> bool:
    """Whether the time grows faster than the text. A noisy measurement is made again."""
    for made in map(text.of, SHORT):
        if seconds(pattern, made) > SHORT_SECONDS and seconds(pattern, made) > SHORT_SECONDS:
            return True
    small, middle, large = map(text.of, SIZES)
    if seconds(pattern, middle) < LIKELY * seconds(pattern, small):
        return False
    return all(
        seconds(pattern, large, tries) > LIMIT * seconds(pattern, middle, tries) for tries in (1, 2, 3)
    )


@pytest.mark.parametrize("pattern", FOUND, ids=lambda pattern: pattern.name)
def test_a_pattern_takes_time_in_proportion_to_the_text(pattern: Pattern) -> None:
    for text in patterns.adversaries(pattern.pattern):
        assert not is_slow(pattern, text), text


@pytest.mark.parametrize("place", MADE)
@pytest.mark.parametrize("piece", ["a", "ab", "aaaa", "1-", "1", " "])
def test_a_pattern_that_is_made_of_a_secret_does_too(place: str, piece: str) -> None:
    assert is_linear(MADE[place], piece)


def test_no_pattern_is_made_anywhere_else() -> None:
    assert sorted(MADE_AT_RUN_TIME) == sorted(MADE)


def test_all_patterns_are_found() -> None:
    names = {pattern.name for pattern in FOUND}
    assert {"gateway.providers.znet.UNCLEAR", "models.texts.GROUPED[',']", "gunicorn.conf.INVALID"} <= names
    assert "gateway.callbacks.verifiers.Hmac.PLACEHOLDER" in names, "of classes too"
    assert any(name.startswith("gateway.settings:") for name in names), "within functions too"


@pytest.mark.parametrize(
    "slow",
    [r"islem\w* devam", r"\w+x", r"(\d+)+$", r"(?:\s*=)+\s*x", r"[^,]*,[^,]*;"],
)
def test_a_slow_pattern_is_noticed(slow: str) -> None:
    pattern = Pattern("slow", re.compile(slow), frozenset({"search"}))
    assert any(is_slow(pattern, text) for text in patterns.adversaries(pattern.pattern))
