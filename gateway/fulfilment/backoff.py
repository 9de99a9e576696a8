"""When to ask a provider again. Pure."""

import math
import random
from collections.abc import Callable
from dataclasses import dataclass

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
        planned = (
            min(self.min_seconds * 2.0 ** min(number, MAX_DOUBLINGS), self.max_seconds)
            for number in range(self.max_checks - 1)
        )
        return [*(delay * (1 + uniform(0, JITTER)) for delay in planned), self.slow_seconds]


def together_seconds(delay_seconds: float, now: float) -> float:
    """A wait that is up to JITTER longer, so that it ends when others end: orders that are asked about in one question.

    `now` is the time in seconds since 1970.
    """
    step = delay_seconds * JITTER
    return math.ceil((now + delay_seconds) / step) * step - now
