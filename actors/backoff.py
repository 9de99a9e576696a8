"""When to ask a provider again. Pure."""

import random
from collections.abc import Callable
from dataclasses import dataclass

#: Waits are stretched by up to this share, so that orders sent together are not asked for together.
JITTER = 0.1


@dataclass(frozen=True, slots=True)
class Backoff:
    """Waits double from `min_seconds` to `max_seconds`; after `max_checks` checks only the sweep asks, slowly."""

    min_seconds: float
    max_seconds: float
    max_checks: int
    slow_seconds: float

    def delays_seconds(self, uniform: Callable[[float, float], float] = random.uniform) -> list[float]:
        """The wait after each check, jittered; the last one is for every check beyond `max_checks`."""
        planned = [self._planned(number) for number in range(self.max_checks - 1)]
        return [delay * (1 + uniform(0, JITTER)) for delay in planned] + [self.slow_seconds]

    def _planned(self, number: int) -> float:
        # Past 64 doublings any base is beyond any bound; a larger exponent only overflows.
        return min(self.min_seconds * 2.0 ** min(number, 64), self.max_seconds)
