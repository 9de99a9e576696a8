"""TCP ports of this machine: which addresses there are, whether a port can be used, and if not, why."""

import errno
import os
import random
import socket
from collections.abc import Sequence

HOST = "127.0.0.1"
#: Below the ports that systems give to outgoing connections, so that a stopped server's port stays free.
PORTS: Sequence[int] = range(20_000, 32_000)


def loopback() -> tuple[str, ...]:
    """The addresses that only this machine reaches: 127.0.0.1 and, where there is IPv6, ::1."""
    return (HOST,) if refusal("::1", 0) else (HOST, "::1")


def refusal(host: str, port: int) -> OSError | None:
    """Why nothing can listen there, None if it can."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family) as probe:
            probe.setsockopt(
                socket.SOL_SOCKET, socket.SO_REUSEADDR, 1
            )  # as the servers do: TIME_WAIT is free
            probe.bind((host, port))
    except OSError as error:
        return error
    return None


def explain(error: OSError, host: str, port: int) -> str:
    """A refusal in words, as the beginning of a sentence."""
    if error.errno == errno.EADDRINUSE:
        return f"port {port} is taken"
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"port {port} is not permitted for this user (ports below 1024 usually need root)"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"{host} is not an address of this machine"
    return f"cannot listen on {host}, port {port}: {error.strerror or os.strerror(error.errno or 0)}"


def free_port(seed: str, hosts: Sequence[str] = (HOST,)) -> int:
    """A port that is free on all of `hosts`; the same one for the same `seed`, unless another process took it."""
    candidates = random.Random(seed).sample(PORTS, 100)  # noqa: S311  (repeatable, not secret)
    return next(port for port in candidates if not any(refusal(host, port) for host in hosts))
