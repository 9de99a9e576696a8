"""How long the web waits for one slow client, measured on the wire."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress

from gateway.clients import ANSWER_SECONDS, HEAD_SECONDS, REQUEST_SECONDS
from tests.acceptance.flood.crowd import SMALL_BUFFER_BYTES, get, post

#: Seconds that the web may be late.
LATE_SECONDS = 3.0
#: Seconds of silence between two requests that must do no harm.
SILENCE_SECONDS = 32.0
#: Seconds between two bytes of a slow client.
DRIP_SECONDS = 0.5


def broken(port: int, key: str) -> Iterator[str]:
    """What is not as it should be. Takes as long as the longest limit."""
    authorization = f"Authorization: Bearer {key}"
    lists = get("/orders?limit=100", authorization) * 200
    expected: dict[str, tuple[float, Callable[[], float]]] = {
        "a new client that says nothing": (HEAD_SECONDS, lambda: _until_hung_up(port, b"", b"")),
        "half a head": (HEAD_SECONDS, lambda: _until_hung_up(port, get("/health/live")[:-4], b"")),
        "a head without end": (
            HEAD_SECONDS,
            lambda: _until_hung_up(port, b"GET / HTTP/1.1\r\n", b"A: b\r\n"),
        ),
        "a slow head after a request": (
            HEAD_SECONDS,
            lambda: _until_hung_up(port, get("/health/live") + b"GET / HTTP/1.1\r\n", b"A: b\r\n"),
        ),
        "a slow body": (REQUEST_SECONDS, lambda: _until_hung_up(port, post("/orders", 6000), b" ")),
        "a slow body that nothing reads": (
            REQUEST_SECONDS,
            lambda: _until_hung_up(port, post("/nowhere", 6000), b" "),
        ),
        "answers that are not taken": (ANSWER_SECONDS, lambda: _until_reset(port, lists)),
        "silence between two requests": (SILENCE_SECONDS, lambda: _silence(port)),
    }
    found: dict[str, float] = {}

    def measure(name: str, wait: Callable[[], float]) -> None:
        with suppress(OSError):  # then nothing is found, which is not as it should be
            found[name] = wait()

    threads = [threading.Thread(target=measure, args=(name, wait)) for name, (_, wait) in expected.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for name, (seconds, _) in expected.items():
        if not seconds - 1 <= found.get(name, 0) <= seconds + LATE_SECONDS:
            yield f"{name}: {found.get(name)} s instead of {seconds:g} s"


def _until_hung_up(port: int, opening: bytes, drip: bytes) -> float:
    """Seconds."""
    with closing(socket.create_connection(("127.0.0.1", port), DRIP_SECONDS)) as client:
        began = time.monotonic()
        client.sendall(opening)
        with suppress(ConnectionError):
            while time.monotonic() - began < 2 * REQUEST_SECONDS:
                with suppress(TimeoutError):
                    if not client.recv(65536):
                        break
                client.sendall(drip)
        return time.monotonic() - began


def _until_reset(port: int, opening: bytes) -> float:
    """Seconds until a client that reads nothing is hung up on."""
    with closing(socket.socket()) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER_BYTES)
        client.connect(("127.0.0.1", port))
        began = time.monotonic()
        client.sendall(opening)
        while time.monotonic() - began < 2 * ANSWER_SECONDS:
            if client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                break
            time.sleep(DRIP_SECONDS)
        return time.monotonic() - began


def _silence(port: int) -> float:
    """Seconds after which the second request of a connection was answered."""
    with closing(socket.create_connection(("127.0.0.1", port), SILENCE_SECONDS)) as client:
        began = time.monotonic()
        for pause in (0, SILENCE_SECONDS):
            time.sleep(pause)
            client.sendall(get("/health/live"))
            if not client.recv(65536).startswith(b"HTTP/1.1 200"):
                return 0
        return time.monotonic() - began
