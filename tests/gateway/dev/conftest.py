"""What the tests of the simulator share."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache

import pytest

from gateway.dev.simulator import Simulator
from tests.gateway.dev.receiving import Receiver, receiving


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as found:
        yield found


@pytest.fixture(scope="session")
def _running() -> Iterator[Callable[[str], Simulator]]:
    with ExitStack() as held:
        yield cache(
            lambda protocol: held.enter_context(
                Simulator(protocol=protocol, settle_after_seconds=60, echo=None)
            )
        )


@pytest.fixture
def provider(_running: Callable[[str], Simulator]) -> Callable[[str, str], Simulator]:
    """A simulated provider of a protocol without orders, whose orders do what the words say.

    Each protocol's is started once, since that takes longer than most tests with it.
    """

    def fresh(protocol: str, words: str = "") -> Simulator:
        simulator = _running(protocol)
        simulator.control.reset()
        simulator.words[""] = words
        return simulator

    return fresh
