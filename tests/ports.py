"""Ports for servers that tests start. Each worker of xdist has its own, so that none takes what another has just found
free; and each is given once, because its server may start late or end early.
"""

import itertools
import os
import random

from gateway.dev import ports

#: This process's share of the ports; every other one of it is left to servers that choose by themselves.
_worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_share = ports.PORTS[_worker :: int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))]
_ours = _share[::2]
#: Begins anywhere: other runs of the tests on this machine have the same ports.
_following = itertools.islice(itertools.cycle(_ours), random.randrange(len(_ours)), None)


def share() -> None:
    """Let servers that choose their port by themselves choose from this process's share."""
    ports.PORTS = _share[1::2]


def free_port() -> int:
    """A port that is free, and that no outgoing connection takes while its server is down."""
    return next(port for port in _following if ports.refusal(ports.HOST, port) is None)
