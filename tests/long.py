"""How much of a story is told: `make test` has its short form, `make soak` the long one."""

import os
from typing import TypeVar

import pytest

T = TypeVar("T")
#: Set by `make soak`.
VARIABLE = "REFERANS_LONG_TESTS"
#: A part of a story that only `make soak` tells.
only = pytest.mark.skipif(not os.environ.get(VARIABLE), reason="make soak tells it")


def either(short: T, whole: T) -> T:
    """What `make test` does, or what `make soak` does."""
    return whole if os.environ.get(VARIABLE) else short
