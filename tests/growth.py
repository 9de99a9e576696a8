"""Whether work grows with its input, and not with its square: two sizes compared, no limit in seconds."""

import time
from collections.abc import Callable

#: Characters of the smaller input, and how many times longer the larger one is.
SMALL, FACTOR = 16_000, 8
#: A ratio that linear work stays below (it is near FACTOR) and quadratic work (FACTOR squared) does not.
LIMIT = 3 * FACTOR
#: Seconds; a floor keeps the noise of the clock out of the ratio.
SHORTEST = 0.0005


def is_linear(work: Callable[[str], object], piece: str) -> bool:
    """True if `work` on many `piece`s takes time in proportion. A noisy measurement is made again, twice."""
    small, large = (piece * (size // len(piece)) for size in (SMALL, SMALL * FACTOR))
    return any(_seconds(work, large) / max(_seconds(work, small), SHORTEST) < LIMIT for _ in range(3))


def _seconds(work: Callable[[str], object], text: str) -> float:
    """Processor time, so that other processes do not count."""
    begun = time.process_time()
    work(text)
    return time.process_time() - begun
