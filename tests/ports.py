"""What each worker of xdist has of its own, so that none takes what another has just found free: above all ports.

A port is given once, because its server may start late or end early.
"""

import itertools
import os
import random
from collections.abc import Sequence
from typing import TypeVar

from gateway.dev import ports

T = TypeVar("T")


def mine(things: Sequence[T]) -> Sequence[T]:
    """This worker's share of them."""
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    return things[number :: int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))]


#: Every other port of the share is left to servers that choose by themselves.
_given, _left = mine(ports.PORTS)[::2], mine(ports.PORTS)[1::2]
#: Begins anywhere: other runs of the tests on this machine have the same ports.
_following = itertools.islice(itertools.cycle(_given), random.randrange(len(_given)), None)


def share() -> None:
    """Let servers that choose their port by themselves choose from this worker's share."""
    ports.PORTS = _left


def free_port() -> int:
    """A port that is free, and that no outgoing connection takes while its server is down."""
    return next(port for port in _following if ports.refusal(ports.HOST, port) is None)
