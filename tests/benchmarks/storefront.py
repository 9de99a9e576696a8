"""Receivers of notifications: `python -m tests.benchmarks.storefront FILE PORT…`.

Each answers after ANSWER_SECONDS; one whose port is written as `PORT!` answers after HANGING_SECONDS. When which order
was told goes to FILE: seconds since 1970 and the order's id, one a line.
"""

import asyncio
import re
import sys
import time
from functools import partial
from pathlib import Path
from typing import TextIO

ANSWER_SECONDS, HANGING_SECONDS = 0.005, 20.0
ORDER = re.compile(rb'"data":\{"id":"([0-9a-f-]{36})"')
LENGTH = re.compile(rb"content-length: *([0-9]+)", re.IGNORECASE)
ANSWER = b"HTTP/1.1 204 No Content\r\n\r\n"


class Receiver(asyncio.Protocol):
    """Requests one at a time on each connection."""

    def __init__(self, log: TextIO, answer_seconds: float) -> None:
        self._log, self._answer_seconds = log, answer_seconds
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, found, body = self._received.partition(b"\r\n\r\n")
        length = LENGTH.search(head)
        if found and length and len(body) >= int(length[1]):
            order = ORDER.search(body)
            self._log.write(f"{time.time():.6f} {order[1].decode() if order else '-'}\n")
            self._received = b""
            asyncio.get_running_loop().call_later(self._answer_seconds, self._answer)

    def _answer(self) -> None:
        if not self._transport.is_closing():
            self._transport.write(ANSWER)  # type: ignore[attr-defined]


async def serve(path: str, ports: list[str]) -> None:
    """Until it is ended."""
    loop = asyncio.get_running_loop()
    with Path(path).open("w", buffering=1) as log:
        for port in ports:
            seconds = HANGING_SECONDS if port.endswith("!") else ANSWER_SECONDS
            number = int(port.removesuffix("!"))
            await loop.create_server(partial(Receiver, log, seconds), "127.0.0.1", number, backlog=512)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], sys.argv[2:]))
