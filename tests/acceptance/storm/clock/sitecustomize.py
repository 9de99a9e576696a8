"""Python loads this at start from a directory of PYTHONPATH: a process whose clock is off."""

import os
import time

_right = time.time
_ahead_seconds = float(os.environ["CLOCK_AHEAD_SECONDS"])


def _wrong() -> float:
    return _right() + _ahead_seconds


time.time = _wrong
