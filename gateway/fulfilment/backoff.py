"""When to ask a provider again. Pure."""

import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from itertools import accumulate

#: Longest stretch of a wait, as a share of it, so that orders sent together are not asked for together.
JITTER = 0.1
#: Doublings after which any base is beyond any bound; a larger exponent only overflows.
MAX_DOUBLINGS = 64


@dataclass(frozen=True, slots=True)
class Backoff:
    """Waits double from `min_seconds` to `max_seconds`; after `max_checks` checks only the sweep asks, slowly."""

    min_seconds: float
    max_seconds: float
    max_checks: int
    slow_seconds: float

    def delays_seconds(self, uniform: Callable[[float, float], float] = random.uniform) -> list[float]:
        """The wait after each check, jittered; the last one is for every check beyond `max_checks`."""
        planned = self._waits_seconds()
        return [*(delay * (1 + uniform(0, JITTER)) for delay in planned), self.slow_seconds]

    def starts_seconds(self) -> list[float]:
        """The times after the send that each check by backoff cannot come before, unless something asks sooner."""
        return list(accumulate(self._waits_seconds(), initial=0.0))

    def _waits_seconds(self) -> list[float]:
        return [
            min(self.min_seconds * 2.0 ** min(number, MAX_DOUBLINGS), self.max_seconds)
            for number in range(self.max_checks - 1)
        ]


def together_seconds(delay_seconds: float, now: float) -> float:
    """A wait that is up to JITTER longer, so that it ends when others end: orders that are asked about in one question.

    `now` is the time in seconds since 1970.
    """
    step = delay_seconds * JITTER
    return math.ceil((now + delay_seconds) / step) * step - now
